//! Sampling a picture through a transform: bilinear, as OpenCV's `warpAffine`, in fixed point that
//! is fine enough to round to the same level almost always.

use ndarray::{ArrayView1, ArrayViewMut3, Zip};

use crate::core::geometry::Similarity;
use crate::core::image::RgbImage;

/// Places are computed in 1/65536 px and rounded to 1/2048 px.
const PLACE_BITS: u32 = 16;
/// Twice these and the 8 bits of a level fit 32 bits.
const FRACTION_BITS: u32 = 11;
/// Half a step of the rounding.
const HALF_STEP: i64 = 1 << (PLACE_BITS - FRACTION_BITS - 1);
/// Far outside every picture, and far from overflow.
const FARTHEST: f64 = 1e15;

/// Where each pixel of a square picture comes from: the place of pixel (x, y), in 1/65536 px, is
/// the sum of a part that only depends on x and one that only depends on y.
pub(super) struct Warp {
    columns: Vec<[i64; 2]>,
    rows: Vec<[i64; 2]>,
}

impl Warp {
    /// `to_source` leads from the picture of `side` px to what is sampled.
    pub(super) fn new(to_source: &Similarity, side: usize) -> Self {
        let fixed = |v: f64| {
            let scaled = v * f64::from(1u32 << PLACE_BITS);
            scaled.clamp(-FARTHEST, FARTHEST).round_ties_even() as i64
        };
        let [[xx, xy, x0], [yx, yy, y0]] = to_source.matrix();
        let steps = (0..side).map(|n| n as f64);
        Self {
            columns: steps.clone().map(|x| [fixed(xx * x), fixed(yx * x)]).collect(),
            rows: steps.map(|y| [xy * y + x0, yy * y + y0].map(|v| fixed(v) + HALF_STEP)).collect(),
        }
    }

    /// Fills `picture` `[3, S, S]` from `image`, which lies at `offset` px; black elsewhere.
    pub(super) fn sample(
        &self,
        image: &RgbImage,
        offset: [u32; 2],
        picture: &mut ArrayViewMut3<'_, u8>,
    ) {
        let source = Source::new(image);
        let offset = offset.map(|v| i64::from(v) << PLACE_BITS);
        let mut planes = picture.outer_iter_mut();
        let (Some(mut red), Some(mut green), Some(mut blue)) =
            (planes.next(), planes.next(), planes.next())
        else {
            return;
        };
        let lines = red.rows_mut().into_iter().zip(green.rows_mut()).zip(blue.rows_mut());
        for (((red, green), blue), row) in lines.zip(&self.rows) {
            let (x, y) = (row[0] - offset[0], row[1] - offset[1]);
            let columns = ArrayView1::from(&self.columns);
            Zip::from(red).and(green).and(blue).and(columns).for_each(|r, g, b, step| {
                [*r, *g, *b] = source.at(x + step[0], y + step[1]);
            });
        }
    }
}

struct Source<'a> {
    pixels: &'a [[u8; 3]],
    width: usize,
    height: usize,
}

impl<'a> Source<'a> {
    fn new(image: &'a RgbImage) -> Self {
        let (width, height) = (image.size().width() as usize, image.size().height() as usize);
        Self { pixels: image.data().as_chunks::<3>().0, width, height }
    }

    /// The colour at a place in 1/65536 px.
    #[inline]
    fn at(&self, x: i64, y: i64) -> [u8; 3] {
        const SHIFT: u32 = PLACE_BITS - FRACTION_BITS;
        const ONE: u32 = 1 << FRACTION_BITS;
        let fraction = |v: i64| ((v >> SHIFT) as u32) & (ONE - 1);
        let (fx, fy) = (fraction(x), fraction(y));
        let [[p00, p10], [p01, p11]] = self.square(x >> PLACE_BITS, y >> PLACE_BITS);
        std::array::from_fn(|c| {
            let upper = u32::from(p00[c]) * (ONE - fx) + u32::from(p10[c]) * fx;
            let lower = u32::from(p01[c]) * (ONE - fx) + u32::from(p11[c]) * fx;
            let sum = upper * (ONE - fy) + lower * fy;
            ((sum + (1 << (2 * FRACTION_BITS - 1))) >> (2 * FRACTION_BITS)) as u8
        })
    }

    /// The pixel (x, y) and its right, lower and lower right neighbours.
    #[inline]
    fn square(&self, x: i64, y: i64) -> [[[u8; 3]; 2]; 2] {
        if let (Ok(column), Ok(row)) = (usize::try_from(x), usize::try_from(y))
            && column + 1 < self.width
            && row + 1 < self.height
        {
            let start = row * self.width + column;
            let pair = |start: usize| self.pixels.get(start..).and_then(|p| p.first_chunk::<2>());
            if let (Some(upper), Some(lower)) = (pair(start), pair(start + self.width)) {
                return [*upper, *lower];
            }
        }
        [[self.pixel(x, y), self.pixel(x + 1, y)], [self.pixel(x, y + 1), self.pixel(x + 1, y + 1)]]
    }

    /// Black outside.
    #[cold]
    fn pixel(&self, x: i64, y: i64) -> [u8; 3] {
        let inside = |v: i64, length: usize| usize::try_from(v).ok().filter(|v| *v < length);
        let index = inside(x, self.width).zip(inside(y, self.height));
        index.and_then(|(x, y)| self.pixels.get(y * self.width + x)).copied().unwrap_or_default()
    }
}
