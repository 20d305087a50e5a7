//! Families whose outputs are apart for each feature map.

use ndarray::ArrayView2;

use super::DetectError;
use crate::core::geometry::Size;

/// The stride of the finest map; each further one has twice that of the one before.
const FINEST_STRIDE: u32 = 8;

/// What a network gives for one picture: for each feature map outputs with a row for each of its
/// cells or anchors, in any order.
#[derive(Clone, Debug)]
pub struct LevelOutputs<'a> {
    /// `[A, 1]` each: probabilities. YuNet has two for each map, SCRFD one.
    pub scores: Vec<ArrayView2<'a, f32>>,
    /// `[A, 4]` each.
    pub boxes: Vec<ArrayView2<'a, f32>>,
    /// `[A, 10]` each.
    pub landmarks: Vec<ArrayView2<'a, f32>>,
}

/// The outputs of one feature map.
pub(super) struct Level<'a> {
    pub stride: u32,
    /// Cells in a row of the map.
    pub columns: usize,
    pub scores: Vec<ArrayView2<'a, f32>>,
    pub boxes: ArrayView2<'a, f32>,
    pub landmarks: ArrayView2<'a, f32>,
}

/// How a family's outputs are made up.
pub(super) struct Layout {
    pub family: &'static str,
    pub levels: usize,
    pub anchors_of_a_cell: usize,
    pub scores_of_a_level: usize,
}

/// Cells in a row of a map, and in all of it.
pub(super) fn cells(input: Size, level: usize) -> (usize, usize) {
    let stride = FINEST_STRIDE << level;
    let columns = input.width().div_ceil(stride) as usize;
    (columns, columns.saturating_mul(input.height().div_ceil(stride) as usize))
}

impl<'a> LevelOutputs<'a> {
    /// The outputs by map, the finest first: each has as many rows as its map has anchors.
    ///
    /// # Errors
    /// [`DetectError::Levels`] when there are not as many outputs with as many rows.
    pub(super) fn by_level(
        &self,
        input: Size,
        layout: &Layout,
    ) -> Result<Vec<Level<'a>>, DetectError> {
        let rows = |level| cells(input, level).1.saturating_mul(layout.anchors_of_a_cell);
        let wanted: Vec<_> = (0..layout.levels).map(rows).collect();
        let sort = |output, found: &[ArrayView2<'a, f32>], of_a_level, columns| {
            let with = |rows| {
                let fits = |view: &&ArrayView2<'_, f32>| view.dim() == (rows, columns);
                found.iter().filter(fits).take(of_a_level).copied().collect::<Vec<_>>()
            };
            let levels: Vec<_> = wanted.iter().map(|rows| with(*rows)).collect();
            let complete = levels.iter().all(|level| level.len() == of_a_level);
            if complete && found.len() == of_a_level * layout.levels {
                return Ok(levels);
            }
            let of_each = wanted.iter().flat_map(|rows| std::iter::repeat_n(*rows, of_a_level));
            Err(DetectError::Levels {
                family: layout.family,
                output,
                found: found.iter().map(|view| view.nrows()).collect(),
                expected: of_each.collect(),
                input,
            })
        };
        let scores = sort("scores", &self.scores, layout.scores_of_a_level, 1)?;
        let boxes = sort("boxes", &self.boxes, 1, 4)?;
        let landmarks = sort("landmarks", &self.landmarks, 1, 10)?;
        let levels = scores.into_iter().zip(boxes.concat()).zip(landmarks.concat()).enumerate();
        let level = |(level, ((scores, boxes), landmarks))| Level {
            stride: FINEST_STRIDE << level,
            columns: cells(input, level).0,
            scores,
            boxes,
            landmarks,
        };
        Ok(levels.map(level).collect())
    }
}

/// The level of row `index` of all levels one behind the other, and the row within it.
pub(super) fn of_row<'l, 'a>(
    levels: &'l [Level<'a>],
    mut index: usize,
) -> Option<(&'l Level<'a>, usize)> {
    for level in levels {
        if index < level.boxes.nrows() {
            return Some((level, index));
        }
        index -= level.boxes.nrows();
    }
    None
}
