//! The blur of a picture, without another to compare it with.

/// The low-pass filter's length, as published.
const TAPS: usize = 9;

/// Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new
/// no-reference perceptual blur metric" (2007): a picture that loses little when it is blurred was
/// blurred before. 0 is sharp, 1 is blurred; a picture without any edge is blurred. It depends neither
/// on brightness nor on contrast.
///
/// `pixels` are row-major, `side` in each of at least two rows; `blurred` is memory for a line.
pub(super) fn blur(pixels: &[f32], side: usize, blurred: &mut Vec<f32>) -> f32 {
    let mut along = |step: usize, across: usize| {
        let lines = (0..side).map(|line| line * across);
        let (mut all, mut lost) = (0.0f64, 0.0f64);
        for start in lines {
            let at = |n: usize| pixels[start + n * step];
            low_pass(&at, side, blurred);
            for n in 1..side {
                let sharp = (at(n) - at(n - 1)).abs();
                let soft = (blurred[n] - blurred[n - 1]).abs();
                all += f64::from(sharp);
                lost += f64::from((sharp - soft).max(0.0));
            }
        }
        (all > 0.0).then(|| ((all - lost) / all) as f32)
    };
    // One direction has nothing to say of a picture of stripes.
    let found = [along(1, side), along(side, 1)].into_iter().flatten().reduce(f32::max);
    found.unwrap_or(1.0)
}

/// The mean over [`TAPS`] neighbours, the ends repeated.
fn low_pass(at: &impl Fn(usize) -> f32, side: usize, blurred: &mut Vec<f32>) {
    let half = TAPS / 2;
    let clamped = |n: isize| at(n.clamp(0, side as isize - 1) as usize);
    let mut sum: f32 = (-(half as isize)..=half as isize).map(clamped).sum();
    blurred.clear();
    for n in 0..side as isize {
        blurred.push(sum / TAPS as f32);
        sum += clamped(n + 1 + half as isize) - clamped(n - half as isize);
    }
}
