//! Timelines and paths as pictures in the page, in its own colours.

use maud::{Markup, html};

use super::results::FaceResults;
use super::words::number;

/// Of a timeline, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 34.0;
const BOTTOM: f64 = 22.0;
/// More points than a picture has columns are not to be seen.
const MOST_POINTS: usize = 1440;

/// Seconds and scores to places in the picture.
struct Axes {
    from: f64,
    to: f64,
}

impl Axes {
    fn x(&self, time: f64) -> f64 {
        let span = (self.to - self.from).max(0.04);
        let part = ((time - self.from) / span).clamp(0.0, 1.0);
        LEFT + part * (WIDTH - LEFT - 6.0)
    }

    fn y(score: f64) -> f64 {
        6.0 + (1.0 - score.clamp(0.0, 1.0)) * (HEIGHT - BOTTOM - 6.0)
    }
}

/// The scores of a face's clips and frames over its time, its threshold and what could not be judged.
pub(super) fn timeline(face: &FaceResults, threshold: Option<f64>, name: &str) -> Markup {
    let axes = Axes { from: face.first, to: face.last };
    let scores: Vec<_> = face.scored().map(|(_, score)| score).collect();
    let most = scores.iter().copied().fold(0.0, f64::max);
    let least = scores.iter().copied().fold(1.0, f64::min);
    let text = match scores.len() {
        0 => format!("{name}: no clip was scored from {:.2} s to {:.2} s.", face.first, face.last),
        count => format!(
            "{name}: scores of {count} clips from {:.2} s to {:.2} s, between {least:.3} and {most:.3}; {} \
             stretches could not be judged.",
            face.first,
            face.last,
            face.gates.len()
        ),
    };
    html! {
        svg.timeline role="img" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } aria-label=(text) {
            title { (text) }
            @for gate in &face.gates {
                rect.gate x=(f(axes.x(gate.start))) y=(f(Axes::y(1.0)))
                    width=(f((axes.x(gate.end) - axes.x(gate.start)).max(1.0)))
                    height=(f(Axes::y(0.0) - Axes::y(1.0))) {}
            }
            @for level in [0.0, 0.5, 1.0] {
                line.grid x1=(LEFT) x2=(WIDTH - 6.0) y1=(f(Axes::y(level))) y2=(f(Axes::y(level))) {}
                text x=(LEFT - 5.0) y=(f(Axes::y(level) + 4.0)) text-anchor="end" { (level) }
            }
            @for time in ticks(face.first, face.last) {
                text x=(f(axes.x(time))) y=(HEIGHT - 5.0) text-anchor="middle" { (seconds(time)) }
            }
            @if let Some(threshold) = threshold {
                line.threshold x1=(LEFT) x2=(WIDTH - 6.0) y1=(f(Axes::y(threshold)))
                    y2=(f(Axes::y(threshold))) {}
            }
            @for (clip, score) in face.scored() {
                line.clip x1=(f(axes.x(clip.start))) x2=(f(axes.x(clip.end).max(axes.x(clip.start) + 2.0)))
                    y1=(f(Axes::y(score))) y2=(f(Axes::y(score))) {}
            }
            polyline.score points=(points(face, &axes)) {}
        }
    }
}

fn points(face: &FaceResults, axes: &Axes) -> String {
    let step = face.scores.len().div_ceil(MOST_POINTS).max(1);
    let places = face.scores.iter().step_by(step);
    let places = places.map(|(time, score)| format!("{},{}", f(axes.x(*time)), f(Axes::y(*score))));
    places.collect::<Vec<_>>().join(" ")
}

/// The way of a face's box over the picture.
pub(super) fn path(face: &FaceResults, [width, height]: [f64; 2], name: &str) -> Markup {
    let centre = |[x, y, w, h]: &[f64; 4]| format!("{},{}", f(x + w / 2.0), f(y + h / 2.0));
    let step = face.boxes.len().div_ceil(MOST_POINTS).max(1);
    let points: Vec<_> = face.boxes.iter().step_by(step).map(centre).collect();
    let [first, last] = [face.boxes.first(), face.boxes.last()];
    let size = |rect: Option<&[f64; 4]>| {
        rect.map_or_else(String::new, |[.., w, h]| format!("{} × {} px", number(*w), number(*h)))
    };
    let text = format!(
        "{name}: where its box was in the picture of {width} × {height} px, {} at first and {} at last.",
        size(first),
        size(last)
    );
    html! {
        svg.path role="img" viewBox={ "0 0 " (width) " " (height) } aria-label=(text) {
            title { (text) }
            rect.frame x="0" y="0" width=(width) height=(height) {}
            @for (rect, class) in [(first, "first"), (last, "last")] {
                @if let Some([x, y, w, h]) = rect {
                    rect class=(class) x=(f(*x)) y=(f(*y)) width=(f(*w)) height=(f(*h)) {}
                }
            }
            polyline points=(points.join(" ")) {}
        }
    }
}

/// A few round times.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let span = (to - from).max(0.04);
    let rough = span / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let first = (from / step).ceil();
    (0..12).map(|n| (first + f64::from(n)) * step).take_while(|time| *time <= to).collect()
}

fn seconds(time: f64) -> String {
    let text = format!("{time:.2}");
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// To a tenth of a unit.
fn f(value: f64) -> String {
    format!("{value:.1}")
}
