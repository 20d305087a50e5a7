//! A label that does not flicker.

use super::{Judge, Label, OperatingPoint, Probability};

/// Turns a sequence of scores into a label.
///
/// A score outside of the margin ([`OperatingPoint::label`]) decides. A closer one leaves a decided label as it
/// is; after [`Verdict::PATIENCE`] such scores in a row the label becomes uncertain.
#[derive(Clone, Debug)]
pub struct Verdict {
    point: OperatingPoint,
    label: Label,
    close_calls: u32,
}

impl Verdict {
    /// Undecided scores in a row that turn a decided label into an uncertain one.
    pub const PATIENCE: u32 = 16;

    pub fn new(point: OperatingPoint) -> Self {
        let label = Judge::Classifier(point).label_without_score();
        Self { point, label, close_calls: 0 }
    }

    pub fn label(&self) -> Label {
        self.label
    }

    /// Takes the next score and returns the label that now holds.
    pub fn update(&mut self, score: Probability) -> Label {
        match self.point.label(score) {
            Label::Uncertain => {
                self.close_calls += 1;
                let undecided = matches!(self.label, Label::Insufficient(_));
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
    use crate::core::evidence::Insufficiency;
    use crate::core::modelinfo::Training;

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    fn at_half(training: Training) -> Verdict {
        Verdict::new(OperatingPoint { threshold: Probability::HALF, training })
    }

    #[test]
    fn an_untrained_classifier_decides_nothing() {
        let mut verdict = at_half(Training::Untrained);
        assert_eq!(verdict.label(), Label::NO_CLIP);
        for score in [0.9, 0.5, 0.1] {
            let label = verdict.update(p(score));
            assert_eq!(label, Label::Insufficient(Insufficiency::Untrained));
        }
    }

    #[test]
    fn a_verdict_holds_near_the_threshold_and_changes_far_from_it() {
        let mut verdict = at_half(Training::Trained);
        assert_eq!(verdict.label(), Label::NO_CLIP);
        assert_eq!(verdict.update(p(0.51)), Label::Uncertain);
        assert_eq!(verdict.update(p(0.6)), Label::Fake);
        assert_eq!(verdict.update(p(0.48)), Label::Fake);
        assert_eq!(verdict.update(p(0.4)), Label::Real);
    }

    #[test]
    fn sixteen_close_calls_in_a_row_undo_a_verdict_and_fifteen_do_not() {
        let mut verdict = at_half(Training::Trained);
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
