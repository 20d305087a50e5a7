//! What a report says: summary, faces, what it was made with.

use super::document::{Block, Column, Document, Section, Span, Style, Table, Text, plain, visible};
use super::face::{self, threshold};
use super::origin;
use super::results::{FaceResults, Results};
use super::words;
use crate::core::counted::counted;
use crate::core::redact::redact;
use crate::evidence::records::{Calibration, Header, InputKind, ModelFile, Rate};
use crate::models::advice::quoted;

/// Damaged lines that are told one by one.
const MOST_LINES: usize = 5;

/// The report of these results. `made` is what makes it, with its version.
pub(super) fn document(results: &Results, made: &str) -> Document {
    let faces = results.faces.iter().map(|(number, face)| face::section(results, *number, face));
    let mut sections: Vec<_> = faces.collect();
    sections.push(limits(results));
    if let Some(header) = &results.header {
        sections.extend(header.input.provenance.as_ref().map(origin::section));
        sections.push(made_with(results, header));
    }
    sections.push(again(results));
    let footer = vec![
        Span::plain(format!("Made by {made} from ")),
        Span::code(&results.file),
        Span::plain("."),
    ];
    Document { title: title(results), summary: summary(results), sections, footer }
}

/// What was scanned, without its folders.
fn title(results: &Results) -> String {
    let name = results.header.as_ref().map(|header| redact(&header.input.name).into_owned());
    let name = visible(name.unwrap_or_else(|| results.folder.display().to_string()));
    match name.contains("://") {
        true => name,
        false => name.rsplit('/').next().unwrap_or(&name).to_owned(),
    }
}

fn summary(results: &Results) -> Vec<Block> {
    let mut blocks = vec![Block::Paragraph(counts(results))];
    let warn = |text: String| Block::Warning(plain(text));
    blocks.extend(words::standing(results).into_iter().map(|text| warn(text.to_owned())));
    blocks.extend(words::ending(results).map(warn));
    blocks.extend(words::part(results).map(warn));
    blocks.extend(words::gap(results).map(warn));
    if results.not_analysed > 0 {
        let frames = counted(results.not_analysed, "frame");
        blocks.push(warn(format!("On {frames} nobody looked for faces.")));
    }
    let notes = results.footer.iter().flat_map(|footer| &footer.notes);
    blocks.extend(notes.map(|note| warn(redact(note).into_owned())));
    if results.damaged > 0 {
        blocks.push(warn(unreadable(results)));
    }
    if !results.faces.is_empty() {
        blocks.push(Block::Table(all_faces(results)));
    }
    blocks
}

/// How many faces there are, and what was said of them.
fn counts(results: &Results) -> Text {
    let count =
        |label: &str| results.faces.values().filter(|face| face.said.label == label).count();
    let (all, fake, real) = (results.faces.len(), count("fake"), count("real"));
    if all == 0 {
        return plain(format!("No face was found on {}.", counted(results.frames, "frame")));
    }
    let (faces, were) = (counted(all, "face"), if all == 1 { "was" } else { "were" });
    let found = match results.is_still() {
        true => format!("{faces} {were} found in one picture: "),
        false => {
            let frames = counted(results.frames, "frame");
            format!("{faces} {were} followed over {:.2} s ({frames}): ", results.end)
        }
    };
    vec![
        Span::plain(found),
        Span::strong(format!("{fake} called fake")),
        Span::plain(format!(", {real} called real, {} without a verdict.", all - fake - real)),
    ]
}

fn unreadable(results: &Results) -> String {
    let lines = results.unreadable.iter().take(MOST_LINES);
    let told: Vec<_> = lines.map(|(line, why)| format!("line {line}: {why}")).collect();
    let more = if results.damaged > told.len() { "; …" } else { "" };
    let are = if results.damaged == 1 { "is" } else { "are" };
    format!(
        "{} of the records {are} damaged and not in this report: {}{more}",
        counted(results.damaged, "line"),
        told.join("; ")
    )
}

fn all_faces(results: &Results) -> Table {
    let or_dash = |value: Option<String>| Span::plain(value.unwrap_or_else(|| "–".to_owned()));
    let row = |(number, face): (&u64, &FaceResults)| {
        let llr = face.said.told_llr().filter(|_| results.is_calibrated());
        let score = face.said.told_score(face.mean());
        let mut cells = vec![
            Span::new(format!("Face {number}"), Style::Link(face::id(*number))),
            Span::verdict(&face.said.label),
            or_dash(score.map(|score| format!("{score:.3}"))),
            or_dash(llr.map(|llr| words::number(llr.exp()))),
            Span::plain(face.scored().count().to_string()),
        ];
        if !results.is_still() {
            cells.push(Span::plain(face.frames.to_string()));
            cells.push(Span::plain(format!("{:.2} to {:.2}", face.first, face.last)));
        }
        cells
    };
    let mut columns = vec![Column::text("Face"), Column::text("Verdict")];
    columns.extend(["Score", "Likelihood ratio", "Clips"].map(Column::number));
    if !results.is_still() {
        columns.extend(["Frames", "Seconds"].map(Column::number));
    }
    Table {
        name: "All faces".to_owned(),
        shows_name: false,
        columns,
        rows: results.faces.iter().map(row).collect(),
    }
}

fn limits(results: &Results) -> Section {
    let mut blocks = vec![Block::List(words::LIMITS.into_iter().map(plain).collect())];
    let calibrations = results.header.iter().flat_map(|header| &header.judging.calibrations);
    for calibration in calibrations {
        blocks.extend(population(calibration));
    }
    let heading = plain("What this says, and what it does not");
    Section { id: "limits".to_owned(), heading, blocks }
}

/// By what likelihood ratios and error rates were measured.
fn population(calibration: &Calibration) -> [Block; 3] {
    let rate = |rate: &Rate| {
        Span::plain(format!("{:.3} ({:.3} to {:.3})", rate.value, rate.low, rate.high))
    };
    let of = &calibration.population;
    let text = format!(
        "Likelihood ratios and error rates are those of {} real and {} forged videos of {} ({}), and hold for \
         videos like these. In words by the {}.",
        of.real,
        of.fake,
        of.name,
        of.date,
        words::SCALE
    );
    let rows = calibration.points.iter().map(|point| {
        vec![
            Span::plain(&point.name),
            Span::plain(format!("{:.4}", point.threshold)),
            rate(&point.fpr),
            rate(&point.tpr),
        ]
    });
    let mut columns = vec![Column::text("Threshold")];
    columns.extend(["P(fake)", "real videos called fake", "fake videos found"].map(Column::number));
    let table = Table {
        name: visible(format!("Thresholds of {}", calibration.classifier)),
        shows_name: false,
        columns,
        rows: rows.collect(),
    };
    [
        Block::Heading(visible(format!("Calibration of {}", calibration.classifier))),
        Block::Paragraph(plain(text)),
        Block::Table(table),
    ]
}

fn made_with(results: &Results, header: &Header) -> Section {
    let Header { input, versions, host, .. } = header;
    let fact = |name: &str, value: String| (name.to_owned(), plain(value));
    let mut facts = vec![
        fact("Input", redact(&input.name).into_owned()),
        fact("SHA-256 of it", input.sha256.clone().unwrap_or_else(|| "none: a stream".to_owned())),
        fact("Bytes", input.bytes.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string())),
        fact("Begun", header.wall.start.clone()),
        fact(
            "Ended",
            results.footer.as_ref().map_or_else(|| "–".to_owned(), |end| end.wall.end.clone()),
        ),
        fact("Threshold", threshold(results).map_or_else(|| "none".to_owned(), |t| t.to_string())),
        fact("Run by", run_by(header)),
        fact("Software", format!("m2sd {}, {}", versions.m2sd, versions.gstreamer)),
        fact("Runtimes", versions.runtimes.join(", ")),
        fact(
            "Machine",
            format!("{}, {} cores, {}, {}", host.cpu, host.cores, host.kernel, host.os),
        ),
    ];
    facts.push(("Detector".to_owned(), described(&header.detector)));
    facts.extend(header.aligner.iter().map(|aligner| ("Aligner".to_owned(), described(aligner))));
    let classifiers = header.classifiers.iter();
    facts.extend(classifiers.map(|model| ("Classifier".to_owned(), described(model))));
    let settings = header.settings.iter();
    let settings = settings.map(|(name, value)| (name.clone(), plain(setting(value))));
    let settings = Block::Folded {
        summary: "All settings".to_owned(),
        blocks: vec![Block::Facts(settings.collect())],
    };
    Section {
        id: "made-with".to_owned(),
        heading: plain("What it was made with"),
        blocks: vec![Block::Facts(facts), settings],
    }
}

/// Who ran the classifier; without one, the detector.
fn run_by(header: &Header) -> String {
    match header.provider.is_empty() {
        true => format!("{} in {}", header.detect_provider, header.detect_precision),
        false => format!("{} in {}", header.provider, header.precision),
    }
}

/// A setting's value, without passwords.
fn setting(value: &serde_json::Value) -> String {
    match value.as_str() {
        Some("") => "(empty)".to_owned(),
        Some(text) => redact(text).into_owned(),
        None => value.to_string(),
    }
}

fn described(model: &ModelFile) -> Text {
    let file = Span::plain(format!("{}, SHA-256 ", redact(&model.file)));
    let hash = match model.sha256.is_empty() {
        true => Span::plain("not told"),
        false => Span::code(&model.sha256),
    };
    vec![file, hash]
}

fn again(results: &Results) -> Section {
    let folder = quoted(&results.folder.display().to_string());
    let kind = results.header.as_ref().map(|header| header.input.kind);
    let input = match kind {
        // Nobody knows where it is kept.
        Some(InputKind::StandardInput) => " --input FILE",
        _ => "",
    };
    let mut blocks = vec![
        Block::Paragraph(plain(
            "Run it again from the same input, networks and settings, and compare:",
        )),
        Block::Command(format!("m2sd reproduce {folder}{input}")),
    ];
    if results.has_seal {
        blocks.push(Block::Paragraph(plain(
            "The folder is sealed. Whether anything was changed since, and by whose key it was sealed:",
        )));
        blocks.push(Block::Command(format!("m2sd verify {folder}")));
    } else {
        blocks.push(Block::Note(vec![
            Span::plain("The folder is not sealed: "),
            Span::code(format!("m2sd seal {folder}")),
            Span::plain(" makes later changes visible."),
        ]));
    }
    Section { id: "check".to_owned(), heading: plain("How to check it"), blocks }
}
