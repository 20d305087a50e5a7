//! What is said of a face.

use super::Probability;
use crate::core::modelinfo::Training;

/// What is known about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    Real,
    Fake,
    /// Scored, but too close to the threshold to say.
    Uncertain,
    /// What there is of the face does not suffice to say anything.
    Insufficient(Insufficiency),
    /// Nobody scores: there is no classifier.
    Unscored,
}

/// What is missing for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Insufficiency {
    /// The face has not been seen for a whole clip yet, or no clip of it has a score.
    NoClip,
    /// The classifier's weights are random, or analytic and the face is none that they are for.
    Untrained,
    /// Nobody says whether the classifier was trained.
    UnknownTraining,
}

impl Insufficiency {
    /// What the training of a classifier leaves to be wished, if anything.
    pub fn of(training: Training) -> Option<Self> {
        match training {
            Training::Trained | Training::Analytic => None,
            Training::Untrained => Some(Self::Untrained),
            Training::Unknown => Some(Self::UnknownTraining),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoClip => "no-clip",
            Self::Untrained => "untrained",
            Self::UnknownTraining => "unknown-training",
        }
    }
}

impl Label {
    /// How far from the threshold a score must be to say something, in log odds, since thresholds
    /// may lie as low as 0.0026: about ±5 percentage points around 0.5, ±20 % of a very small one.
    pub const MARGIN: f64 = 0.2;

    /// Before the first score of a classifier.
    pub const NO_CLIP: Self = Self::Insufficient(Insufficiency::NoClip);

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Fake => "fake",
            Self::Uncertain => "uncertain",
            Self::Insufficient(_) => "insufficient",
            Self::Unscored => "unscored",
        }
    }

    /// Why it is no verdict, where the word alone does not say.
    pub fn reason(self) -> Option<Insufficiency> {
        match self {
            Self::Insufficient(reason) => Some(reason),
            Self::Real | Self::Fake | Self::Uncertain | Self::Unscored => None,
        }
    }

    /// Whether both are told by the same word.
    pub fn is_told_as(self, other: Self) -> bool {
        self.id() == other.id()
    }

    /// The number under which the label goes in metadata. 0 is fake, as in the network's output.
    pub fn id(self) -> i32 {
        match self {
            Self::Fake => 0,
            Self::Real => 1,
            Self::Uncertain => 2,
            Self::Insufficient(_) => 3,
            Self::Unscored => 4,
        }
    }
}

/// By what a classifier's scores are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// P(fake) above which a face is fake.
    pub threshold: Probability,
    /// Of the classifier, as it counts for the faces that it is shown.
    pub training: Training,
}

impl OperatingPoint {
    /// What a score says by itself: the one rule by which a number becomes a word. Nothing, whatever
    /// the score, where nobody vouches for the classifier.
    pub fn label(&self, score: Probability) -> Label {
        if let Some(reason) = Insufficiency::of(self.training) {
            return Label::Insufficient(reason);
        }
        let distance = score.logit() - self.threshold.logit();
        if distance.abs() <= Label::MARGIN {
            Label::Uncertain
        } else if distance > 0.0 {
            Label::Fake
        } else {
            Label::Real
        }
    }
}

/// Who judges the faces of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judge {
    /// There is no classifier: faces are followed, no more.
    Nobody,
    /// A classifier that is not loaded yet.
    Expected,
    Classifier(OperatingPoint),
}

impl Judge {
    /// What is known of a face without a score.
    pub fn label_without_score(&self) -> Label {
        match self {
            Self::Nobody => Label::Unscored,
            Self::Expected | Self::Classifier(_) => Label::NO_CLIP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    fn trained(threshold: f64) -> OperatingPoint {
        OperatingPoint { threshold: p(threshold), training: Training::Trained }
    }

    #[test]
    fn scores_inside_the_margin_say_nothing() {
        // log odds of 0.549 are 0.1966, of 0.551 are 0.2047; mirrored below 0.5.
        let at_half = |score| trained(0.5).label(p(score));
        assert_eq!([0.549, 0.451, 0.5].map(at_half), [Label::Uncertain; 3]);
        assert_eq!([0.551, 1.0].map(at_half), [Label::Fake; 2]);
        assert_eq!([0.449, 0.0].map(at_half), [Label::Real; 2]);
    }

    #[test]
    fn small_thresholds_have_a_margin_of_their_own_size() {
        let threshold = super::super::REFERENCE_THRESHOLD;
        let at = |factor: f64| trained(threshold).label(p(threshold * factor));
        assert_eq!([1.21, 0.83].map(at), [Label::Uncertain; 2]);
        assert_eq!([1.23, 0.81].map(at), [Label::Fake, Label::Real]);
    }

    #[test]
    fn no_score_of_a_classifier_that_nobody_vouches_for_is_a_verdict() {
        for score in [0.0, 0.3, 0.5, 0.7, 1.0].map(p) {
            let label = |training| OperatingPoint { training, ..trained(0.5) }.label(score);
            let insufficient = Label::Insufficient;
            assert_eq!(label(Training::Untrained), insufficient(Insufficiency::Untrained));
            assert_eq!(label(Training::Unknown), insufficient(Insufficiency::UnknownTraining));
            assert_eq!(label(Training::Analytic), label(Training::Trained));
        }
    }

    #[test]
    fn labels_are_told_apart_by_word_and_number() {
        let labels = [Label::Fake, Label::Real, Label::Uncertain, Label::NO_CLIP, Label::Unscored];
        assert_eq!(labels.map(Label::id), [0, 1, 2, 3, 4]);
        let untrained = Label::Insufficient(Insufficiency::Untrained);
        assert!(untrained.is_told_as(Label::NO_CLIP));
        assert_eq!(untrained.reason(), Some(Insufficiency::Untrained));
        assert!(!Label::Unscored.is_told_as(Label::NO_CLIP));
        assert_eq!(Label::Unscored.reason(), None);
    }
}
