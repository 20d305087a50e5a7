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
}
