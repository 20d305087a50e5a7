//! What is said of a face over its frames.

/// What was said of a face on one frame, or of all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// `real`, `fake`, `uncertain`, `insufficient`, `unscored`.
    pub label: String,
    /// In words, where it is no verdict.
    pub reason: Option<String>,
    /// What the label speaks of.
    pub score: Option<f64>,
    /// The log-likelihood ratio for that score, in nats; `None` where the classifier is not calibrated.
    pub llr: Option<f64>,
}

impl Said {
    /// Takes what is said on the next frame: the surest `fake` stays, where there was one, as a face that was
    /// forged for a while is; else what was said last.
    pub fn follow(&mut self, next: Self) {
        let is_fake = |said: &Self| said.label == "fake";
        if !is_fake(self) || (is_fake(&next) && next.score >= self.score) {
            *self = next;
        }
    }

    /// From 0 on: how soon somebody wants to see what was said so.
    pub fn interest(&self) -> usize {
        let labels = ["fake", "uncertain", "real"];
        labels.iter().position(|label| self.label == *label).unwrap_or(labels.len())
    }

    /// The score that stands for the face: that of the evidence, or where it is no evidence, the mean of its
    /// clips.
    pub fn told_score(&self, mean: Option<f64>) -> Option<f64> {
        if self.reason.is_none() { self.score } else { mean }
    }

    /// The log-likelihood ratio, where the score is evidence.
    pub fn told_llr(&self) -> Option<f64> {
        self.llr.filter(|_| self.reason.is_none())
    }
}
