//! Figures of decisions at a threshold: a score above it is called fake.

use crate::measure::Tally;

impl Tally {
    /// FPR and TPR of calling scores above `threshold` fake.
    pub fn rates_at(&self, threshold: f64) -> (f64, f64) {
        let above = self.steps().iter().filter(|step| step.score > threshold);
        let (real, fake) = above.fold((0.0, 0.0), |(r, f), step| (r + step.real, f + step.fake));
        (real / self.real(), fake / self.fake())
    }

    /// `(TPR + 1 - FPR) / 2`: the accuracy if real and fake were equally frequent.
    pub fn balanced_accuracy(&self, threshold: f64) -> f64 {
        let (fpr, tpr) = self.rates_at(threshold);
        f64::midpoint(tpr, 1.0 - fpr)
    }
}
