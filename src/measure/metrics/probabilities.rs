//! Figures that take a score at its word, as the probability of a fake *in this sample*: they change
//! with the sample's proportion of fakes, unlike [`Tally::cllr`].

use crate::measure::Tally;

/// As C. Guo and others, *On calibration of modern neural networks* (2017), have it.
pub const RELIABILITY_BINS: usize = 15;

/// Scores of about the same value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// How many scores.
    pub count: f64,
    /// The mean of the scores, 0..=1.
    pub mean_score: f64,
    /// The part of them that is fake.
    pub fakes: f64,
}

impl Tally {
    /// The mean of `(score - 1)²` over fakes and `score²` over reals together (G. W. Brier,
    /// *Verification of forecasts expressed in terms of probability*, 1950).
    pub fn brier(&self) -> f64 {
        let of = |step: &crate::measure::Step| {
            step.real * step.score.powi(2) + step.fake * (1.0 - step.score).powi(2)
        };
        self.steps().iter().map(of).sum::<f64>() / (self.real() + self.fake())
    }

    /// Scores by [`RELIABILITY_BINS`] bins of equal width, each without its lower end; empty ones are
    /// left out.
    pub fn reliability(&self) -> Vec<Bin> {
        const WIDTH: f64 = 1.0 / RELIABILITY_BINS as f64;
        let mut sums = [(0.0, 0.0, 0.0); RELIABILITY_BINS];
        for step in self.steps() {
            // How many of the inner ends are below the score.
            let bin = (1..RELIABILITY_BINS).filter(|n| *n as f64 * WIDTH < step.score).count();
            if let Some((count, scores, fakes)) = sums.get_mut(bin) {
                *count += step.both();
                *scores += step.both() * step.score;
                *fakes += step.fake;
            }
        }
        let filled = sums.into_iter().filter(|(count, ..)| *count > 0.0);
        let bin = |(count, scores, fakes)| Bin {
            count,
            mean_score: scores / count,
            fakes: fakes / count,
        };
        filled.map(bin).collect()
    }

    /// The expected calibration error: the mean distance between score and proportion of fakes in
    /// [`Self::reliability`], weighted by count (M. P. Naeini and others, *Obtaining well calibrated
    /// probabilities using Bayesian binning*, 2015).
    pub fn expected_calibration_error(&self) -> f64 {
        let bins = self.reliability().into_iter();
        let sum: f64 = bins.map(|bin| bin.count * (bin.mean_score - bin.fakes).abs()).sum();
        sum / (self.real() + self.fake())
    }
}
