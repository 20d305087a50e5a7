//! The cost of log-likelihood ratios, whatever the proportion of fakes.

use crate::measure::pav::{Block, pool};
use crate::measure::{Step, Tally};

/// `log₂(1 + e^-x)`: what a log-likelihood ratio `x` in favour of the truth costs, in bits.
pub fn log2_cost(x: f64) -> f64 {
    let cost = if x > 0.0 { (-x).exp().ln_1p() } else { x.exp().ln_1p() - x };
    cost / std::f64::consts::LN_2
}

impl Tally {
    /// The cost of the log-likelihood ratios that `llr` makes of the scores (N. Brümmer, J. du Preez,
    /// *Application-independent evaluation of speaker detection*, 2006):
    /// `½ (mean over fakes of log₂(1 + e^-llr) + mean over reals of log₂(1 + e^llr))`.
    /// 0 is perfect, 1 what a ratio of 1 for everything costs, more is worse than keeping quiet.
    pub fn cllr(&self, llr: impl Fn(f64) -> f64) -> f64 {
        let cost = |step: &Step| {
            let ratio = llr(step.score);
            step.fake / self.fake() * log2_cost(ratio) + step.real / self.real() * log2_cost(-ratio)
        };
        self.steps().iter().map(cost).sum::<f64>() / 2.0
    }

    /// The least [`Self::cllr`] that any rising map of the scores has, by isotonic regression with
    /// both classes of equal weight (the same article): what only the order of the scores costs.
    pub fn min_cllr(&self) -> f64 {
        let steps = self.steps().iter().map(|step| Block {
            first: step.score,
            last: step.score,
            real: step.real / self.real(),
            fake: step.fake / self.fake(),
        });
        let bits = |part: f64, of: f64| if part > 0.0 { -part * (part / of).log2() } else { 0.0 };
        let cost = |block: &Block| {
            let both = block.real + block.fake;
            bits(block.real, both) + bits(block.fake, both)
        };
        pool(steps).iter().map(cost).sum::<f64>() / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Class::{Fake, Real};
    use crate::measure::log_odds;
    use crate::measure::sample::tests::sample;

    #[test]
    fn saying_nothing_costs_a_bit() {
        let tally = sample(&[(Real, "", 0.3), (Fake, "", 0.4), (Fake, "", 0.2)]).unwrap().tally();
        assert!((tally.cllr(|_| 0.0) - 1.0).abs() < 1e-12);
        assert!(tally.min_cllr() < tally.cllr(log_odds) && tally.min_cllr() > 0.0);
        assert!(log2_cost(800.0) >= 0.0 && (log2_cost(-800.0) - 800.0 / 2f64.ln()).abs() < 1e-9);
        let apart = sample(&[(Real, "", 0.1), (Fake, "", 0.2)]).unwrap().tally();
        assert_eq!(apart.min_cllr(), 0.0);
    }
}
