//! Where a face looks, from its five points.

use crate::core::geometry::FivePoints;

/// Eyes, nose and mouth corners of a mean face in cm: x to the right of the picture, y down, z away
/// from the camera; means of the vertices of MediaPipe's canonical face model (eyes: the middle of the
/// corners).
pub(super) const MEAN_FACE: [[f64; 3]; 5] = [
    [-3.15, -2.62, -3.47],
    [3.15, -2.62, -3.47],
    [0.0, 1.13, -7.48],
    [-2.46, 4.34, -4.28],
    [2.46, 4.34, -4.28],
];

/// The angle between the face's direction and the camera's, in degrees, 0..=180.
///
/// The affine camera that maps the mean face to the points with the least squares, as in the first
/// step of DeMenthon and Davis's POSIT (1995). With five points of a mean face it is right to some ten
/// degrees. `None` where the points are in one place or on one line.
pub(super) fn pose_deg(points: &FivePoints) -> Option<f32> {
    let model = centred(MEAN_FACE);
    let seen = centred(points.map(|p| [f64::from(p.x), f64::from(p.y)]));
    let product = |a: usize, b: usize| model.iter().map(|p| p[a] * p[b]).sum::<f64>();
    let normal = [0, 1, 2].map(|a| [0, 1, 2].map(|b| product(a, b)));
    let row = |axis: usize| {
        let right = [0, 1, 2].map(|a| model.iter().zip(&seen).map(|(m, s)| m[a] * s[axis]).sum());
        solved(normal, right).and_then(unit)
    };
    let (x, y) = (row(0)?, row(1)?);
    let [.., depth] = unit(cross(x, y))?;
    Some(depth.clamp(-1.0, 1.0).acos().to_degrees() as f32)
}

fn centred<const N: usize>(points: [[f64; N]; 5]) -> [[f64; N]; 5] {
    let mean: [f64; N] = std::array::from_fn(|a| points.iter().map(|p| p[a]).sum::<f64>() / 5.0);
    points.map(|p| std::array::from_fn(|a| p[a] - mean[a]))
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn unit(v: [f64; 3]) -> Option<[f64; 3]> {
    let length = dot(v, v).sqrt();
    (length > 1e-9 && length.is_finite()).then(|| v.map(|x| x / length))
}

/// Solves three equations, by Cramer's rule; `rows` are symmetric.
fn solved(rows: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let [a, b, c] = rows;
    let determinant = dot(a, cross(b, c));
    let of = |a, b, c| dot(a, cross(b, c)) / determinant;
    (determinant.abs() > 1e-12).then(|| [of(right, b, c), of(a, right, c), of(a, b, right)])
}
