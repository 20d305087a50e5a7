//! The world of the analytic networks: what a face looks like there, and what they say about it.
//!
//! A face is a filled, upright square whose green is 0 and whose blue is 255; its red is free and
//! decides how fake it is. The detector takes a pixel as part of a face where
//! `max(red, blue) - green > 128`, so the rest of a picture must stay below that: greys, greens
//! and skin do. It finds faces of [`SMALLEST_PX`] to [`LARGEST_PX`] at any position, exactly; after
//! a round trip through 4:2:0 the edges may be one pixel off. Faces that touch are one.

use std::f32::consts::PI;

/// The sides of a face that the detector finds.
pub const SMALLEST_PX: u32 = 12;
/// The longest side.
pub const LARGEST_PX: u32 = 512;

/// Where a face's five points are, as fractions of its square: M2SD's alignment template, so that
/// the aligned clip shows the square and nothing else (docs/method.md, "Clips").
pub const FIVE_POINTS: [[f32; 2]; 5] = [
    [85.82991 / 256.0, 85.7792 / 256.0],
    [169.0532 / 256.0, 84.3381 / 256.0],
    [127.574 / 256.0, 137.0006 / 256.0],
    [90.6964 / 256.0, 174.7014 / 256.0],
    [167.3069 / 256.0, 173.3733 / 256.0],
];

/// A drawn face: the square from `(left_px, top_px)`, inclusive, to that plus `side_px`,
/// exclusive. The detector's box has just these edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// Its left column.
    pub left_px: i32,
    /// Its top row.
    pub top_px: i32,
    /// Its sides.
    pub side_px: u32,
    /// The face's red, and with it P(fake).
    pub red: u8,
}

impl Face {
    /// Its colour: red as it is, no green, full blue.
    pub fn rgb(&self) -> [u8; 3] {
        [self.red, 0, 255]
    }

    /// The five points that the detector gives, in the picture's pixels.
    pub fn points_px(&self) -> [[f32; 2]; 5] {
        let side = self.side_px as f32;
        FIVE_POINTS.map(|[x, y]| [self.left_px as f32 + x * side, self.top_px as f32 + y * side])
    }

    /// Paints the face into packed RGB rows of `width_px` pixels; what lies outside is cut off.
    pub fn draw(&self, rgb: &mut [u8], width_px: usize) {
        let (left, top, side) =
            (i64::from(self.left_px), i64::from(self.top_px), i64::from(self.side_px));
        let clip = |start: i64| {
            let clamp = |v: i64| usize::try_from(v).unwrap_or(0);
            clamp(start)..clamp(start + side)
        };
        let (columns, rows) = (clip(left), clip(top));
        let columns = columns.start.min(width_px)..columns.end.min(width_px);
        for row in rgb.chunks_exact_mut(3 * width_px.max(1)).take(rows.end).skip(rows.start) {
            for pixel in row.as_chunks_mut::<3>().0.get_mut(columns.clone()).into_iter().flatten() {
                *pixel = self.rgb();
            }
        }
    }
}

/// What the analytic classifier says about a clip that shows a face of this red throughout.
pub fn fake_probability(red: u8) -> f32 {
    (f32::from(red) / 255.0).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
}

/// Keeps the logarithms finite.
pub(super) const LEAST_PROBABILITY: f32 = 1e-4;

/// What the analytic aligner always says: 68 points in 0..=1 of the crop, which is 1.2 times the
/// face (docs/method.md, "Landmarks"). Their eyes, nose and mouth corners are [`FIVE_POINTS`].
pub fn landmarks68() -> [[f32; 2]; 68] {
    std::array::from_fn(|i| face_point(i).map(|v| (v - 0.5) / 1.2 + 0.5))
}

/// Point `i` of the usual 68, as a fraction of the face's square.
fn face_point(i: usize) -> [f32; 2] {
    let [left_eye, right_eye, nose, left_mouth, right_mouth] = FIVE_POINTS;
    let ellipse = |[x, y]: [f32; 2], [rx, ry]: [f32; 2], angle: f32| {
        [x + rx * angle.cos(), y + ry * angle.sin()]
    };
    let between =
        |a: [f32; 2], b: [f32; 2], t: f32| [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
    let along = |first: usize, steps: usize| (i - first) as f32 / steps as f32;
    // Around the mouth from corner to corner and back, the corners themselves exactly.
    let mouth = |size: f32, turn: f32| {
        let (x, y) = ((turn * 2.0 * PI).cos() * size, (turn * 2.0 * PI).sin() * size);
        let [cx, cy] = between(left_mouth, right_mouth, (1.0 - x) / 2.0);
        [cx, cy - 0.06 * y]
    };
    match i {
        0..17 => ellipse([0.5, 0.45], [0.45, 0.5], PI * (1.0 - along(0, 16))),
        17..22 => ellipse(left_eye, [0.09, 0.1], PI * (1.0 + along(17, 4))),
        22..27 => ellipse(right_eye, [0.09, 0.1], PI * (1.0 + along(22, 4))),
        27..31 => between(between(left_eye, right_eye, 0.5), nose, along(27, 3)),
        31..36 => ellipse(nose, [0.06, 0.05], PI * (1.0 - along(31, 4))),
        36..42 => ellipse(left_eye, [0.05, 0.025], 2.0 * PI * along(36, 6)),
        42..48 => ellipse(right_eye, [0.05, 0.025], 2.0 * PI * along(42, 6)),
        48..60 => mouth(1.0, along(48, 12)),
        _ => mouth(0.7, along(60, 8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_points_are_among_the_68() {
        let all: [_; 68] = std::array::from_fn(face_point);
        let mean = |points: &[[f32; 2]]| {
            [0, 1].map(|k| points.iter().map(|p| p[k]).sum::<f32>() / points.len() as f32)
        };
        let five = [mean(&all[36..42]), mean(&all[42..48]), all[30], all[48], all[54]];
        for (found, expected) in five.into_iter().zip(FIVE_POINTS) {
            let close = |k: usize| (found[k] - expected[k]).abs() < 1e-6;
            assert!(close(0) && close(1), "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn a_face_is_cut_at_the_picture() {
        let mut rgb = [7; 3 * 4 * 4];
        Face { left_px: -1, top_px: 2, side_px: 3, red: 9 }.draw(&mut rgb, 4);
        let painted = |x: usize, y: usize| rgb[3 * (4 * y + x)..][..3] == [9, 0, 255];
        let count = (0..16).filter(|i| painted(i % 4, i / 4)).count();
        assert!(painted(0, 2) && painted(1, 3) && count == 4);
        Face { left_px: 90, top_px: -90, side_px: 3, red: 9 }.draw(&mut rgb, 4);
    }
}
