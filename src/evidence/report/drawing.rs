//! Timelines and paths of boxes as drawings.

use super::document::{Anchor, Drawing, DrawingKind, Ink, Mark};
use super::results::FaceResults;
use super::words::{number, stretches};
use crate::core::counted::counted;

/// Of a timeline, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = WIDTH - 6.0;
const TOP: f64 = 6.0;
const BOTTOM: f64 = HEIGHT - 22.0;
/// More points than a picture has columns are not to be seen.
const MOST_POINTS: usize = 1440;
/// A clip or stretch of no time is drawn this wide.
const NARROWEST: f64 = 2.0;

/// Seconds to places in the picture.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn x(&self, time: f64) -> f64 {
        let span = (self.to - self.from).max(0.04);
        let part = ((time - self.from) / span).clamp(0.0, 1.0);
        LEFT + part * (RIGHT - LEFT)
    }

    /// A few round times.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.to - self.from).max(0.04) / 6.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.from / step).ceil();
        let ticks = (0..12).map(|n| (first + f64::from(n)) * step);
        ticks.take_while(|time| *time <= self.to).collect()
    }
}

/// A score's place.
fn y(score: f64) -> f64 {
    TOP + (1.0 - score.clamp(0.0, 1.0)) * (BOTTOM - TOP)
}

/// The scores of a face's clips and frames over its time, its threshold and what could not be judged.
pub(super) fn timeline(face: &FaceResults, threshold: Option<f64>, name: &str) -> Drawing {
    let axis = Axis { from: face.first, to: face.last };
    let level = |ink, score| Mark::Line { ink, points: vec![[LEFT, y(score)], [RIGHT, y(score)]] };
    let mut marks: Vec<_> = face
        .gates
        .iter()
        .map(|gate| {
            let x = axis.x(gate.start);
            let width = (axis.x(gate.end) - x).max(NARROWEST);
            Mark::Rect { ink: Ink::Gate, x, y: TOP, width, height: BOTTOM - TOP }
        })
        .collect();
    for score in [0.0, 0.5, 1.0] {
        marks.push(level(Ink::Grid, score));
        let at = [LEFT - 5.0, y(score) + 4.0];
        marks.push(Mark::Label { at, anchor: Anchor::End, text: score.to_string() });
    }
    marks.extend(axis.ticks().into_iter().map(|time| Mark::Label {
        at: [axis.x(time), HEIGHT - 5.0],
        anchor: Anchor::Middle,
        text: seconds(time),
    }));
    marks.extend(threshold.map(|threshold| level(Ink::Threshold, threshold)));
    marks.extend(face.scored().map(|(clip, score)| {
        let from = axis.x(clip.start);
        let to = axis.x(clip.end).max(from + NARROWEST);
        Mark::Line { ink: Ink::Clip, points: vec![[from, y(score)], [to, y(score)]] }
    }));
    let (line, of_what) = match face.frame_scores.is_empty() {
        true => (&face.face_scores, "what was said of the face"),
        false => (&face.frame_scores, "of frames"),
    };
    let step = line.len().div_ceil(MOST_POINTS).max(1);
    let points = line.iter().step_by(step);
    let points = points.map(|(time, score)| [axis.x(*time), y(*score)]).collect();
    marks.push(Mark::Line { ink: Ink::Frames, points });
    let caption = [
        "Bars: the scores of clips. Line: ",
        of_what,
        ".",
        if threshold.is_some() { " Dashed: the threshold." } else { "" },
        if face.gates.is_empty() { "" } else { " Shaded: what could not be judged." },
    ];
    Drawing {
        kind: DrawingKind::Timeline,
        size: [WIDTH, HEIGHT],
        alt: described(face, name),
        caption: caption.concat(),
        backdrop: None,
        marks,
    }
}

/// A timeline in words.
fn described(face: &FaceResults, name: &str) -> String {
    let (first, last) = (face.first, face.last);
    let scores: Vec<_> = face.scored().map(|(_, score)| score).collect();
    let most = scores.iter().copied().fold(0.0, f64::max);
    let least = scores.iter().copied().fold(1.0, f64::min);
    match scores.len() {
        0 => format!("{name}: no clip was scored from {first:.2} s to {last:.2} s."),
        count => format!(
            "{name}: scores of {} from {first:.2} s to {last:.2} s, between {least:.3} and {most:.3}; \
             {} could not be judged.",
            counted(count, "clip"),
            stretches(face.gates.len())
        ),
    }
}

/// The way of a face's box over the picture.
pub(super) fn path(face: &FaceResults, [width, height]: [f64; 2], name: &str) -> Drawing {
    let [first, last] = [face.boxes.first(), face.boxes.last()];
    let mut marks = vec![Mark::Rect { ink: Ink::Border, x: 0.0, y: 0.0, width, height }];
    let step = face.boxes.len().div_ceil(MOST_POINTS).max(1);
    let centres = face.boxes.iter().step_by(step);
    let points: Vec<_> = centres.map(|[x, y, w, h]| [x + w / 2.0, y + h / 2.0]).collect();
    let line = |ink| Mark::Line { ink, points: points.clone() };
    let boxed = |ink, rect: Option<&[f64; 4]>| {
        rect.map(|&[x, y, width, height]| Mark::Rect { ink, x, y, width, height })
    };
    // Seen on bright and on dark photographs.
    marks.extend([boxed(Ink::Halo, first), boxed(Ink::Halo, last)].into_iter().flatten());
    marks.push(line(Ink::Halo));
    marks.extend([boxed(Ink::FirstBox, first), boxed(Ink::LastBox, last)].into_iter().flatten());
    marks.push(line(Ink::Way));
    let size = |rect: Option<&[f64; 4]>| {
        rect.map_or_else(String::new, |[.., w, h]| format!("{} × {} px", number(*w), number(*h)))
    };
    let sizes = match face.boxes.len() {
        1 => size(first),
        _ => format!("{} at first and {} at last", size(first), size(last)),
    };
    let alt =
        format!("{name}: where its box was in the picture of {width} × {height} px, {sizes}.");
    let on_what = match face.frame {
        Some(_) if face.frames == 1 => " Behind it, its frame.",
        Some(_) => " Behind it, the last frame on which it was seen.",
        None => "",
    };
    let what = match face.boxes.len() {
        1 => "Its box.",
        _ => "The way of its box: dotted at first, solid at last.",
    };
    let caption = format!("{what}{on_what}");
    let backdrop = face.frame.clone();
    Drawing { kind: DrawingKind::Path, size: [width, height], alt, caption, backdrop, marks }
}

fn seconds(time: f64) -> String {
    let text = format!("{time:.2}");
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}
