//! A face, aligned by its own points to a small grey picture.
//!
//! As in [`crate::core::align`] a row is made in steps, so that the compiler does all but the loads for
//! many pixels at once: where its pixels come from, the loads, the mixing.

use multiversion::multiversion;

use crate::core::align::{FaceCrop, template_fit};
use crate::core::geometry::{CropRect, Similarity, Size};

/// The side of the picture. Half of what most classifiers read: coarse enough to be cheap, fine
/// enough to show whether there is anything to read.
pub(super) const SIDE_PX: usize = 112;
/// The part of the picture, on each side, that is hair and background more than face.
const RIM_PX: usize = SIDE_PX / 7;

#[derive(Debug, Default)]
pub(super) struct GreyFace {
    /// Of the aligned picture, row-major, 0..=255; what the crop does not show is 0.
    pixels: Vec<f32>,
    seen: Vec<bool>,
    outside: usize,
    row: Row,
}

/// A row of the aligned picture while it is made.
#[derive(Debug)]
struct Row {
    /// Of the upper left neighbour among the crop's pixels; [`UNSEEN`] where the crop does not show all four.
    places: [u32; SIDE_PX],
    /// The distances from it, in px.
    along: [f32; SIDE_PX],
    down: [f32; SIDE_PX],
    /// Upper left, upper right, lower left, lower right, each as red, green, blue from its lowest byte on.
    corners: [[u32; SIDE_PX]; 4],
}

const UNSEEN: u32 = u32::MAX;

impl Default for Row {
    fn default() -> Self {
        let [along, down] = [[0.0; SIDE_PX]; 2];
        Self { places: [UNSEEN; SIDE_PX], along, down, corners: [[0; SIDE_PX]; 4] }
    }
}

impl GreyFace {
    /// Takes another face; `None` where its points are in one place.
    pub fn look_at(&mut self, crop: &FaceCrop, frame: Size) -> Option<()> {
        let to_frame = template_fit(crop.points(), SIDE_PX as f64)?;
        let (held, image) = crop.held();
        self.align(&to_frame, held, image.data(), frame);
        Some(())
    }

    fn align(&mut self, to_frame: &Similarity, held: CropRect, data: &[u8], frame: Size) {
        self.pixels.resize(SIDE_PX * SIDE_PX, 0.0);
        self.seen.resize(SIDE_PX * SIDE_PX, false);
        self.outside = 0;
        let rows = self.pixels.as_chunks_mut().0.iter_mut().zip(self.seen.as_chunks_mut().0);
        for (n, (pixels, seen)) in rows.enumerate() {
            let [start, next] = [0.0, 1.0].map(|x| to_frame.apply([x, n as f64]));
            // A step to the right is the same everywhere.
            let line = Line { start, step: [next[0] - start[0], next[1] - start[1]] };
            self.outside += count_outside(&line, frame);
            place(&line, held, &mut self.row);
            look_up(data, held.width() as usize, &mut self.row);
            mix(&self.row, pixels, seen);
        }
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
pub(super) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue) + 128) >> 8) as u8
}

/// Where the pixels of a row come from, in px of the frame.
struct Line {
    start: [f64; 2],
    step: [f64; 2],
}

impl Line {
    fn at(&self, column: u32) -> [f64; 2] {
        let column = f64::from(column);
        [self.start[0] + self.step[0] * column, self.start[1] + self.step[1] * column]
    }
}

/// How many pixels of a row lie outside of the frame.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn count_outside(line: &Line, frame: Size) -> usize {
    let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
    let is_outside = |[x, y]: [f64; 2]| !((x >= 0.0) & (y >= 0.0) & (x < width) & (y < height));
    (0..SIDE_PX as u32).map(|column| u32::from(is_outside(line.at(column)))).sum::<u32>() as usize
}

/// Finds the neighbours of each pixel of a row in the crop.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn place(line: &Line, held: CropRect, row: &mut Row) {
    let (left, top) = (f64::from(held.x()), f64::from(held.y()));
    let [width, height] = [held.width(), held.height()].map(|side| side as i32);
    // The last pixel has no neighbour: it is the second one of the last pair.
    let [last_x, last_y] = [width, height].map(|side| (side - 1) as f32);
    let places = row.places.iter_mut().zip(row.along.iter_mut().zip(&mut row.down));
    for (column, (place, (along, down))) in (0..SIDE_PX as u32).zip(places) {
        let [x, y] = line.at(column);
        let (x, y) = ((x - left) as f32, (y - top) as f32);
        let seen = (x >= 0.0) & (y >= 0.0) & (x <= last_x) & (y <= last_y);
        let (x, y) = (if seen { x } else { 0.0 }, if seen { y } else { 0.0 });
        let (first_x, first_y) = ((x as i32).min(width - 2), (y as i32).min(height - 2));
        (*along, *down) = (x - first_x as f32, y - first_y as f32);
        *place =
            if seen { first_y.wrapping_mul(width).wrapping_add(first_x) as u32 } else { UNSEEN };
    }
}

fn look_up(data: &[u8], width: usize, row: &mut Row) {
    let [upper_left, upper_right, lower_left, lower_right] = &mut row.corners;
    let corners =
        upper_left.iter_mut().zip(upper_right).zip(lower_left.iter_mut().zip(lower_right));
    for (((ul, ur), (ll, lr)), place) in corners.zip(&mut row.places) {
        let first = *place as usize;
        // A crop of one row or column has no pairs: nothing of it is seen.
        let found = pair(data, first).zip(pair(data, first + width));
        let ([a, b], [c, d]) = found.unwrap_or_else(|| {
            *place = UNSEEN;
            Default::default()
        });
        (*ul, *ur, *ll, *lr) = (a, b, c, d);
    }
}

/// Two pixels beside each other.
fn pair(data: &[u8], first: usize) -> Option<[u32; 2]> {
    let bytes = data.get(first.checked_mul(3)?..)?;
    // The very last pixels have no eight bytes.
    let both = match bytes.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => {
            let [a, b, c, d, e, f] = *bytes.first_chunk::<6>()?;
            u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
        }
    };
    Some([both as u32, (both >> 24) as u32])
}

/// Mixes the luma of the neighbours of each pixel of a row.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn mix(row: &Row, pixels: &mut [f32; SIDE_PX], seen: &mut [bool; SIDE_PX]) {
    let [upper_left, upper_right, lower_left, lower_right] = &row.corners;
    let level = |corner: u32| {
        let [red, green, blue, _] = corner.to_le_bytes();
        f32::from(luma([red, green, blue]))
    };
    let between = |a: f32, b: f32, part: f32| a + (b - a) * part;
    for n in 0..SIDE_PX {
        let upper = between(level(upper_left[n]), level(upper_right[n]), row.along[n]);
        let lower = between(level(lower_left[n]), level(lower_right[n]), row.along[n]);
        pixels[n] = between(upper, lower, row.down[n]);
        seen[n] = row.places[n] != UNSEEN;
    }
}
