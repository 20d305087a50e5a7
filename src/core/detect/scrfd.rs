//! SCRFD (Guo et al., ICLR 2022), as InsightFace publishes it with five points (`*_kps`).

use super::levels::{Layout, Level, LevelOutputs, cells, of_row};
use super::{Candidate, DetectError, DetectParams, Face, candidates, growth, keep, points, row};
use crate::core::geometry::{BBox, Point, Size};

const MAX_OVERLAP: f64 = 0.4;
/// Anchors in one place, which networks with three maps have; those with five have one.
const ANCHORS_OF_A_CELL: usize = 2;

pub(super) fn faces(
    outputs: &LevelOutputs<'_>,
    input: Size,
    region: Size,
    params: &DetectParams,
) -> Result<Vec<Face>, DetectError> {
    let finest = outputs.boxes.iter().map(|view| view.nrows()).max();
    let is_single = finest == Some(cells(input, 0).1);
    let layout = Layout {
        family: "SCRFD",
        levels: outputs.boxes.len().clamp(1, 5),
        anchors_of_a_cell: if is_single { 1 } else { ANCHORS_OF_A_CELL },
        scores_of_a_level: 1,
    };
    let levels = outputs.by_level(input, &layout)?;
    let best = candidates(levels.iter().flat_map(scores), params.threshold);
    let (x, y) = growth(input, region);
    let decoded = best.into_iter().filter_map(|Candidate { index, score }| {
        let (level, index) = of_row(&levels, index)?;
        let (centre, stride) =
            (centre(level, index, layout.anchors_of_a_cell), level.stride as f32);
        let [left, up, right, down] =
            row(&level.boxes, index)?.map(|distance: f32| distance * stride);
        let bbox = BBox::new(
            (centre.x - left) * x,
            (centre.y - up) * y,
            (centre.x + right) * x,
            (centre.y + down) * y,
        )?;
        let points = points(row(&level.landmarks, index)?, |dx, dy| Point {
            x: (centre.x + dx * stride) * x,
            y: (centre.y + dy * stride) * y,
        })?;
        Some(Face { bbox, score, points })
    });
    Ok(keep(decoded, MAX_OVERLAP, params))
}

fn scores(level: &Level<'_>) -> impl Iterator<Item = f32> {
    level.scores.iter().flat_map(|view| view.iter().copied())
}

/// The upper left corner of an anchor's cell, in px of the input: all distances are from there.
fn centre(level: &Level<'_>, index: usize, anchors_of_a_cell: usize) -> Point {
    let (cell, columns) = (index / anchors_of_a_cell, level.columns.max(1));
    let px = |cells: usize| (cells * level.stride as usize) as f32;
    Point { x: px(cell % columns), y: px(cell / columns) }
}
