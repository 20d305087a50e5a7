//! What is said of a face.

use super::Probability;

/// What is known about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    Real,
    Fake,
    /// Scored, but too close to the threshold to say.
    Uncertain,
    /// Not scored: the face has not been seen for a whole clip yet.
    Insufficient,
}

impl Label {
    /// How far from the threshold a score must be to say something, in log odds, since thresholds
    /// may lie as low as 0.0026: about ±5 percentage points around 0.5, ±20 % of a very small one.
    pub const MARGIN: f64 = 0.2;

    /// What a score says by itself.
    pub fn of(score: Probability, threshold: Probability) -> Self {
        let distance = score.logit() - threshold.logit();
        if distance.abs() <= Self::MARGIN {
            Self::Uncertain
        } else if distance > 0.0 {
            Self::Fake
        } else {
            Self::Real
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Fake => "fake",
            Self::Uncertain => "uncertain",
            Self::Insufficient => "insufficient",
        }
    }

    /// The number under which the label goes in metadata. 0 is fake, as in the network's output.
    pub fn id(self) -> i32 {
        match self {
            Self::Fake => 0,
            Self::Real => 1,
            Self::Uncertain => 2,
            Self::Insufficient => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    #[test]
    fn scores_inside_the_margin_say_nothing() {
        // log odds of 0.549 are 0.1966, of 0.551 are 0.2047; mirrored below 0.5.
        let at_half = |score| Label::of(p(score), Probability::HALF);
        assert_eq!([0.549, 0.451, 0.5].map(at_half), [Label::Uncertain; 3]);
        assert_eq!([0.551, 1.0].map(at_half), [Label::Fake; 2]);
        assert_eq!([0.449, 0.0].map(at_half), [Label::Real; 2]);
    }

    #[test]
    fn small_thresholds_have_a_margin_of_their_own_size() {
        let threshold = p(super::super::REFERENCE_THRESHOLD);
        let at = |factor: f64| Label::of(p(threshold.get() * factor), threshold);
        assert_eq!([1.21, 0.83].map(at), [Label::Uncertain; 2]);
        assert_eq!([1.23, 0.81].map(at), [Label::Fake, Label::Real]);
    }
}
