//! A face's part of the page.

use base64ct::{Base64, Encoding};
use maud::{Markup, html};

use super::drawing;
use super::results::{FaceResults, Results};
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
            h2 id={ "face-" (number) } { (name) ": " span class={ "label " (face.said.label) } { (face.said.label) } }
            p { (words::verdict(face, threshold)) }
            @if let Some(llr) = face.said.llr.filter(|_| results.is_calibrated()) { p { (words::ratio(llr)) " (" (words::SCALE) ".)" } }
            figure {
                div.scroll tabindex="0" role="region" aria-label={ "Scores of " (name) " over time" } {
                    (drawing::timeline(face, threshold, &name))
                }
                figcaption {
                    "Bars: the scores of clips. Line: of frames. "
                    @if threshold.is_some() { "Dashed: the threshold. " }
                    @if !face.gates.is_empty() { "Shaded: what could not be judged." }
                }
            }
            (gates(face))
            (pictures(results, &name, face))
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
                @if face.gates.len() > 200 { p { "The first 200 are listed." } }
            }
        }
    }
}

fn pictures(results: &Results, name: &str, face: &FaceResults) -> Markup {
    html! {
        @if face.scored().next().is_some() {
            h3 { "Its clips" }
            div.clips { @for (which, clip, score) in face.chosen() {
                @let told = format!(
                    "{} score, {score:.3}: {:.2} s to {:.2} s", which.as_str(), clip.start, clip.end
                );
                figure {
                    @if let Some(picture) = face.pictures.get(&which) {
                        img alt={ (name) " at the end of the clip with the " (told) }
                            width="192" height="192"
                            src={ "data:image/jpeg;base64," (Base64::encode_string(picture)) };
                    }
                    figcaption { "The " (told) }
                }
            } }
            p.note {
                @match &results.pictures_from {
                    Some(from) => { "Pictures are cut from " (from) ", at the clip's last frame." }
                    None => { "Neither the input nor an annotated video is there to cut pictures from." }
                }
            }
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
