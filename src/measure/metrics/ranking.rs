//! Figures that only the order of the scores decides: ROC, AUC, average precision, equal error rate.

use crate::core::evidence::Probability;
use crate::measure::{Tally, log_odds};

/// What holds when all scores of `threshold` and above are called fake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// Infinite at the curve's beginning, where nothing is called fake.
    pub threshold: f64,
    /// The part of the real scores that are called fake.
    pub fpr: f64,
    /// The part of the fake scores that are called fake.
    pub tpr: f64,
}

impl RocPoint {
    /// The part of the fake scores that are called real.
    pub fn fnr(&self) -> f64 {
        1.0 - self.tpr
    }
}

/// Where false positives and false negatives are equally frequent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EqualError {
    /// Both rates there, interpolated along the ROC curve, 0..=1.
    pub rate: f64,
    /// Scores above it are called fake. The rates at it are the nearest to equal that the scores
    /// allow.
    pub threshold: f64,
}

impl Tally {
    /// The receiver operating characteristic, from (0, 0) to (1, 1), a point for each distinct score
    /// (T. Fawcett, *An introduction to ROC analysis*, 2006, algorithm 1).
    pub fn roc(&self) -> Vec<RocPoint> {
        let mut points = vec![RocPoint { threshold: f64::INFINITY, fpr: 0.0, tpr: 0.0 }];
        let (mut real, mut fake) = (0.0, 0.0);
        for step in self.steps().iter().rev() {
            real += step.real;
            fake += step.fake;
            points.push(RocPoint {
                threshold: step.score,
                fpr: (real / self.real()).min(1.0),
                tpr: (fake / self.fake()).min(1.0),
            });
        }
        points
    }

    /// The probability that a fake score is higher than a real one, ties counting half: the area
    /// under [`Self::roc`] (J. A. Hanley, B. J. McNeil, *The meaning and use of the area under a ROC
    /// curve*, 1982). Exact, not sampled.
    pub fn auc(&self) -> f64 {
        let mut real_below = 0.0;
        let mut won = 0.0;
        for step in self.steps() {
            won += step.fake * (real_below + step.real / 2.0);
            real_below += step.real;
        }
        won / (self.real() * self.fake())
    }

    /// The mean of the precision over the recall, `Σ (Rₙ - Rₙ₋₁) Pₙ`, thresholds falling and without
    /// interpolation, as scikit-learn's `average_precision_score`.
    pub fn average_precision(&self) -> f64 {
        let (mut called, mut found, mut sum) = (0.0, 0.0, 0.0);
        for step in self.steps().iter().rev() {
            called += step.both();
            found += step.fake;
            sum += step.fake / self.fake() * found / called;
        }
        sum
    }

    /// Where [`Self::roc`], its points joined by lines, crosses FPR = 1 - TPR.
    pub fn equal_error(&self) -> EqualError {
        let roc = self.roc();
        let gap = |point: &RocPoint| point.fpr - point.fnr();
        for (n, pair) in roc.windows(2).enumerate() {
            let [a, b] = pair else { continue };
            if gap(b) < 0.0 {
                continue;
            }
            let part = -gap(a) / (gap(b) - gap(a));
            let rate = a.fpr + part * (b.fpr - a.fpr);
            let worse = |point: &RocPoint| point.fpr.max(point.fnr());
            let nearest = if worse(a) < worse(b) { n } else { n + 1 };
            return EqualError { rate, threshold: below(&roc, nearest) };
        }
        // The curve ends at (1, 1), where the gap is 1.
        EqualError { rate: 0.5, threshold: 0.5 }
    }

    /// The highest TPR of a point of [`Self::roc`] whose FPR is not above `fpr`.
    pub fn tpr_at(&self, fpr: f64) -> f64 {
        let allowed = self.roc().into_iter().filter(|point| point.fpr <= fpr);
        allowed.map(|point| point.tpr).fold(0.0, f64::max)
    }
}

/// The threshold, above which scores are called fake, that stands for a point of a ROC: halfway, in
/// log odds, to the next lower score, so that neither side's scores sit on it.
fn below(roc: &[RocPoint], point: usize) -> f64 {
    let upper = roc.get(point).map_or(1.0, |p| p.threshold.min(1.0));
    let Some(lower) = roc.get(point + 1).map(|p| p.threshold) else { return 0.0 };
    let middle = (log_odds(upper) + log_odds(lower)) / 2.0;
    let middle = Probability::of_logit(middle).get();
    // Rounding does not push it out from between the two.
    if middle >= lower && middle < upper { middle } else { lower }
}

#[cfg(test)]
mod tests {
    use crate::measure::Class::{Fake, Real};
    use crate::measure::sample::tests::sample;

    #[test]
    fn ties_count_half() {
        let all_tied = sample(&[(Real, "", 0.5), (Fake, "", 0.5), (Fake, "", 0.5)]).unwrap();
        let tally = all_tied.tally();
        assert_eq!((tally.auc(), tally.equal_error().rate, tally.tpr_at(0.5)), (0.5, 0.5, 0.0));
        let apart = sample(&[(Real, "", 0.2), (Fake, "", 0.4)]).unwrap().tally();
        assert_eq!((apart.auc(), apart.average_precision(), apart.tpr_at(0.0)), (1.0, 1.0, 1.0));
        let eer = apart.equal_error();
        assert!(eer.rate == 0.0 && (0.2..0.4).contains(&eer.threshold), "{eer:?}");
        let inverted = sample(&[(Real, "", 0.4), (Fake, "", 0.2)]).unwrap().tally();
        assert_eq!((inverted.auc(), inverted.equal_error().rate), (0.0, 1.0));
    }
}
