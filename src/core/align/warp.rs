//! Sampling a picture through a transform: bilinear, as OpenCV's `warpAffine`, in fixed point that
//! is fine enough to round to the same level almost always.
//!
//! A row of the result is made in two steps: where each of its pixels comes from, with the loads
//! that this takes, one by one; then the mixing, which the compiler does for many pixels at once,
//! with whatever vector instructions the machine has.

use multiversion::multiversion;
use ndarray::{ArrayViewMut3, s};

use crate::core::geometry::Similarity;
use crate::core::image::RgbImage;

/// Places are computed in 1/65536 px and rounded to 1/2048 px.
const PLACE_BITS: u32 = 16;
/// Twice these and the 8 bits of a level fit 32 bits.
const FRACTION_BITS: u32 = 11;
const ONE: i32 = 1 << FRACTION_BITS;
/// Half a step of the rounding.
const HALF_STEP: i64 = 1 << (PLACE_BITS - FRACTION_BITS - 1);
/// Far outside every picture, and far from overflow.
const FARTHEST: f64 = 1e15;
/// In px: beyond every picture, whichever way it is counted.
const WIDEST: f64 = 32_000.0;

/// What is computed once for the pictures of a clip, in memory that is kept for the next clip.
///
/// Where each pixel of a square picture comes from: the place of pixel (x, y), in 1/65536 px, is
/// the sum of a part that only depends on x and one that only depends on y.
#[derive(Default)]
pub struct Warp {
    /// x, then y. A row that spans more than [`WIDEST`] is no face's.
    columns: [Vec<i32>; 2],
    rows: Vec<[i64; 2]>,
    taps: Taps,
}

/// The four neighbours of each pixel of a row, each as red, green, blue from its lowest byte on,
/// and the distances from the first in 1/2048 px.
#[derive(Default)]
struct Taps {
    /// Upper left, upper right, lower left, lower right.
    corners: [Vec<u32>; 4],
    fractions: [Vec<i32>; 2],
    /// Where the first of them begins in the picture's bytes.
    offsets: Vec<u32>,
}

/// No offset: some of the four pixels are not in the picture.
const OUTSIDE: u32 = u32::MAX;

impl Taps {
    fn resize(&mut self, length: usize) {
        self.corners.iter_mut().for_each(|corner| corner.resize(length, 0));
        self.fractions.iter_mut().for_each(|fraction| fraction.resize(length, 0));
        self.offsets.resize(length, OUTSIDE);
    }
}

impl Warp {
    /// `to_source` leads from the picture of `side` px to what is sampled.
    pub(super) fn aim(&mut self, to_source: &Similarity, side: usize) {
        let fixed = |v: f64| {
            let scaled = v * f64::from(1u32 << PLACE_BITS);
            scaled.clamp(-FARTHEST, FARTHEST).round_ties_even() as i64
        };
        let [[xx, xy, x0], [yx, yy, y0]] = to_source.matrix();
        let steps = (0..side).map(|n| n as f64);
        self.taps.resize(side);
        for (columns, step) in self.columns.iter_mut().zip([xx, yx]) {
            let column = |x: f64| fixed((step * x).clamp(-WIDEST, WIDEST)) as i32;
            columns.clear();
            columns.extend(steps.clone().map(column));
        }
        self.rows.clear();
        let row = |y| [xy * y + x0, yy * y + y0].map(|v| fixed(v) + HALF_STEP);
        self.rows.extend(steps.map(row));
    }

    /// Fills `picture` `[3, S, S]` from `source`, which lies at `offset` px; black elsewhere.
    pub(super) fn sample(
        &mut self,
        source: &Source<'_>,
        offset: [u32; 2],
        picture: &mut ArrayViewMut3<'_, u8>,
    ) {
        let offset = offset.map(|v| i64::from(v) << PLACE_BITS);
        let planes = (s![0, .., ..], s![1, .., ..], s![2, .., ..]);
        let (mut red, mut green, mut blue) = picture.multi_slice_mut(planes);
        let lines = red.rows_mut().into_iter().zip(green.rows_mut()).zip(blue.rows_mut());
        for (((red, green), blue), row) in lines.zip(&self.rows) {
            let start = [row[0] - offset[0], row[1] - offset[1]];
            source.look_up(start, &self.columns, &mut self.taps);
            mix(&self.taps, [red, green, blue].map(|row| row.into_slice().unwrap_or_default()));
        }
    }
}

/// What is sampled: a part of a picture.
pub(super) struct Source<'a> {
    data: &'a [u8],
    pixels: &'a [[u8; 3]],
    /// From the start of a row to that of the next.
    row_px: usize,
    width: usize,
    height: usize,
}

impl<'a> Source<'a> {
    /// Without the first columns and rows of `image`, and no larger than `size`.
    pub(super) fn new(image: &'a RgbImage, [columns, rows]: [u32; 2], size: [u32; 2]) -> Self {
        let row_px = image.size().width() as usize;
        let start = (rows as usize * row_px + columns as usize) * 3;
        let data = image.data().get(start..).unwrap_or_default();
        let width = image.size().width().saturating_sub(columns).min(size[0]) as usize;
        let height = image.size().height().saturating_sub(rows).min(size[1]) as usize;
        Self { data, pixels: data.as_chunks::<3>().0, row_px, width, height }
    }

    /// Finds the neighbours of the pixels of one row, which begins at `start`.
    fn look_up(&self, start: [i64; 2], columns: &[Vec<i32>; 2], taps: &mut Taps) {
        place(start, columns, self.row_px, [self.width, self.height], taps);
        let [upper_left, upper_right, lower_left, lower_right] = &mut taps.corners;
        let corners = upper_left.iter_mut().zip(upper_right).zip(lower_left).zip(lower_right);
        let pair = |start: usize| self.data.get(start..)?.first_chunk::<8>();
        let steps = columns[0].iter().zip(&columns[1]);
        for (((((ul, ur), ll), lr), offset), step) in corners.zip(&taps.offsets).zip(steps) {
            let offset = *offset as usize;
            // Outside, and at the very last pixels, which have no eight bytes.
            [*ul, *ur, *ll, *lr] = match (pair(offset), pair(offset + self.row_px * 3)) {
                (Some(upper), Some(lower)) => {
                    let [upper, lower] = [upper, lower].map(|bytes| u64::from_le_bytes(*bytes));
                    [upper as u32, (upper >> 24) as u32, lower as u32, (lower >> 24) as u32]
                }
                _ => {
                    let place =
                        |axis: usize, step: &i32| (start[axis] + i64::from(*step)) >> PLACE_BITS;
                    self.square_at_edge(place(0, step.0), place(1, step.1))
                }
            };
        }
    }

    /// Of the four pixels, those outside the picture are black.
    fn square_at_edge(&self, x: i64, y: i64) -> [u32; 4] {
        let inside = |v: i64, length: usize| usize::try_from(v).ok().filter(|v| *v < length);
        let pixel = |x: i64, y: i64| {
            let place = inside(x, self.width).zip(inside(y, self.height));
            let found = place.and_then(|(x, y)| self.pixels.get(y * self.row_px + x));
            let [red, green, blue] = found.copied().unwrap_or_default();
            u32::from_le_bytes([red, green, blue, 0])
        };
        [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)]
    }
}

/// Where the pixels of one row come from: in the picture's bytes, or [`OUTSIDE`], and in between.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn place(
    start: [i64; 2],
    columns: &[Vec<i32>; 2],
    row_px: usize,
    [width, height]: [usize; 2],
    taps: &mut Taps,
) {
    // Whole px, and what is left of one: the sums below fit 32 bits.
    let farthest = i64::from(i32::MAX / 4);
    let whole = start.map(|v| (v >> PLACE_BITS).clamp(-farthest, farthest) as i32);
    let rest = start.map(|v| (v & ((1 << PLACE_BITS) - 1)) as i32);
    let last = [width, height].map(|side| i32::try_from(side).unwrap_or(i32::MAX) - 1);
    let [along, down] = &mut taps.fractions;
    let taps = taps.offsets.iter_mut().zip(along.iter_mut().zip(down));
    for ((offset, (fx, fy)), (dx, dy)) in taps.zip(columns[0].iter().zip(&columns[1])) {
        let (x, y) = (rest[0] + dx, rest[1] + dy);
        let fraction = |v: i32| v >> (PLACE_BITS - FRACTION_BITS) & (ONE - 1);
        (*fx, *fy) = (fraction(x), fraction(y));
        let (x, y) = (whole[0] + (x >> PLACE_BITS), whole[1] + (y >> PLACE_BITS));
        let inside = (x >= 0) & (y >= 0) & (x < last[0]) & (y < last[1]);
        // Inside, it fits: a picture has fewer than 2^32 bytes.
        let pixel = (y as u32).wrapping_mul(row_px as u32).wrapping_add(x as u32);
        *offset = if inside { pixel.wrapping_mul(3) } else { OUTSIDE };
    }
}

/// Mixes the colours of a row, each one byte of every neighbour.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn mix(taps: &Taps, [red, green, blue]: [&mut [u8]; 3]) {
    const HALF: i32 = ONE * ONE / 2;
    let [upper_left, upper_right, lower_left, lower_right] = &taps.corners;
    let [along, down] = &taps.fractions;
    let corners = upper_left.iter().zip(upper_right).zip(lower_left.iter().zip(lower_right));
    let fractions = along.iter().zip(down);
    let colours = red.iter_mut().zip(green).zip(blue);
    for ((colours, ((ul, ur), (ll, lr))), (fx, fy)) in colours.zip(corners).zip(fractions) {
        let mixed = |shift: u32| {
            let level = |corner: u32| (corner >> shift & 255) as i32;
            let across = |left: u32, right: u32| {
                let (left, right) = (level(left), level(right));
                (left << FRACTION_BITS) + (right - left) * fx
            };
            let (upper, lower) = (across(*ul, *ur), across(*ll, *lr));
            let sum = (upper << FRACTION_BITS) + (lower - upper) * fy;
            ((sum + HALF) >> (2 * FRACTION_BITS)) as u8
        };
        let ((red, green), blue) = colours;
        (*red, *green, *blue) = (mixed(0), mixed(8), mixed(16));
    }
}
