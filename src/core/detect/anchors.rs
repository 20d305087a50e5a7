//! The grid of boxes that RetinaFace's regressions are relative to (docs/method.md, "Detection").

use crate::core::geometry::{Point, Size};

use super::VARIANCES;

/// For each of the three feature maps, its stride and its two anchor sizes, in px of the input.
const LEVELS: [(u32, [u16; 2]); 3] = [(8, [16, 32]), (16, [64, 128]), (32, [256, 512])];

/// One anchor, in fractions of the input's sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    /// In fractions of the input's width and height, not in px.
    pub centre: Point,
    /// In fractions of the input's width.
    pub width: f32,
    /// In fractions of the input's height.
    pub height: f32,
}

impl Anchor {
    /// Where a regressed displacement leads.
    pub(super) fn displaced(&self, dx: f32, dy: f32) -> Point {
        Point {
            x: self.centre.x + dx * VARIANCES[0] * self.width,
            y: self.centre.y + dy * VARIANCES[0] * self.height,
        }
    }
}

/// All anchors of one input size, in the order of the network's outputs: level by level, row by
/// row, the two sizes of a cell side by side. They are computed when asked for: few ever are.
#[derive(Clone, Copy, Debug)]
pub struct Anchors {
    input: Size,
}

impl Anchors {
    /// For an input of this size.
    pub fn new(input: Size) -> Self {
        Self { input }
    }

    /// How many rows each output of the network has.
    pub fn count(&self) -> usize {
        LEVELS.iter().map(|(stride, _)| self.cells(*stride).1).sum::<usize>() * 2
    }

    /// Columns of a feature map, and how many cells it has in all.
    fn cells(&self, stride: u32) -> (usize, usize) {
        let columns = self.input.width().div_ceil(stride) as usize;
        (columns, columns.saturating_mul(self.input.height().div_ceil(stride) as usize))
    }

    /// The anchor of row `index` of the outputs; `None` beyond the last one.
    pub fn get(&self, index: usize) -> Option<Anchor> {
        let (mut cell, which) = (index / 2, index % 2);
        for (stride, sizes) in LEVELS {
            let (columns, cells) = self.cells(stride);
            if cell < cells {
                let (w, h) = (self.input.width() as f32, self.input.height() as f32);
                let centre = |n: usize| (n as f32 + 0.5) * stride as f32;
                let size = f32::from(*sizes.get(which)?);
                return Some(Anchor {
                    centre: Point { x: centre(cell % columns) / w, y: centre(cell / columns) / h },
                    width: size / w,
                    height: size / h,
                });
            }
            cell -= cells;
        }
        None
    }
}
