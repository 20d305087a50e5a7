//! Bilinear resizing in 16-bit fixed point, row by row: the arithmetic of OpenCV's `resize`, so
//! that a network sees what the reference's networks saw, and one that vectorises.

use multiversion::multiversion;

use super::{Plane, Region, Target, Value};
use crate::core::image::frame::for_layout;
use crate::core::image::rows::Rows;
use crate::core::image::{ImageError, PixelLayout};

/// Weights are in 1/2048.
const WEIGHT_BITS: u32 = 11;
/// What is dropped between the passes, so that a horizontally resized value fits an `i16`.
const DROPPED_BITS: u32 = 4;

/// A source pixel along one axis and how much of it goes into a target pixel. One outside the
/// picture has weight 0, which is black, and an index that exists.
#[derive(Clone, Copy, Debug)]
struct Tap {
    index: usize,
    weight: i16,
}

/// The two taps of each of `count` target pixels, over the source pixels `start..start + length`
/// of which those in `0..limit` exist.
fn taps(
    start: i32,
    length: u32,
    limit: u32,
    count: usize,
) -> impl Iterator<Item = [Tap; 2]> + Clone {
    let ratio = f64::from(length) / count as f64;
    let last = i64::from(length) - 1;
    let pair = move |target: usize| {
        let place = ((target as f64 + 0.5) * ratio - 0.5) as f32;
        let near = place.floor();
        let fraction = place - near;
        let near = near as i64;
        [(near, 1.0 - fraction), (near + 1, fraction)].map(|(n, share)| {
            // Beyond the outermost centres the outermost pixel is repeated.
            let n = n.clamp(0, last);
            let unit = (1 << WEIGHT_BITS) as f32;
            match usize::try_from(i64::from(start) + n) {
                Ok(index) if index < limit as usize => {
                    Tap { index, weight: (share * unit).round_ties_even() as i16 }
                }
                _ => Tap { index: 0, weight: 0 },
            }
        })
    };
    (0..count).map(pair)
}

/// Start, length and limit of the source, and the target's count: see [`taps`].
type Span = (i32, u32, u32, usize);

/// The taps from row to row, and what they are for: kept where nothing has changed.
#[derive(Debug, Default)]
struct Lines {
    made_for: Option<Span>,
    taps: Vec<[Tap; 2]>,
}

impl Lines {
    fn make_for(&mut self, span: Span) {
        if self.made_for.replace(span) != Some(span) {
            let (start, length, limit, count) = span;
            self.taps.clear();
            self.taps.extend(taps(start, length, limit, count));
        }
    }
}

/// The taps along a row, left and right ones, as the horizontal pass reads them.
#[derive(Debug, Default)]
struct Columns {
    made_for: Option<(Span, usize)>,
    /// In bytes.
    offsets: [Vec<usize>; 2],
    weights: [Vec<i32>; 2],
}

impl Columns {
    fn make_for(&mut self, span: Span, pixel_bytes: usize) {
        let wanted = Some((span, pixel_bytes));
        if std::mem::replace(&mut self.made_for, wanted) == wanted {
            return;
        }
        let (start, length, limit, count) = span;
        for (side, (offsets, weights)) in self.offsets.iter_mut().zip(&mut self.weights).enumerate()
        {
            let taps = taps(start, length, limit, count).map(|pair| pair[side]);
            offsets.clear();
            offsets.extend(taps.clone().map(|tap| tap.index * pixel_bytes));
            weights.clear();
            weights.extend(taps.map(|tap| i32::from(tap.weight)));
        }
    }
}

/// One source row at the target's width: red, then green, then blue.
#[derive(Debug, Default)]
struct WideRow {
    source: Option<usize>,
    values: Vec<i16>,
}

impl WideRow {
    fn begin(&mut self, width: usize) {
        self.source = None;
        self.values.resize(3 * width, 0);
    }

    fn colours(&self) -> std::slice::ChunksExact<'_, i16> {
        self.values.chunks_exact(self.values.len() / 3)
    }
}

/// The memory of resizing.
#[derive(Debug, Default)]
pub(super) struct Resizer {
    columns: Columns,
    lines: Lines,
    pairs: Pairs,
    upper: WideRow,
    lower: WideRow,
}

impl Resizer {
    /// Fills `target` with `region`, of which `rows` reads what lies inside the picture.
    pub(super) fn resize<V: Value>(
        &mut self,
        rows: &mut Rows<'_, '_>,
        region: Region,
        target: &mut Target<'_, V>,
    ) -> Result<(), ImageError> {
        let (size, window, layout) = (region.size, rows.window(), rows.layout());
        if size.height() as usize > 2 * target.height {
            rows.sparse();
        }
        // In px of the window.
        let start = |region_px: i32, window_px: u32| region_px.saturating_sub_unsigned(window_px);
        let (x, y) = (start(region.x_px, window.x()), start(region.y_px, window.y()));
        let span = (x, size.width(), window.width(), target.width);
        self.columns.make_for(span, layout.bytes_per_pixel());
        self.lines.make_for((y, size.height(), window.height(), target.height));
        let Self { columns, lines, pairs, upper, lower } = self;
        upper.begin(target.width);
        lower.begin(target.width);
        for (y, line) in lines.taps.iter().enumerate() {
            // Going down, what was the lower row often becomes the upper one.
            if lower.source == Some(line[0].index) {
                std::mem::swap(upper, lower);
            }
            for (wide, index) in [(&mut *upper, line[0].index), (&mut *lower, line[1].index)] {
                if wide.source != Some(index) {
                    wide.source = Some(index);
                    let row = rows.row(window.y() + index as u32)?;
                    pairs.load(row, columns);
                    for_layout!(layout, widen(pairs, &columns.weights, &mut wide.values));
                }
            }
            for ((plane, up), low) in
                target.row(y).into_iter().zip(upper.colours()).zip(lower.colours())
            {
                blend(up, low, line.map(|tap| tap.weight), plane);
            }
        }
        Ok(())
    }
}

/// The two source pixels of each pixel of a row, each with its bytes from the lowest one on.
#[derive(Debug, Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Pairs {
    /// Looks up the pixels of a row, one by one.
    fn load(&mut self, from: &[u8], columns: &Columns) {
        let pixel = |offset: usize| match from.get(offset..) {
            // Of three bytes, the fourth is the next pixel's, which nobody looks at.
            Some(rest) => rest.first_chunk().map_or_else(|| last(rest), |b| u32::from_le_bytes(*b)),
            None => 0,
        };
        for (side, offsets) in [&mut self.left, &mut self.right].into_iter().zip(&columns.offsets) {
            side.clear();
            side.extend(offsets.iter().map(|offset| pixel(*offset)));
        }
    }
}

/// A row's last pixel, of three bytes.
#[cold]
fn last(pixel: &[u8]) -> u32 {
    pixel.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The horizontal pass, of all three colours.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn widen<const BYTES: usize, const RED: usize, const GREEN: usize, const BLUE: usize>(
    pairs: &Pairs,
    weights: &[Vec<i32>; 2],
    to: &mut [i16],
) {
    let (red, rest) = to.split_at_mut(pairs.left.len());
    let (green, blue) = rest.split_at_mut(pairs.left.len());
    let pixels = pairs.left.iter().zip(&pairs.right);
    let weighed = pixels.zip(weights[0].iter().zip(&weights[1]));
    for (((r, g), b), ((left, right), (w0, w1))) in red.iter_mut().zip(green).zip(blue).zip(weighed)
    {
        let mix = |byte: usize| {
            let level = |pixel: u32| (pixel >> (8 * byte) & 255) as i32;
            ((level(*left) * w0 + level(*right) * w1) >> DROPPED_BITS) as i16
        };
        (*r, *g, *b) = (mix(RED), mix(GREEN), mix(BLUE));
    }
}

/// The vertical pass, to 8 bits, and the map to what the network reads.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn blend<V: Value>(upper: &[i16], lower: &[i16], weights: [i16; 2], plane: Plane<'_, V>) {
    // 8 bits of value, 22 of weight, less what was dropped before and 16 here, leaves 2 to round.
    const LEFT_BITS: u32 = 2 * WEIGHT_BITS - DROPPED_BITS - 16;
    let high = |value: i16, weight: i16| (i32::from(value) * i32::from(weight)) >> 16;
    let [w0, w1] = weights;
    for ((value, u), l) in plane.values.iter_mut().zip(upper).zip(lower) {
        let level = (high(*u, w0) + high(*l, w1) + (1 << (LEFT_BITS - 1))) >> LEFT_BITS;
        *value = V::from_level(level, plane.scale, plane.offset);
    }
}
