//! The numbers that every report has, each with its interval.

use serde::Serialize;
use strum::{EnumIter, IntoEnumIterator};

use super::Bootstrap;
use crate::measure::{Class, Sample, Tally, log_odds};

/// One number about a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter)]
pub enum Figure {
    /// Area under the ROC curve, 0..=1.
    Auc,
    /// Average precision, fake being positive, 0..=1.
    AveragePrecision,
    /// The rate at which false positives and false negatives are equally frequent, 0..=1.
    EqualErrorRate,
    /// The part of fakes that are found where 1 % of reals are called fake.
    TprAtFpr1e2,
    /// The same where 0.1 % of reals are called fake.
    TprAtFpr1e3,
    /// The mean of both classes' recall at the threshold, 0..=1.
    BalancedAccuracy,
    /// The mean squared difference of score and class, 0..=1.
    Brier,
    /// The mean difference of scores and frequencies over [`super::RELIABILITY_BINS`] bins, 0..=1.
    ExpectedCalibrationError,
    /// The cost of the log-likelihood ratios in bits; 1 is worth nothing.
    Cllr,
    /// What [`Self::Cllr`] would be after the best rising map of the scores.
    MinCllr,
}

/// How many [`Figure`]s there are.
const FIGURES: usize = 10;

impl Figure {
    /// Those that evaluations are compared by where there is little room.
    pub const IN_SHORT: [Self; 5] =
        [Self::Auc, Self::EqualErrorRate, Self::TprAtFpr1e2, Self::BalancedAccuracy, Self::Cllr];

    /// Its key in `metrics.json`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::AveragePrecision => "average-precision",
            Self::EqualErrorRate => "equal-error-rate",
            Self::TprAtFpr1e2 => "tpr-at-fpr-1e-2",
            Self::TprAtFpr1e3 => "tpr-at-fpr-1e-3",
            Self::BalancedAccuracy => "balanced-accuracy",
            Self::Brier => "brier",
            Self::ExpectedCalibrationError => "expected-calibration-error",
            Self::Cllr => "cllr",
            Self::MinCllr => "min-cllr",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Auc => "AUC",
            Self::AveragePrecision => "AP",
            Self::EqualErrorRate => "EER",
            Self::TprAtFpr1e2 => "TPR at FPR 1 %",
            Self::TprAtFpr1e3 => "TPR at FPR 0.1 %",
            Self::BalancedAccuracy => "balanced accuracy",
            Self::Brier => "Brier",
            Self::ExpectedCalibrationError => "ECE",
            Self::Cllr => "Cllr",
            Self::MinCllr => "min Cllr",
        }
    }

    /// Without a threshold there is no [`Self::BalancedAccuracy`]. [`Self::Cllr`] takes the scores'
    /// log odds for log-likelihood ratios.
    pub fn of(self, tally: &Tally, threshold: Option<f64>) -> Option<f64> {
        Some(match self {
            Self::Auc => tally.auc(),
            Self::AveragePrecision => tally.average_precision(),
            Self::EqualErrorRate => tally.equal_error().rate,
            Self::TprAtFpr1e2 => tally.tpr_at(1e-2),
            Self::TprAtFpr1e3 => tally.tpr_at(1e-3),
            Self::BalancedAccuracy => tally.balanced_accuracy(threshold?),
            Self::Brier => tally.brier(),
            Self::ExpectedCalibrationError => tally.expected_calibration_error(),
            Self::Cllr => tally.cllr(log_odds),
            Self::MinCllr => tally.min_cllr(),
        })
    }
}

/// A number with its 95 % bootstrap interval, where there are videos enough for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The number of the whole sample.
    pub value: f64,
    /// The lower end of the interval; `None`: too few videos.
    pub low: Option<f64>,
    /// The upper end of the interval; `None`: too few videos.
    pub high: Option<f64>,
}

/// What was measured on a sample.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Scored videos, real and fake.
    pub videos: [usize; 2],
    /// Scores, of real and of fake videos.
    pub scores: [usize; 2],
    /// Those that the sample has, in the order of [`Figure`].
    pub each: Vec<(Figure, Measured)>,
}

impl Figures {
    /// `None`: the sample has no such figure.
    pub fn get(&self, figure: Figure) -> Option<Measured> {
        self.each.iter().find(|(of, _)| *of == figure).map(|(_, measured)| *measured)
    }
}

/// All figures of a sample.
pub fn figures(sample: &Sample, threshold: Option<f64>, bootstrap: Bootstrap) -> Figures {
    let all = |tally: &Tally| {
        let mut values = [None; FIGURES];
        let figures = values.iter_mut().zip(Figure::iter());
        figures.for_each(|(value, figure)| *value = figure.of(tally, threshold));
        values
    };
    let tally = sample.tally();
    let each = Figure::iter().zip(all(&tally)).zip(bootstrap.intervals(sample, all));
    let each = each.filter_map(|((figure, value), interval)| {
        let (low, high) = interval.unzip();
        Some((figure, Measured { value: value?, low, high }))
    });
    let count = |class| sample.scores().filter(|(_, video)| video.class == class).count();
    Figures {
        videos: Class::BOTH.map(|class| sample.scored(class).len()),
        scores: Class::BOTH.map(count),
        each: each.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Class::{Fake, Real};
    use crate::measure::sample::tests::sample;

    #[test]
    fn there_are_as_many_figures_as_counted() {
        assert_eq!(Figure::iter().count(), FIGURES);
        let sample = sample(&[(Real, "", 0.1), (Fake, "", 0.2)]).unwrap();
        let figures = figures(&sample, None, Bootstrap::default());
        assert_eq!(figures.get(Figure::BalancedAccuracy), None);
        assert_eq!(figures.each.len(), FIGURES - 1);
        let auc = Measured { value: 1.0, low: None, high: None };
        assert_eq!(figures.get(Figure::Auc), Some(auc));
    }
}
