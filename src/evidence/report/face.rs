//! A face's part of a report.

use super::document::{Block, Column, Picture, Section, Shape, Span, Table, plain};
use super::drawing;
use super::record::Clip;
use super::results::{FaceResults, Results};
use super::words;
use crate::evidence::records::Which;

/// Stretches that are listed one by one.
const MOST_STRETCHES: usize = 200;

/// What qualities are called, and what they are measured in.
const QUALITIES: [(&str, &str); 7] = [
    ("eye-distance", "Distance of the eyes, px"),
    ("sharpness", "Sharpness, 0 to 1"),
    ("brightness", "Brightness, 0 to 1"),
    ("contrast", "Contrast, 0 to 1"),
    ("pose", "Turned away, degrees"),
    ("outside", "Outside of the picture, 0 to 1"),
    ("blockiness", "Blocks of compression, 0 to 1"),
];

/// Of a face's section.
pub(super) fn id(number: u64) -> String {
    format!("face-{number}")
}

pub(super) fn section(results: &Results, number: u64, face: &FaceResults) -> Section {
    let name = format!("Face {number}");
    let threshold = threshold(results);
    let mut blocks = vec![Block::Paragraph(plain(words::verdict(face, threshold)))];
    if let Some(llr) = face.said.told_llr().filter(|_| results.is_calibrated()) {
        blocks.push(Block::Paragraph(plain(format!("{} ({}.)", words::ratio(llr), words::SCALE))));
    }
    // One moment has no course.
    if face.first < face.last {
        blocks.push(Block::Drawing(drawing::timeline(face, threshold, &name)));
        blocks.extend(gates(face));
    }
    blocks.extend(clips(results, &name, face));
    blocks.push(Block::Drawing(drawing::path(face, picture(results, face), &name)));
    blocks.extend(quality(&name, face));
    let heading = vec![Span::plain(format!("{name}: ")), Span::verdict(&face.said.label)];
    Section { id: id(number), heading, blocks }
}

/// The threshold of the records.
pub(super) fn threshold(results: &Results) -> Option<f64> {
    results.header.as_ref()?.judging.threshold
}

/// The size of the upright picture.
fn picture(results: &Results, face: &FaceResults) -> [f64; 2] {
    let media = results.header.as_ref().and_then(|header| header.input.media.as_ref());
    let told = media.and_then(|media| media.video.as_ref()).map(|video| {
        let size = [f64::from(video.width), f64::from(video.height)];
        let lies = ["90", "270"].iter().any(|turn| video.orientation.contains(turn));
        if lies { [size[1], size[0]] } else { size }
    });
    let farthest = face
        .boxes
        .iter()
        .fold([1.0f64, 1.0], |[w, h], [x, y, width, height]| [w.max(x + width), h.max(y + height)]);
    let told = told.unwrap_or_default();
    [told[0].max(farthest[0]), told[1].max(farthest[1])]
}

fn gates(face: &FaceResults) -> Option<Block> {
    let stretches = face.gates.iter().take(MOST_STRETCHES);
    let lines: Vec<_> = stretches
        .map(|gate| plain(format!("{}: {}", words::span(gate.start, gate.end), gate.why)))
        .collect();
    let mut blocks = vec![Block::List(lines)];
    if face.gates.len() > MOST_STRETCHES {
        blocks.push(Block::Paragraph(plain(format!("The first {MOST_STRETCHES} are listed."))));
    }
    let summary = match face.gates.len() {
        0 => return None,
        count => format!("{} could not be judged", words::stretches(count)),
    };
    Some(Block::Folded { summary, blocks })
}

/// The clips that stand for all: where they were seen, and what the classifier saw.
fn clips(results: &Results, name: &str, face: &FaceResults) -> Vec<Block> {
    let chosen = face.chosen();
    if chosen.is_empty() {
        return Vec::new();
    }
    let is_only = face.scored().count() == 1;
    let told = |which: Which, clip: &Clip, score: f64| {
        let which = if is_only { "only" } else { which.as_str() };
        match results.is_still() {
            true => format!("{which} score, {score:.3}"),
            false => format!("{which} score, {score:.3}: {}", words::span(clip.start, clip.end)),
        }
    };
    let pictures = chosen.iter().map(|(which, clip, score)| {
        let told = told(*which, clip, *score);
        Picture {
            jpeg: face.pictures.get(which).cloned(),
            alt: format!("{name} at the end of the clip with the {told}"),
            caption: format!("The {told}"),
            shape: Shape::Square,
        }
    });
    let mut blocks =
        vec![Block::Heading("Its clips".to_owned()), Block::Pictures(pictures.collect())];
    let crops = chosen.iter().filter_map(|(which, clip, score)| {
        let crops = face.crops.get(which)?;
        let told = told(*which, clip, *score);
        Some(Picture {
            jpeg: Some(crops.jpeg.clone()),
            alt: format!("{} aligned crops of {name}, of the clip with the {told}", crops.count),
            caption: format!("What the classifier saw of the clip with the {told}"),
            shape: Shape::Strip(crops.count),
        })
    });
    let crops: Vec<_> = crops.collect();
    let has_crops = !crops.is_empty();
    blocks.extend(crops.into_iter().map(|strip| Block::Pictures(vec![strip])));
    blocks.push(Block::Note(plain(origin(results, face, has_crops))));
    blocks
}

/// Where a face's pictures are from, or why there are none.
fn origin(results: &Results, face: &FaceResults, has_crops: bool) -> String {
    let pictures = match &results.pictures_from {
        Some(from) if !face.pictures.is_empty() => {
            format!("Pictures are cut from {from}, at the clip's last frame.")
        }
        Some(_) => "No picture was cut of this face.".to_owned(),
        None => {
            "Neither the input nor what was annotated is there to cut pictures from.".to_owned()
        }
    };
    match has_crops {
        true => format!(
            "{pictures} Crops are of evenly spaced frames of the clip, as the scan kept them: upright, \
             aligned, and before any normalization."
        ),
        false => pictures,
    }
}

fn quality(name: &str, face: &FaceResults) -> Option<Block> {
    let rows: Vec<_> = QUALITIES
        .into_iter()
        .filter_map(|(key, told)| {
            let mut row = vec![Span::plain(told)];
            let values = face.quality.get(key)?.iter().take(if face.frames == 1 { 1 } else { 3 });
            row.extend(values.map(|value| Span::plain(words::number(*value))));
            Some(row)
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let columns = match face.frames {
        1 => vec![Column::text("of its frame"), Column::number("value")],
        _ => {
            let numbers = ["least", "middle", "most"].map(Column::number);
            [Column::text("of its frames")].into_iter().chain(numbers).collect()
        }
    };
    Some(Block::Table(Table {
        name: format!("Quality of {name}"),
        shows_name: true,
        columns,
        rows,
    }))
}
