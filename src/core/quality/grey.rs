//! A face, aligned by its own points to a small grey picture.

use crate::core::align::{FaceCrop, template_fit};
use crate::core::geometry::Size;

/// The side of the picture. Half of what most classifiers read: coarse enough to be cheap, fine
/// enough to show whether there is anything to read.
pub(super) const SIDE_PX: usize = 112;
/// The part of the picture, on each side, that is hair and background more than face.
const RIM_PX: usize = SIDE_PX / 7;

#[derive(Debug, Default)]
pub(super) struct GreyFace {
    /// Row-major, 0..=255; what the crop does not show is 0.
    pixels: Vec<f32>,
    seen: Vec<bool>,
    outside: usize,
}

impl GreyFace {
    /// Takes another face; `None` where its points are in one place.
    pub fn look_at(&mut self, crop: &FaceCrop, frame: Size) -> Option<()> {
        let to_frame = template_fit(crop.points(), SIDE_PX as f64)?;
        let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
        let Self { pixels, seen, outside } = self;
        pixels.clear();
        seen.clear();
        *outside = 0;
        for row in 0..SIDE_PX {
            for column in 0..SIDE_PX {
                let [x, y] = to_frame.apply([column as f64, row as f64]);
                let inside = (0.0..width).contains(&x) && (0.0..height).contains(&y);
                *outside += usize::from(!inside);
                let level = crop.luma(x, y);
                seen.push(level.is_some());
                pixels.push(level.unwrap_or(0.0));
            }
        }
        Some(())
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
