//! The grid of boxes that RetinaFace's regressions are relative to (docs/method.md, "Detection").

use std::fmt;

use crate::core::geometry::{Point, Size};
use crate::core::modelinfo::AnchorSides;

/// How the network scales its regressions: places, and logarithms of sizes.
pub(super) const VARIANCES: [f32; 2] = [0.1, 0.2];
/// For each of the three feature maps of the published network, its anchor sizes, in px of the
/// input.
const PUBLISHED: [&[f32]; 3] = [&[16.0, 32.0], &[64.0, 128.0], &[256.0, 512.0]];
/// The stride of the finest map; each further one has twice that of the one before.
const FINEST_STRIDE: u32 = 8;
/// Of a stride of 1024 px, the coarsest that could mean anything.
const MOST_LEVELS: usize = 8;

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
/// row, the sizes of a cell side by side. They are computed when asked for: few ever are.
#[derive(Clone, Copy, Debug)]
pub struct Anchors<'a> {
    input: Size,
    sides: Option<&'a AnchorSides>,
}

/// One feature map.
struct Level<'a> {
    stride: u32,
    sides: &'a [f32],
    columns: usize,
    cells: usize,
}

impl<'a> Anchors<'a> {
    /// Of the published network, for an input of this size.
    pub fn new(input: Size) -> Self {
        Self::of(input, None)
    }

    /// Of a network with anchors of these sides, where they are not the published ones.
    pub fn of(input: Size, sides: Option<&'a AnchorSides>) -> Self {
        Self { input, sides }
    }

    fn levels(&self) -> impl Iterator<Item = Level<'a>> {
        let Self { input, sides } = *self;
        let count = sides.map_or(PUBLISHED.len(), |sides| sides.0.len().min(MOST_LEVELS));
        (0..count).map(move |n| {
            let stride = FINEST_STRIDE << n;
            let own = sides.and_then(|sides| sides.0.get(n)).map(Vec::as_slice);
            let sides = own.or_else(|| PUBLISHED.get(n).copied()).unwrap_or_default();
            let columns = input.width().div_ceil(stride) as usize;
            let cells = columns.saturating_mul(input.height().div_ceil(stride) as usize);
            Level { stride, sides, columns, cells }
        })
    }

    /// How many rows each output of the network has.
    pub fn count(&self) -> usize {
        let rows = |level: Level<'_>| level.cells.saturating_mul(level.sides.len());
        self.levels().map(rows).fold(0, usize::saturating_add)
    }

    /// The anchor of row `index` of the outputs; `None` beyond the last one.
    pub fn get(&self, mut index: usize) -> Option<Anchor> {
        let (w, h) = (self.input.width() as f32, self.input.height() as f32);
        for Level { stride, sides, columns, cells } in self.levels() {
            let rows = cells.saturating_mul(sides.len());
            if index < rows {
                let (cell, size) = (index / sides.len(), *sides.get(index % sides.len())?);
                let centre = |n: usize| (n as f32 + 0.5) * stride as f32;
                return Some(Anchor {
                    centre: Point { x: centre(cell % columns) / w, y: centre(cell / columns) / h },
                    width: size / w,
                    height: size / h,
                });
            }
            index -= rows;
        }
        None
    }
}

impl fmt::Display for Anchors<'_> {
    /// `strides 8, 16 and 32` for the published ones, else with the sides of each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(AnchorSides(sides)) = self.sides else {
            return f.write_str("strides 8, 16 and 32");
        };
        let level =
            |sides: &Vec<f32>| sides.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
        let levels: Vec<_> = sides.iter().map(level).collect();
        write!(f, "anchors={}", levels.join(";"))
    }
}
