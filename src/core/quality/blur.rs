//! The blur of a picture, without another to compare it with.

/// The low-pass filter's length, as published.
const TAPS: usize = 9;
/// Its reach to either side.
const REACH: usize = TAPS / 2;

/// Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new
/// no-reference perceptual blur metric" (2007): a picture that loses little when it is blurred was
/// blurred before. 0 is sharp, 1 is blurred; a picture without any edge is blurred. It depends neither
/// on brightness nor on contrast.
///
/// `pixels` are row-major, `side` in each of `side` rows.
pub(super) fn blur(pixels: &[f32], side: usize) -> f32 {
    let row = |n: usize| pixels.get(n * side..(n + 1) * side).unwrap_or_default();
    let (mut across, mut down) = (Loss::default(), Loss::default());
    for n in 0..side {
        across.add_neighbours(row(n));
    }
    for n in 1..side {
        let [before, after] = ends(n, side).map(row);
        down.add_lines([row(n - 1), row(n)], [before, after]);
    }
    // One direction has nothing to say of a picture of stripes.
    let found = [across, down].into_iter().filter_map(|loss| loss.blur()).reduce(f32::max);
    found.unwrap_or(1.0)
}

/// The mean over [`TAPS`] neighbours changes from one place to the next by a ninth of what comes in
/// at one end and leaves at the other: the places of these. The picture's ends are repeated.
fn ends(n: usize, side: usize) -> [usize; 2] {
    [n.saturating_sub(REACH + 1), (n + REACH).min(side - 1)]
}

/// What differences of neighbours there are, and what of them a low-pass filter takes away.
#[derive(Default)]
struct Loss {
    all: f64,
    lost: f64,
}

impl Loss {
    /// The neighbours in a line.
    fn add_neighbours(&mut self, line: &[f32]) {
        let side = line.len();
        let inner = REACH + 1..side.saturating_sub(REACH);
        if !inner.is_empty() {
            let at = |shift: usize| &line[shift..shift + inner.len()];
            self.add_lines([at(REACH), at(REACH + 1)], [at(0), at(2 * REACH + 1)]);
        }
        for n in (1..side).filter(|n| !inner.contains(n)) {
            let [before, after] = ends(n, side).map(|end| [line[end]]);
            self.add_lines([&[line[n - 1]], &[line[n]]], [&before, &after]);
        }
    }

    /// Neighbours by neighbours, each with the ends of its filter.
    fn add_lines(&mut self, neighbours: [&[f32]; 2], ends: [&[f32]; 2]) {
        let (mut all, mut lost) = (0.0f32, 0.0f32);
        let pairs = neighbours[0].iter().zip(neighbours[1]).zip(ends[0].iter().zip(ends[1]));
        for ((a, b), (before, after)) in pairs {
            let sharp = (b - a).abs();
            let soft = (after - before).abs() / TAPS as f32;
            all += sharp;
            lost += (sharp - soft).max(0.0);
        }
        self.all += f64::from(all);
        self.lost += f64::from(lost);
    }

    fn blur(&self) -> Option<f32> {
        (self.all > 0.0).then(|| ((self.all - self.lost) / self.all) as f32)
    }
}
