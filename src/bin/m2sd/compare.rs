//! `m2sd models compare`: whether one classifier can take another's place.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use gstm2sd::core::align::Alignment;
use gstm2sd::core::counted::counted;
use gstm2sd::core::evidence::{OperatingPoint, PointChoice, Probability};
use gstm2sd::core::modelinfo::Role;
use gstm2sd::core::modelinfo::Training;
use gstm2sd::core::onnx::ModelTraits;
use gstm2sd::core::percentile::percentile;
use gstm2sd::infer::{
    CancelToken, Classifier, ClassifierSpec, Clip, EngineOptions, Precision, Provider, Tensor,
    load_classifier,
};
use ndarray::{ArrayView4, Ix4};
use serde_json::{Value, json};

use crate::clip_files;
use crate::error::CliError;
use crate::terminal::{Page, Set, Table, bar, json_line, print_json, print_page};
use crate::{options, partial_file};

#[derive(Args)]
pub struct CompareArgs {
    /// The classifier that is trusted: a path or a name in the engines folder
    a: String,
    /// The classifier that may take its place
    b: String,
    /// Folder of clips that `m2sd scan --clips` stored
    #[arg(long, value_name = "DIR")]
    clips: PathBuf,
    /// Write the result to this file as JSON; - is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder with the models
    #[arg(long, value_name = "DIR")]
    engines: Option<PathBuf>,
    /// What runs the networks
    #[arg(long, value_parser = options::provider(), default_value = "auto")]
    provider: Provider,
    /// Arithmetic of what is not quantised
    #[arg(long, value_parser = options::precision(), default_value = "auto")]
    precision: Precision,
    /// P(fake) above which a clip is called fake [default: each classifier's own]
    #[arg(long, value_parser = options::probability)]
    threshold: Option<f64>,
}

pub fn run(args: &CompareArgs) -> Result<(), CliError> {
    let clips = clip_files::list(&args.clips)?;
    let mut contenders = [Contender::load(&args.a, args)?, Contender::load(&args.b, args)?];
    let [a, b] = &contenders;
    let (frames, size_px) = a.clip_shape();
    if b.clip_shape() != (frames, size_px) {
        let (b_frames, b_size_px) = b.clip_shape();
        return Err(CliError::runtime(format!(
            "{} takes clips of {frames} frames of {size_px} px, {} of {b_frames} of {b_size_px} \
             px: no clip fits both",
            a.path.display(),
            b.path.display()
        )));
    }
    if a.cut() != b.cut() {
        return Err(CliError::runtime(format!(
            "{} and {} align faces in other ways (template, align and crop-scale in their sidecars): \
             no stored clip fits both. Score videos with each, and compare their records",
            a.path.display(),
            b.path.display()
        )));
    }
    let bar = bar(Some(clips.len() as u64));
    let mut pairs = Vec::with_capacity(clips.len());
    for path in &clips {
        let pixels = clip_files::read(path, frames, size_px)?;
        let [a, b] = &mut contenders;
        let fake = [a.score(pixels.view(), path)?, b.score(pixels.view(), path)?];
        pairs.push(Pair { clip: name(path), fake });
        bar.inc(1);
    }
    bar.finish_and_clear();
    let difference = Difference::of(&pairs, contenders.each_ref().map(|c| c.threshold));
    let result = contenders.each_ref().map(Contender::result);
    report(args.json.as_deref(), &result, &difference)
}

/// One of the two classifiers, loaded, and how long its clips took.
struct Contender {
    path: PathBuf,
    classifier: Classifier,
    threshold: f64,
    took: Vec<Duration>,
}

impl Contender {
    fn load(name: &str, args: &CompareArgs) -> Result<Self, CliError> {
        let search = options::search(args.engines.as_deref())?;
        let found = search.find(Role::Classifier, Some(name)).map_err(CliError::runtime)?;
        // A damaged file is for the engine to complain about.
        let precision = match ModelTraits::of(&found.path) {
            Ok(traits) if traits.is_quantised => Precision::Auto,
            _ => args.precision,
        };
        let options =
            EngineOptions { provider: args.provider, precision, ..EngineOptions::default() };
        let classifier = load_classifier(&found.path, &options, &CancelToken::new())
            .map_err(CliError::runtime)?;
        if classifier.spec().audio.is_some() {
            return Err(CliError::runtime(format!(
                "{} listens, and stored clips have no sound: only classifiers that see are compared",
                found.path.display()
            )));
        }
        let own = OperatingPoint::of(&found.info, &PointChoice::Best).map_err(CliError::runtime)?;
        // Without a threshold, the likelier of the two classes.
        let own = own.map_or(Probability::HALF, |point| point.threshold).get();
        let threshold = args.threshold.unwrap_or(own);
        Ok(Self { path: found.path, classifier, threshold, took: Vec::new() })
    }

    /// T and S.
    fn clip_shape(&self) -> (usize, usize) {
        (self.classifier.spec().frames, self.classifier.spec().size_px)
    }

    /// How faces are cut out and aligned.
    fn cut(&self) -> Alignment {
        self.classifier.spec().alignment
    }

    /// P(fake) of a clip of 8-bit RGB `[3,T,S,S]`.
    fn score(&mut self, pixels: ArrayView4<'_, u8>, path: &Path) -> Result<f64, CliError> {
        let frames = clip_tensor(pixels, self.classifier.spec())?;
        let clip = [Clip { frames: frames.view(), audio: None }];
        let cancel = CancelToken::new();
        let mut run = || {
            let scores = self.classifier.run(&clip, &cancel).map_err(|e| {
                CliError::runtime(format!("{} on {}: {e}", self.path.display(), name(path)))
            })?;
            // `run` answers with a score a clip.
            scores.first().map(|score| score.fake).ok_or_else(|| CliError::runtime("no score"))
        };
        // The first run of a network sets things up.
        if self.took.is_empty() {
            run()?;
        }
        let started = Instant::now();
        let fake = run()?;
        self.took.push(started.elapsed());
        Ok(fake)
    }

    fn result(&self) -> Measured {
        let info = &self.classifier.spec().info;
        Measured {
            file: name(&self.path),
            provider: info.provider.to_string(),
            precision: info.precision.to_string(),
            training: self.classifier.spec().sidecar.training,
            threshold: self.threshold,
            p50_ms: percentile(self.took.iter().map(|t| t.as_secs_f64() * 1e3), 0.5),
        }
    }
}

/// A clip of 8-bit RGB `[3,T,S,S]` as the classifier reads it.
pub fn clip_tensor(
    pixels: ArrayView4<'_, u8>,
    spec: &ClassifierSpec,
) -> Result<Tensor<Ix4>, CliError> {
    spec.clip(pixels, Vec::new).map_err(CliError::runtime)
}

/// What is told of a classifier.
struct Measured {
    file: String,
    provider: String,
    precision: String,
    training: Training,
    threshold: f64,
    /// Of one clip.
    p50_ms: Option<f64>,
}

/// One clip's P(fake) by either classifier.
struct Pair {
    clip: String,
    fake: [f64; 2],
}

impl Pair {
    fn difference(&self) -> f64 {
        (self.fake[0] - self.fake[1]).abs()
    }

    /// Whether one classifier calls the clip fake, and the other real.
    fn changes_label(&self, thresholds: [f64; 2]) -> bool {
        (self.fake[0] > thresholds[0]) != (self.fake[1] > thresholds[1])
    }
}

/// |ΔP(fake)| over all clips.
struct Difference<'a> {
    clips: usize,
    mean: f64,
    p95: f64,
    max: f64,
    label_changes: usize,
    worst: Option<&'a Pair>,
}

impl<'a> Difference<'a> {
    fn of(pairs: &'a [Pair], thresholds: [f64; 2]) -> Self {
        let differences = || pairs.iter().map(Pair::difference);
        let worst = pairs.iter().max_by(|x, y| x.difference().total_cmp(&y.difference()));
        Self {
            clips: pairs.len(),
            mean: differences().sum::<f64>() / pairs.len().max(1) as f64,
            p95: percentile(differences(), 0.95).unwrap_or(0.0),
            max: worst.map_or(0.0, Pair::difference),
            label_changes: pairs.iter().filter(|pair| pair.changes_label(thresholds)).count(),
            worst,
        }
    }
}

fn report(
    json: Option<&Path>,
    models: &[Measured; 2],
    difference: &Difference<'_>,
) -> Result<(), CliError> {
    let Some(path) = json else {
        return print_page(&page(models, difference));
    };
    let record = json_line(&record(models, difference));
    if path.as_os_str() == "-" {
        return print_json(&record);
    }
    print_page(&page(models, difference))?;
    Ok(partial_file::write(path, record.as_bytes())?)
}

fn page(models: &[Measured; 2], difference: &Difference<'_>) -> Page {
    let mut table = Table::new([
        ("", Set::Left),
        ("file", Set::Left),
        ("provider", Set::Left),
        ("precision", Set::Left),
        ("ms a clip", Set::Right),
        ("fake above", Set::Right),
        ("training", Set::Wrapped),
    ]);
    for (letter, model) in ["A", "B"].into_iter().zip(models) {
        let training = match model.training {
            Training::Trained => "trained",
            Training::Analytic => "ANALYTIC: for the drawn scene only",
            Training::Untrained => "UNTRAINED",
            Training::Unknown => "UNKNOWN TRAINING",
        };
        let ms = format!("{:.1}", model.p50_ms.unwrap_or(0.0));
        let threshold = model.threshold.to_string();
        let cells =
            [letter, &model.file, &model.provider, &model.precision, &ms, &threshold, training];
        table.row(cells.map(Into::into));
    }
    let mut page = Page::from(table);
    if let [Some(a), Some(b)] = [models[0].p50_ms, models[1].p50_ms]
        && a > 0.0
    {
        page.text(format!("B takes {:.2} of A's time.", b / a));
    }
    let Difference { clips, mean, p95, max, label_changes, worst } = difference;
    page.text(format!(
        "{}: P(fake) differs by {mean:.6} (mean), {p95:.6} (p95), {max:.6} (max).",
        counted(clips, "clip")
    ));
    if let Some(Pair { clip, fake: [a, b] }) = worst {
        page.text(format!("Most on {clip}: {a:.6} by A, {b:.6} by B."));
    }
    page.text(format!("Fake to one and real to the other: {}.", counted(label_changes, "clip")));
    page
}

fn record(models: &[Measured; 2], difference: &Difference<'_>) -> Value {
    let model = |m: &Measured| {
        json!({
            "file": m.file,
            "provider": m.provider,
            "precision": m.precision,
            "training": m.training.as_str(),
            "threshold": m.threshold,
            "milliseconds-p50": m.p50_ms,
        })
    };
    json!({
        "type": "comparison",
        "version": env!("CARGO_PKG_VERSION"),
        "a": model(&models[0]),
        "b": model(&models[1]),
        "clips": difference.clips,
        "difference": {
            "mean": difference.mean,
            "p95": difference.p95,
            "max": difference.max,
        },
        "label-changes": difference.label_changes,
        "worst": difference.worst.map(|w| json!({ "clip": w.clip, "a": w.fake[0], "b": w.fake[1] })),
    })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(clip: &str, a: f64, b: f64) -> Pair {
        Pair { clip: clip.to_owned(), fake: [a, b] }
    }

    #[test]
    fn differences_are_summed_up_whatever_their_sign() {
        let pairs = [pair("x", 0.25, 0.5), pair("y", 1.0, 0.25), pair("z", 0.125, 0.125)];
        let found = Difference::of(&pairs, [0.5, 0.5]);
        assert_eq!((found.clips, found.max), (3, 0.75));
        assert!((found.mean - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(found.worst.map(|w| w.clip.as_str()), Some("y"));
        assert_eq!(found.label_changes, 1);
        // By a threshold of its own, B calls the first fake too.
        assert_eq!(Difference::of(&pairs, [0.5, 0.2]).label_changes, 1);
        assert_eq!(Difference::of(&pairs, [0.2, 0.5]).label_changes, 2);
    }
}
