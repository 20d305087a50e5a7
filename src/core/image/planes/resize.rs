//! Bilinear resizing in 16-bit fixed point, row by row: the arithmetic of OpenCV's `resize`, so
//! that a network sees what the reference's networks saw, and one that vectorises.

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
fn taps(start: i32, length: u32, limit: u32, count: usize) -> impl Iterator<Item = [Tap; 2]> {
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

/// The taps of one axis, and what they are for.
#[derive(Debug, Default)]
struct Axis {
    made_for: Option<(i32, u32, u32, usize)>,
    taps: Vec<[Tap; 2]>,
}

impl Axis {
    /// As [`taps`]; those of last time where nothing has changed.
    fn taps(&mut self, start: i32, length: u32, limit: u32, count: usize) -> &[[Tap; 2]] {
        let wanted = Some((start, length, limit, count));
        if self.made_for != wanted {
            self.taps.clear();
            self.taps.extend(taps(start, length, limit, count));
            self.made_for = wanted;
        }
        &self.taps
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
    columns: Axis,
    lines: Axis,
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
        // In px of the window.
        let start = |region_px: i32, window_px: u32| region_px.saturating_sub_unsigned(window_px);
        let (x, y) = (start(region.x_px, window.x()), start(region.y_px, window.y()));
        let columns = self.columns.taps(x, size.width(), window.width(), target.width);
        let lines = self.lines.taps(y, size.height(), window.height(), target.height);
        let (upper, lower) = (&mut self.upper, &mut self.lower);
        upper.begin(target.width);
        lower.begin(target.width);
        for (y, line) in lines.iter().enumerate() {
            // Going down, what was the lower row often becomes the upper one.
            if lower.source == Some(line[0].index) {
                std::mem::swap(upper, lower);
            }
            for (wide, index) in [(&mut *upper, line[0].index), (&mut *lower, line[1].index)] {
                if wide.source != Some(index) {
                    wide.source = Some(index);
                    let row = rows.row(window.y() + index as u32)?;
                    for_layout!(layout, widen(row, columns, &mut wide.values));
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

/// The horizontal pass.
fn widen<const BYTES: usize, const RED: usize, const GREEN: usize, const BLUE: usize>(
    from: &[u8],
    taps: &[[Tap; 2]],
    to: &mut [i16],
) {
    let pixels = from.as_chunks::<BYTES>().0;
    let (red, rest) = to.split_at_mut(taps.len());
    let (green, blue) = rest.split_at_mut(taps.len());
    for (((r, g), b), [tap0, tap1]) in red.iter_mut().zip(green).zip(blue).zip(taps) {
        let (Some(p0), Some(p1)) = (pixels.get(tap0.index), pixels.get(tap1.index)) else {
            continue;
        };
        let (w0, w1) = (i32::from(tap0.weight), i32::from(tap1.weight));
        let mix =
            |v0: u8, v1: u8| ((i32::from(v0) * w0 + i32::from(v1) * w1) >> DROPPED_BITS) as i16;
        *r = mix(p0[RED], p1[RED]);
        *g = mix(p0[GREEN], p1[GREEN]);
        *b = mix(p0[BLUE], p1[BLUE]);
    }
}

/// The vertical pass, to 8 bits, and the map to what the network reads.
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
