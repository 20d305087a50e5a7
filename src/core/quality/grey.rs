//! A face, aligned by its own points to a small grey picture.

use crate::core::align::{FaceCrop, template_fit};
use crate::core::geometry::{CropRect, Similarity, Size};

/// The side of the picture. Half of what most classifiers read: coarse enough to be cheap, fine
/// enough to show whether there is anything to read.
pub(super) const SIDE_PX: usize = 112;
/// The part of the picture, on each side, that is hair and background more than face.
const RIM_PX: usize = SIDE_PX / 7;

#[derive(Debug, Default)]
pub(super) struct GreyFace {
    /// The crop's luma, row-major.
    luma: Vec<u8>,
    /// Of the aligned picture, row-major, 0..=255; what the crop does not show is 0.
    pixels: Vec<f32>,
    seen: Vec<bool>,
    outside: usize,
}

impl GreyFace {
    /// Takes another face; `None` where its points are in one place.
    pub fn look_at(&mut self, crop: &FaceCrop, frame: Size) -> Option<()> {
        let to_frame = template_fit(crop.points(), SIDE_PX as f64)?;
        let (held, image) = crop.held();
        self.luma.clear();
        self.luma.extend(image.data().as_chunks::<3>().0.iter().map(|pixel| luma(*pixel)));
        self.align(&to_frame, held, frame);
        Some(())
    }

    fn align(&mut self, to_frame: &Similarity, held: CropRect, frame: Size) {
        let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
        let (left, top) = (f64::from(held.x()), f64::from(held.y()));
        let plane = Plane { levels: &self.luma, size: held.size() };
        self.pixels.clear();
        self.seen.clear();
        self.outside = 0;
        for row in 0..SIDE_PX {
            // A step to the right is the same everywhere.
            let [x0, y0] = to_frame.apply([0.0, row as f64]);
            let [x1, y1] = to_frame.apply([1.0, row as f64]);
            let (dx, dy) = (x1 - x0, y1 - y0);
            for column in 0..SIDE_PX {
                let (x, y) = (x0 + dx * column as f64, y0 + dy * column as f64);
                let inside = x >= 0.0 && y >= 0.0 && x < width && y < height;
                self.outside += usize::from(!inside);
                let level = plane.level((x - left) as f32, (y - top) as f32);
                self.seen.push(level.is_some());
                self.pixels.push(level.unwrap_or(0.0));
            }
        }
    }

    /// The crop's luma: a row of the frame after the other.
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    pub fn outside(&self) -> f32 {
        self.outside as f32 / (SIDE_PX * SIDE_PX) as f32
    }

    /// Mean and standard deviation of the face's levels, 0..=1.
    pub fn levels(&self) -> (f32, f32) {
        let inner = RIM_PX..SIDE_PX - RIM_PX;
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for row in inner.clone() {
            let span = row * SIDE_PX + inner.start..row * SIDE_PX + inner.end;
            let pixels = self.pixels[span.clone()].iter().zip(&self.seen[span]);
            for (level, _) in pixels.filter(|(_, seen)| **seen) {
                let level = f64::from(*level) / 255.0;
                (count, sum, squares) = (count + 1.0, sum + level, squares + level * level);
            }
        }
        if count == 0.0 {
            return (0.0, 0.0);
        }
        let mean: f64 = sum / count;
        let variance: f64 = (squares / count - mean * mean).max(0.0);
        (mean as f32, variance.sqrt() as f32)
    }
}

/// BT.601's, in 1/256.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue) + 128) >> 8) as u8
}

struct Plane<'a> {
    levels: &'a [u8],
    size: Size,
}

impl Plane<'_> {
    /// Between the centres of the pixels around a place; `None` outside of them.
    fn level(&self, x: f32, y: f32) -> Option<f32> {
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        if !(x >= 0.0 && y >= 0.0 && x <= (width - 1) as f32 && y <= (height - 1) as f32) {
            return None;
        }
        let (column, row) = (x as usize, y as usize);
        let (fx, fy) = (x - column as f32, y - row as f32);
        let right = usize::from(column + 1 < width);
        let below = if row + 1 < height { width } else { 0 };
        let first = row * width + column;
        let around = self.levels.get(first..=first + below + right)?;
        let at = |place: usize| f32::from(around[place]);
        let mix = |a: f32, b: f32, part: f32| a + (b - a) * part;
        let upper = mix(at(0), at(right), fx);
        let lower = mix(at(below), at(below + right), fx);
        Some(mix(upper, lower, fy))
    }
}
