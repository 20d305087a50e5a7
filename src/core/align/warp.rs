//! Sampling a picture through a transform: bilinear, as OpenCV's `warpAffine`, in fixed point that
//! is fine enough to round to the same level almost always.

use ndarray::{Array1, ArrayViewMut3, Zip, s};

use crate::core::geometry::Similarity;
use crate::core::image::RgbImage;

/// Places are computed in 1/65536 px and rounded to 1/2048 px.
const PLACE_BITS: u32 = 16;
/// Twice these and the 8 bits of a level fit 32 bits.
const FRACTION_BITS: u32 = 11;
const ONE: u64 = 1 << FRACTION_BITS;
/// Half a step of the rounding.
const HALF_STEP: i64 = 1 << (PLACE_BITS - FRACTION_BITS - 1);
/// Far outside every picture, and far from overflow.
const FARTHEST: f64 = 1e15;

/// Where each pixel of a square picture comes from: the place of pixel (x, y), in 1/65536 px, is
/// the sum of a part that only depends on x and one that only depends on y.
pub(super) struct Warp {
    columns: Array1<[i64; 2]>,
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
        let planes = (s![0, .., ..], s![1, .., ..], s![2, .., ..]);
        let (mut red, mut green, mut blue) = picture.multi_slice_mut(planes);
        let lines = red.rows_mut().into_iter().zip(green.rows_mut()).zip(blue.rows_mut());
        for (((red, green), blue), row) in lines.zip(&self.rows) {
            let (x, y) = (row[0] - offset[0], row[1] - offset[1]);
            Zip::from(red).and(green).and(blue).and(&self.columns).for_each(|r, g, b, step| {
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
        let fraction = |v: i64| ((v >> (PLACE_BITS - FRACTION_BITS)) as u64) & (ONE - 1);
        let (fx, fy) = (fraction(x), fraction(y));
        let (x, y) = (x >> PLACE_BITS, y >> PLACE_BITS);
        match self.square(x, y) {
            Some([upper, lower]) => blend(upper, lower, fx, fy),
            None => self.blend_at_edge(x, y, fx, fy),
        }
    }

    /// The pixel (x, y) and its right neighbour, and the two below, where all four exist.
    #[inline]
    fn square(&self, x: i64, y: i64) -> Option<[&'a [[u8; 3]; 2]; 2]> {
        let (column, row) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if column + 1 >= self.width || row + 1 >= self.height {
            return None;
        }
        let start = row * self.width + column;
        let pair = |start: usize| self.pixels.get(start..)?.first_chunk::<2>();
        Some([pair(start)?, pair(start + self.width)?])
    }

    /// Of the four pixels, those outside the picture are black.
    #[cold]
    fn blend_at_edge(&self, x: i64, y: i64, fx: u64, fy: u64) -> [u8; 3] {
        let inside = |v: i64, length: usize| usize::try_from(v).ok().filter(|v| *v < length);
        let pixel = |x: i64, y: i64| {
            let place = inside(x, self.width).zip(inside(y, self.height));
            let found = place.and_then(|(x, y)| self.pixels.get(y * self.width + x));
            found.copied().unwrap_or_default()
        };
        let [upper, lower] = [y, y + 1].map(|y| [pixel(x, y), pixel(x + 1, y)]);
        blend(&upper, &lower, fx, fy)
    }
}

/// Four neighbouring pixels, weighted by the distances `fx` and `fy` from the first.
///
/// Red and blue share one 64-bit sum, 32 bits each, which spares a third of the multiplications.
#[inline]
fn blend(upper: &[[u8; 3]; 2], lower: &[[u8; 3]; 2], fx: u64, fy: u64) -> [u8; 3] {
    const HALF: u64 = ONE * ONE / 2;
    let w11 = fx * fy;
    let (w10, w01) = (fx * ONE - w11, fy * ONE - w11);
    let w00 = ONE * ONE - w10 - w01 - w11;
    let mix = |lanes: fn(&[u8; 3]) -> u64| {
        let ([p00, p10], [p01, p11]) = (upper, lower);
        lanes(p00) * w00 + lanes(p10) * w10 + lanes(p01) * w01 + lanes(p11) * w11
    };
    let red_blue = mix(|[r, _, b]| u64::from(*r) | u64::from(*b) << 32) + (HALF | HALF << 32);
    let green = mix(|[_, g, _]| u64::from(*g)) + HALF;
    [red_blue, green, red_blue >> 32].map(|sum| (sum >> (2 * FRACTION_BITS)) as u8)
}
