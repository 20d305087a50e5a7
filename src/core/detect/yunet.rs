//! YuNet (Wu et al., 2023), as in OpenCV's model zoo and its `FaceDetectorYN`.

use super::levels::{Layout, Level, LevelOutputs, of_row};
use super::{Candidate, DetectError, DetectParams, Face, candidates, growth, keep, points, row};
use crate::core::geometry::{BBox, Point, Size};

const LAYOUT: Layout =
    Layout { family: "YuNet", levels: 3, anchors_of_a_cell: 1, scores_of_a_level: 2 };
/// As `FaceDetectorYN` has it.
const MAX_OVERLAP: f64 = 0.3;

pub(super) fn faces(
    outputs: &LevelOutputs<'_>,
    input: Size,
    region: Size,
    params: &DetectParams,
) -> Result<Vec<Face>, DetectError> {
    let levels = outputs.by_level(input, &LAYOUT)?;
    let best = candidates(levels.iter().flat_map(scores), params.threshold);
    let (x, y) = growth(input, region);
    let decoded = best.into_iter().filter_map(|Candidate { index, score }| {
        let (level, index) = of_row(&levels, index)?;
        let cell = Cell::of(level, index);
        let bbox = cell.bbox(row(&level.boxes, index)?);
        let bbox = BBox::new(bbox[0] * x, bbox[1] * y, bbox[2] * x, bbox[3] * y)?;
        let points = points(row(&level.landmarks, index)?, |dx, dy| {
            let place = cell.place(dx, dy);
            Point { x: place.x * x, y: place.y * y }
        })?;
        Some(Face { bbox, score, points })
    });
    Ok(keep(decoded, MAX_OVERLAP, params))
}

/// The geometric mean of the probabilities that a cell shows a face and that it shows anything.
fn scores(level: &Level<'_>) -> impl Iterator<Item = f32> {
    let factor = |output: usize, index: usize| {
        let factor = level.scores.get(output).and_then(|view| view.get((index, 0)));
        factor.map_or(
            f32::NAN,
            |factor| if factor.is_nan() { *factor } else { factor.clamp(0.0, 1.0) },
        )
    };
    (0..level.boxes.nrows()).map(move |index| (factor(0, index) * factor(1, index)).sqrt())
}

/// A cell of a feature map: its upper left corner, in cells, and the size of each, in px.
struct Cell {
    column: f32,
    line: f32,
    stride: f32,
}

impl Cell {
    fn of(level: &Level<'_>, index: usize) -> Self {
        let columns = level.columns.max(1);
        Self {
            column: (index % columns) as f32,
            line: (index / columns) as f32,
            stride: level.stride as f32,
        }
    }

    /// The edges, in px of the input.
    fn bbox(&self, [dx, dy, dw, dh]: [f32; 4]) -> [f32; 4] {
        let Point { x, y } = self.place(dx, dy);
        let (w, h) = (dw.exp() * self.stride / 2.0, dh.exp() * self.stride / 2.0);
        [x - w, y - h, x + w, y + h]
    }

    /// In px of the input.
    fn place(&self, dx: f32, dy: f32) -> Point {
        Point { x: (self.column + dx) * self.stride, y: (self.line + dy) * self.stride }
    }
}
