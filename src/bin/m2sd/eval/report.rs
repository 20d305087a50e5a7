//! What an evaluation leaves: metrics.json, scores.csv, page.html, and a table for the terminal.

use std::collections::BTreeMap;
use std::path::Path;

use gstm2sd::core::evidence::Probability;
use gstm2sd::core::modelinfo::Training;
use gstm2sd::measure::evaluation::{Evaluation, Level, Subject};
use gstm2sd::measure::metrics::{Bootstrap, Figure};
use gstm2sd::measure::page::{self, Page, Worst};
use gstm2sd::measure::{Class, Row, Table};
use serde_json::json;

use super::classifiers::Classifier;
use super::records::{Clip, Scan};
use super::{EvalArgs, Evaluated, Listed, faces};
use crate::error::CliError;
use crate::partial_file;
use crate::terminal::{Page as Shown, Set, Table as Rows, Tone};

/// Worst errors of either class.
const WORST: usize = 6;

/// Every clip of every scan; a scan that failed is a file without a score.
pub fn table(evaluated: &Evaluated) -> Table {
    let mut table = Table::default();
    each_scan(evaluated, |_, rows, _| table.rows.extend(rows));
    table
}

pub fn write_table(out: &Path, table: &Table) -> Result<(), CliError> {
    let mut text = Vec::new();
    table.write(&mut text).map_err(CliError::runtime)?;
    Ok(partial_file::write(&out.join("scores.csv"), &text)?)
}

pub fn write_list(out: &Path, evaluated: &Evaluated) -> Result<(), CliError> {
    let items = &evaluated.scans.items;
    Listed::of(items).write(out, items)
}

/// What a scan is of, by numbers.
#[derive(Clone, Copy)]
struct Place {
    classifier: usize,
    degradation: usize,
    item: usize,
}

/// Calls `take` with the rows and the records of each scan, by classifier, degradation and item.
fn each_scan(evaluated: &Evaluated, mut take: impl FnMut(Place, Vec<Row>, &Scan)) {
    let Evaluated { classifiers, degradations, scans, .. } = evaluated;
    for (classifier, of) in classifiers.iter().enumerate() {
        for (degradation, degraded) in degradations.iter().enumerate() {
            for (item, source) in scans.items.iter().enumerate() {
                let Some(scanned) = scans.of(degradation, item, classifier) else { continue };
                let read = scanned.clone().and_then(|path| {
                    Scan::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
                });
                let empty = |reason: &str| {
                    Row::without_score(&source.video, &of.name, &degraded.name(), reason)
                };
                let place = Place { classifier, degradation, item };
                match read {
                    Err(reason) => take(place, vec![empty(&reason)], &Scan::default()),
                    Ok(scan) if scan.clips.is_empty() => {
                        take(place, vec![empty(scan.reason())], &scan);
                    }
                    Ok(scan) => {
                        let rows = scan.clips.iter().map(|clip| row(empty(""), clip)).collect();
                        take(place, rows, &scan);
                    }
                }
            }
        }
    }
}

fn row(empty: Row, clip: &Clip) -> Row {
    Row {
        track: Some(clip.track),
        start: clip.start,
        end: clip.end,
        score: Some(clip.score),
        quality: clip.quality,
        reason: clip.reason.clone(),
        ..empty
    }
}

/// Everything about the scans of one classifier and degradation.
#[derive(Default)]
struct Part {
    rows: Table,
    /// With the numbers of the items.
    frames: Vec<(usize, Probability)>,
}

/// Writes the three files; what to print.
pub fn write(args: &EvalArgs, evaluated: &Evaluated) -> Result<Shown, CliError> {
    let Evaluated { classifiers, degradations, .. } = evaluated;
    let mut parts: Vec<Part> = Vec::new();
    parts.resize_with(classifiers.len() * degradations.len(), Part::default);
    each_scan(evaluated, |place, rows, scan| {
        let number = place.classifier * degradations.len() + place.degradation;
        if let Some(part) = parts.get_mut(number) {
            part.rows.rows.extend(rows);
            part.frames.extend(scan.frames.iter().map(|score| (place.item, *score)));
        }
    });
    let bootstrap = Bootstrap { replicates: args.replicates, seed: 1 };
    let mut shown = Vec::new();
    for (of, parts) in classifiers.iter().zip(parts.chunks(degradations.len().max(1))) {
        let threshold = args.threshold_of(of)?;
        let evaluations = degradations.iter().zip(parts).map(|(degradation, part)| {
            let degradation = degradation.name();
            // Its videos have the numbers of the items: each has a row, in their order.
            let scores = part.rows.scores(&of.name, &degradation);
            let subject = Subject {
                classifier: &of.name,
                degradation: &degradation,
                threshold,
                scores: &scores,
                frames: &part.frames,
            };
            Evaluation::of(&subject, bootstrap)
        });
        let mut evaluations = evaluations.collect::<Vec<_>>().into_iter();
        let Some(evaluation) = evaluations.next() else { continue };
        shown.push(page::Classifier {
            name: of.info.title.clone().map_or(of.name.clone(), |t| format!("{t} ({})", of.name)),
            standing: standing(of.info.training).to_owned(),
            worst: worst(evaluated, of, &evaluation),
            degraded: evaluations.collect(),
            evaluation,
        });
    }
    let rows = parts.into_iter().flat_map(|part| part.rows.rows).collect();
    write_table(&args.out, &Table { rows })?;
    write_list(&args.out, evaluated)?;
    write_metrics(args, evaluated, &shown)?;
    let facts = facts(args, evaluated);
    let title = args.data.display().to_string();
    let page = page::render(&Page { title: &title, facts: &facts, classifiers: &shown });
    let page = page.map_err(CliError::runtime)?;
    partial_file::write(&args.out.join("page.html"), page.as_bytes())?;
    Ok(summary(&args.out, &shown))
}

fn standing(training: Training) -> &'static str {
    match training {
        Training::Trained => "Trained.",
        Training::Analytic => "ANALYTIC: exact for drawn faces, right for no others.",
        Training::Untrained => "UNTRAINED: its scores mean nothing.",
        Training::Unknown => "Nobody says whether it was trained.",
    }
}

/// The real videos with the highest and the fake ones with the lowest scores, of those that are
/// called what they are not; without a threshold of those beyond 0.5.
fn worst(evaluated: &Evaluated, of: &Classifier, evaluation: &Evaluation) -> Vec<Worst> {
    let Some((sample, _)) = evaluation.level(Level::Video) else { return Vec::new() };
    let threshold = evaluation.threshold.unwrap_or(0.5);
    let classifier = evaluated.classifiers.iter().position(|one| one.name == of.name);
    let mut worst = Vec::new();
    for class in Class::BOTH {
        let is_wrong = |score: f64| (score > threshold) != (class == Class::Fake);
        let mut wrong: Vec<_> = sample
            .scores()
            .filter(|(score, video)| video.class == class && is_wrong(*score))
            .collect();
        if class == Class::Real {
            wrong.reverse();
        }
        worst.extend(wrong.into_iter().take(WORST).map(|(score, video)| {
            let item = evaluated.scans.items.iter().position(|i| i.video.file == video.file);
            let face = item
                .zip(classifier)
                .and_then(|(item, classifier)| face(evaluated, item, classifier, class));
            Worst { video: video.clone(), score, face }
        }));
    }
    worst
}

/// The face of an item's clip that is farthest from the truth, of the track that the video's score
/// is of.
fn face(evaluated: &Evaluated, item: usize, classifier: usize, class: Class) -> Option<String> {
    let records = evaluated.scans.of(0, item, classifier)?.as_ref().ok()?;
    let scan = Scan::read(records).ok()?;
    let mut tracks: BTreeMap<u64, Vec<&Clip>> = BTreeMap::new();
    scan.clips.iter().for_each(|clip| tracks.entry(clip.track).or_default().push(clip));
    let mean = |clips: &Vec<&Clip>| {
        clips.iter().map(|clip| clip.score.get()).sum::<f64>() / clips.len() as f64
    };
    let track = tracks.into_values().max_by(|a, b| mean(a).total_cmp(&mean(b)))?.into_iter();
    let by_score = |a: &&Clip, b: &&Clip| a.score.get().total_cmp(&b.score.get());
    let clip = match class {
        Class::Real => track.max_by(by_score),
        Class::Fake => track.min_by(by_score),
    };
    faces::thumbnail(evaluated.scans.items.get(item)?, clip?)
}

fn facts(args: &EvalArgs, evaluated: &Evaluated) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("data", args.data.display().to_string()),
        fact("bootstrap", format!("{} draws of videos, seed 1", args.replicates)),
    ];
    facts.extend(evaluated.settings.options.clone());
    let classifiers = evaluated.classifiers.iter();
    facts.extend(classifiers.map(|one| (format!("classifier {}", one.name), one.sha256.clone())));
    facts
}

fn write_metrics(
    args: &EvalArgs,
    evaluated: &Evaluated,
    shown: &[page::Classifier],
) -> Result<(), CliError> {
    let classifiers = evaluated.classifiers.iter().map(|one| {
        json!({
            "name": one.name,
            "title": one.info.title,
            "sha256": one.sha256,
            "training": one.info.training.as_str(),
            "threshold": args.threshold_of(one).ok().flatten(),
        })
    });
    let evaluations = shown
        .iter()
        .flat_map(|of| std::iter::once(&of.evaluation).chain(&of.degraded).map(Evaluation::json));
    let metrics = json!({
        "type": "evaluation",
        "version": env!("CARGO_PKG_VERSION"),
        "data": args.data.display().to_string(),
        "settings": evaluated.settings.options,
        "bootstrap": { "replicates": args.replicates, "seed": 1, "interval": 0.95 },
        "classifiers": classifiers.collect::<Vec<_>>(),
        "evaluations": evaluations.collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&metrics).map_err(CliError::runtime)?;
    Ok(partial_file::write(&args.out.join("metrics.json"), (text + "\n").as_bytes())?)
}

/// For the terminal.
fn summary(out: &Path, shown: &[page::Classifier]) -> Shown {
    let mut text = Shown::default();
    for page::Classifier { name, standing, evaluation, degraded, .. } in shown {
        text.text(format!("{name}. {standing}"));
        let all = || std::iter::once(evaluation).chain(degraded);
        text.table(figures(all()));
        for of in all() {
            if let Some((_, Err(error))) = of.levels.first() {
                text.item("  ", Tone::Plain, format!("{}: {error}.", of.degradation));
            }
        }
        if let Some(across) = &evaluation.across {
            text.text(format!(
                "Across groups: AUC {:.3} against own reals, {:.3} pooled, {:.3} lost.",
                across.own, across.pooled, across.loss
            ));
        }
    }
    text.text(out.join("page.html").display().to_string());
    text
}

fn figures<'a>(evaluations: impl Iterator<Item = &'a Evaluation>) -> Rows {
    let counts = [("per video", Set::Left), ("real", Set::Right), ("fake", Set::Right)];
    let counts = counts.into_iter().chain([("no score", Set::Right)]);
    let figures = Figure::IN_SHORT.map(|figure| (figure.title(), Set::Right));
    let mut rows = Rows::of(counts.chain(figures));
    for of in evaluations {
        let [real, fake] = of.videos;
        let counts = [real, fake, of.abstentions.len()].map(|count| count.to_string());
        let figures = Figure::IN_SHORT.map(|figure| {
            let measured = of.level(Level::Video).and_then(|(_, figures)| figures.get(figure));
            measured.map_or("-".to_owned(), |m| format!("{:.3}", m.value))
        });
        let cells = std::iter::once(of.degradation.clone()).chain(counts).chain(figures);
        rows.row(cells.map(Into::into));
    }
    rows
}
