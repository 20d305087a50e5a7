//! Thresholds by the error rates that they have.

use crate::core::modelinfo::MeasuredPoint;
use crate::measure::{Class, Sample, wilson};

/// An operating point that there are too few real videos for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Of the operating point, such as `fpr-1e-3`.
    pub name: &'static str,
    /// Real videos of the first half.
    pub reals: usize,
    /// Real videos of the first half that it takes.
    pub needed: usize,
}

/// Names, and the part of real videos that may be called fake.
const BY_FPR: [(&str, f64); 2] = [("fpr-1e-2", 1e-2), ("fpr-1e-3", 1e-3)];

/// Operating points from the first half, with what was measured on the second: Wilson's 95 %
/// intervals ([`wilson`]). A new real video is called fake with at most the probability that the name
/// says (`threshold_for`); `eer` is where both errors are equally frequent.
pub fn operating_points(halves: &[Sample; 2]) -> (Vec<MeasuredPoint>, Vec<Refused>) {
    let [first, second] = halves;
    let reals = scores(first, Class::Real);
    let mut points = Vec::new();
    let mut refused = Vec::new();
    for (name, fpr) in BY_FPR {
        match threshold_for(&reals, fpr) {
            Some(threshold) => points.push(measured(name, threshold, second)),
            None => refused.push(Refused { name, reals: reals.len(), needed: reals_for(fpr) }),
        }
    }
    points.push(measured("eer", first.tally().equal_error().threshold, second));
    (points, refused)
}

/// Ascending.
fn scores(sample: &Sample, class: Class) -> Vec<f64> {
    let of_class = sample.scores().filter(|(_, video)| video.class == class);
    of_class.map(|(score, _)| score).collect()
}

/// How many real videos a threshold needs to promise this.
fn reals_for(fpr: f64) -> usize {
    (1.0 / fpr).ceil() as usize - 1
}

/// The threshold above which at most `fpr` of new real scores lie, in the mean over all that might
/// have been drawn: of `n` ascending scores the one that `⌊fpr (n + 1)⌋ - 1` are above, as split
/// conformal prediction has it (J. Lei and others, *Distribution-free predictive inference for
/// regression*, 2018). `None` where `n` is too small for any promise.
fn threshold_for(reals: &[f64], fpr: f64) -> Option<f64> {
    // What rounding takes from 0.01 · 100.
    const SLACK: f64 = 1e-9;
    let allowed = (fpr * (reals.len() + 1) as f64 + SLACK).floor() as usize;
    let place = reals.len().checked_sub(allowed.max(1))?;
    reals.get(place).copied().filter(|_| allowed > 0)
}

fn measured(name: &str, threshold: f64, sample: &Sample) -> MeasuredPoint {
    let rate = |class| {
        let scores = scores(sample, class);
        let above = scores.iter().filter(|score| **score > threshold).count();
        let [above, all] = [above, scores.len()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        wilson(above, all)
    };
    MeasuredPoint {
        name: name.to_owned(),
        threshold,
        fpr: rate(Class::Real),
        tpr: rate(Class::Fake),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_needs_videos() {
        let reals: Vec<f64> = (0..99).map(|n| f64::from(n) / 99.0).collect();
        assert_eq!(threshold_for(&reals, 1e-2), reals.last().copied());
        assert_eq!(threshold_for(&reals[1..], 1e-2), None);
        assert_eq!((reals_for(1e-2), reals_for(1e-3)), (99, 999));
        // One of 199 may be above.
        let more: Vec<f64> = (0..199).map(f64::from).collect();
        assert_eq!(threshold_for(&more, 1e-2), Some(197.0));
        assert_eq!(threshold_for(&[], 0.5), None);
    }
}
