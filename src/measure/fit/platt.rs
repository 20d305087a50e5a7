//! Logistic regression from a score's log odds.

use crate::core::evidence::Probability;
use crate::core::modelinfo::LlrMap;
use crate::measure::{Tally, log_odds};

const MOST_STEPS: usize = 100;
/// In bits and less of the loss, where steps are too small to matter.
const SMALL: f64 = 1e-12;

/// A score, and how much of it is wanted to be fake and real.
struct Point {
    x: f64,
    fake: f64,
    real: f64,
}

/// Platt's fit: `P(fake) = 1 / (1 + e^-(a x + b))` with the regularised targets `(F + 1)/(F + 2)` for
/// fakes and `1/(R + 2)` for reals (J. Platt, *Probabilistic outputs for support vector machines*,
/// 1999), by Newton's method with a backtracking line search (H.-T. Lin and others, *A note on Platt's
/// probabilistic outputs*, 2007). What the fit knows of the proportion of fakes, `ln F/R`, is taken
/// out of it, so that a log-likelihood ratio is left. `None` where the ratio does not rise with the
/// score.
pub fn platt(tally: &Tally) -> Option<LlrMap> {
    let (reals, fakes) = (tally.real(), tally.fake());
    let (high, low) = ((fakes + 1.0) / (fakes + 2.0), 1.0 / (reals + 2.0));
    let points: Vec<Point> = tally
        .steps()
        .iter()
        .map(|step| Point {
            x: log_odds(step.score),
            fake: step.fake * high + step.real * low,
            real: step.fake * (1.0 - high) + step.real * (1.0 - low),
        })
        .collect();
    let prior = (fakes / reals).ln();
    let (slope, intercept) = minimum(&points, prior);
    let is_usable = slope > 0.0 && slope.is_finite() && intercept.is_finite();
    is_usable.then_some(LlrMap::Platt { slope, intercept: intercept - prior })
}

/// The slope and intercept that cost least, from level on.
fn minimum(points: &[Point], prior: f64) -> (f64, f64) {
    let (mut a, mut b) = (0.0, prior);
    let mut loss = loss_at(points, a, b);
    for _ in 0..MOST_STEPS {
        let (step_a, step_b) = newton_step(points, a, b);
        let mut part = 1.0;
        let found = loop {
            let (next_a, next_b) = (a + part * step_a, b + part * step_b);
            let next = loss_at(points, next_a, next_b);
            if next < loss {
                break Some((next_a, next_b, next));
            }
            part /= 2.0;
            if part < SMALL {
                break None;
            }
        };
        let Some((next_a, next_b, next)) = found else { break };
        let gained = loss - next;
        (a, b, loss) = (next_a, next_b, next);
        if gained < SMALL * loss {
            break;
        }
    }
    (a, b)
}

/// The negative logarithm of the likelihood.
fn loss_at(points: &[Point], a: f64, b: f64) -> f64 {
    // ln(1 + e^z), without overflow.
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    let of = |point: &Point| {
        let z = a * point.x + b;
        point.fake * softplus(-z) + point.real * softplus(z)
    };
    points.iter().map(of).sum()
}

fn newton_step(points: &[Point], a: f64, b: f64) -> (f64, f64) {
    /// Keeps the curvature's inverse finite where all points are one.
    const RIDGE: f64 = 1e-10;
    let (mut ga, mut gb) = (0.0, 0.0);
    let (mut haa, mut hab, mut hbb) = (RIDGE, 0.0, RIDGE);
    for Point { x, fake, real } in points {
        let p = Probability::of_logit(a * x + b).get();
        let weight = fake + real;
        let slope = weight * p - fake;
        let curve = weight * p * (1.0 - p);
        ga += slope * x;
        gb += slope;
        haa += curve * x * x;
        hab += curve * x;
        hbb += curve;
    }
    let determinant = haa * hbb - hab * hab;
    (-(hbb * ga - hab * gb) / determinant, -(haa * gb - hab * ga) / determinant)
}
