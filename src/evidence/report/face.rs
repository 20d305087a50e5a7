//! A face's part of the page.

use base64ct::{Base64, Encoding};
use maud::{Markup, html};

use super::drawing;
use super::results::{Clip, FaceResults, Results};
use super::words;

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

pub(super) fn section(results: &Results, number: u64, face: &FaceResults) -> Markup {
    let name = format!("Face {number}");
    let threshold = threshold(results);
    html! {
        section {
            h2 id={ "face-" (number) } { (name) ": " span class={ "label " (face.label) } { (face.label) } }
            p { (words::verdict(face, threshold)) }
            @if let Some(llr) = face.llr { p { (words::ratio(llr)) " (" (words::SCALE) ".)" } }
            figure {
                (drawing::timeline(face, threshold, &name))
                figcaption {
                    "Bars: the scores of clips. Line: of frames. "
                    @if threshold.is_some() { "Dashed: the threshold. " }
                    @if !face.gates.is_empty() { "Shaded: what could not be judged." }
                }
            }
            (gates(face))
            (pictures(&name, face))
            div.columns {
                figure {
                    (drawing::path(face, picture(results, face), &name))
                    figcaption { "The way of its box: dotted at first, solid at last." }
                }
                (quality(&name, face))
            }
        }
    }
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

fn gates(face: &FaceResults) -> Markup {
    html! {
        @if !face.gates.is_empty() {
            details {
                summary { (face.gates.len()) " stretches could not be judged" }
                ul { @for gate in face.gates.iter().take(200) {
                    li { (format!("{:.2} s to {:.2} s: ", gate.start, gate.end)) (gate.why) }
                } }
            }
        }
    }
}

/// The clip that a picture is of.
fn clip_of<'a>(face: &'a FaceResults, which: &str) -> Option<(&'a Clip, f64)> {
    let mut scored: Vec<_> = face.scored().collect();
    scored.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    match which {
        "highest" => scored.last().copied(),
        "lowest" => scored.first().copied(),
        _ => scored.get(scored.len() / 2).copied(),
    }
}

fn pictures(name: &str, face: &FaceResults) -> Markup {
    html! {
        h3 { "What the classifier saw" }
        @if face.pictures.is_empty() {
            p.note {
                "The scan has kept no pictures of its clips. " code { "m2sd scan --clips DIR" }
                " keeps them all."
            }
        }
        @for (which, picture) in &face.pictures {
            @let clip = clip_of(face, which);
            @let told = clip.map_or_else(String::new, |(clip, score)| {
                format!(" {:.2} s to {:.2} s, score {score:.3}", clip.start, clip.end)
            });
            figure.crops {
                img alt={ (name) ", aligned pictures of the clip with the " (which) " score:" (told) }
                    src={ "data:image/jpeg;base64," (Base64::encode_string(picture)) };
                figcaption { "The clip with the " (which) " score:" (told) }
            }
        }
        @if face.pictures.is_empty() && face.scored().next().is_some() {
            ul { @for which in ["highest", "typical", "lowest"] {
                @if let Some((clip, score)) = clip_of(face, which) {
                    li { "The " (which) " score, " (format!("{score:.3}")) ": "
                        (format!("{:.2} s to {:.2} s", clip.start, clip.end)) }
                }
            } }
        }
    }
}

fn quality(name: &str, face: &FaceResults) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Quality of " (name) } {
            table {
                caption { "Quality" }
                thead { tr {
                    th scope="col" { "of its frames" } th scope="col" { "least" }
                    th scope="col" { "middle" } th scope="col" { "most" }
                } }
                tbody { @for (key, words) in QUALITIES {
                    @if let Some(values) = face.quality.get(key) {
                        tr {
                            th scope="row" { (words) }
                            @for value in values { td { (words::number(*value)) } }
                        }
                    }
                } }
            }
        }
    }
}
