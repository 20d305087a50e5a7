//! A label that does not flicker.

use super::{Label, Probability};

/// Turns a sequence of scores into a label.
///
/// A score outside of the margin ([`Label::of`]) decides. A closer one leaves a decided label as it
/// is; after [`Verdict::PATIENCE`] such scores in a row the label becomes uncertain.
#[derive(Clone, Debug)]
pub struct Verdict {
    threshold: Probability,
    label: Label,
    close_calls: u32,
}

impl Verdict {
    /// Undecided scores in a row that turn a decided label into an uncertain one.
    pub const PATIENCE: u32 = 16;

    pub fn new(threshold: Probability) -> Self {
        Self { threshold, label: Label::Insufficient, close_calls: 0 }
    }

    pub fn label(&self) -> Label {
        self.label
    }

    /// Takes the next score and returns the label that now holds.
    pub fn update(&mut self, score: Probability) -> Label {
        match Label::of(score, self.threshold) {
            Label::Uncertain => {
                self.close_calls += 1;
                let undecided = self.label == Label::Insufficient;
                if undecided || self.close_calls >= Self::PATIENCE {
                    self.label = Label::Uncertain;
                }
            }
            decided => {
                self.close_calls = 0;
                self.label = decided;
            }
        }
        self.label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    #[test]
    fn a_verdict_holds_near_the_threshold_and_changes_far_from_it() {
        let mut verdict = Verdict::new(p(0.5));
        assert_eq!(verdict.label(), Label::Insufficient);
        assert_eq!(verdict.update(p(0.51)), Label::Uncertain);
        assert_eq!(verdict.update(p(0.6)), Label::Fake);
        assert_eq!(verdict.update(p(0.48)), Label::Fake);
        assert_eq!(verdict.update(p(0.4)), Label::Real);
    }

    #[test]
    fn sixteen_close_calls_in_a_row_undo_a_verdict_and_fifteen_do_not() {
        let mut verdict = Verdict::new(p(0.5));
        verdict.update(p(0.9));
        for _ in 0..15 {
            assert_eq!(verdict.update(p(0.5)), Label::Fake);
        }
        // A score that decides begins the count anew.
        verdict.update(p(0.9));
        for _ in 0..15 {
            assert_eq!(verdict.update(p(0.5)), Label::Fake);
        }
        assert_eq!(verdict.update(p(0.5)), Label::Uncertain);
    }
}
