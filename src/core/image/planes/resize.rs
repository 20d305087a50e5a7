//! Bilinear resizing in 16-bit fixed point, row by row: the arithmetic of OpenCV's `resize`, so
//! that a network sees what the reference's networks saw, and one that vectorises.

use super::{Plane, Region, Target, Value};
use crate::core::image::frame::for_layout;
use crate::core::image::{FrameView, PixelLayout};

/// Weights are in 1/2048.
const WEIGHT_BITS: u32 = 11;
/// What is dropped between the passes, so that a horizontally resized value fits an `i16`.
const DROPPED_BITS: u32 = 4;

/// A source pixel along one axis and how much of it goes into a target pixel. One outside the
/// picture has weight 0, which is black, and an index that exists.
#[derive(Clone, Copy)]
struct Tap {
    index: usize,
    weight: i16,
}

/// The two taps of each of `count` target pixels, over the source pixels `start..start + length`
/// of which those in `0..limit` exist.
fn taps(start: i32, length: u32, limit: u32, count: usize) -> Vec<[Tap; 2]> {
    let ratio = f64::from(length) / count as f64;
    let last = i64::from(length) - 1;
    let pair = |target: usize| {
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
    (0..count).map(pair).collect()
}

/// One source row at the target's width: red, then green, then blue.
struct WideRow {
    source: Option<usize>,
    values: Vec<i16>,
}

impl WideRow {
    fn colours(&self) -> std::slice::ChunksExact<'_, i16> {
        self.values.chunks_exact(self.values.len() / 3)
    }
}

pub(super) fn resize<V: Value>(frame: &FrameView<'_>, region: Region, target: &mut Target<'_, V>) {
    let (size, frame_size) = (region.size, frame.size());
    let columns = taps(region.x_px, size.width(), frame_size.width(), target.width);
    let lines = taps(region.y_px, size.height(), frame_size.height(), target.height);
    let empty = || WideRow { source: None, values: vec![0; 3 * target.width] };
    let (mut upper, mut lower) = (empty(), empty());
    for (y, line) in lines.iter().enumerate() {
        // Going down, what was the lower row often becomes the upper one.
        if lower.source == Some(line[0].index) {
            std::mem::swap(&mut upper, &mut lower);
        }
        for (row, index) in [(&mut upper, line[0].index), (&mut lower, line[1].index)] {
            if row.source != Some(index) {
                row.source = Some(index);
                for_layout!(frame.layout(), widen(frame.row(index), &columns, &mut row.values));
            }
        }
        for ((plane, up), low) in
            target.row(y).into_iter().zip(upper.colours()).zip(lower.colours())
        {
            blend(up, low, line.map(|tap| tap.weight), plane);
        }
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
