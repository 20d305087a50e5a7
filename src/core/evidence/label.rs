//! What is said of a face.

use strum::{EnumString, IntoStaticStr};

use crate::core::modelinfo::Training;

/// What is known about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Label {
    /// The evidence is below the threshold: a verdict.
    Real,
    /// The evidence is above the threshold: a verdict.
    Fake,
    /// Scored, and the scores do not say.
    Uncertain(Doubt),
    /// What there is of the face does not suffice to say anything.
    Insufficient(Insufficiency),
    /// Nobody scores: there is no classifier.
    Unscored,
}

/// Why scores do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Doubt {
    /// They are too close to the threshold, or contradict one another.
    Close,
    /// There is no threshold to hold them against.
    NoOperatingPoint,
}

/// What is missing for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum Insufficiency {
    /// The face has not been seen for a whole clip yet, or no clip of it has a score.
    NoClip,
    /// The classifier's weights are random, or analytic and the face is none that they are for.
    Untrained,
    /// Nobody says whether the classifier was trained.
    UnknownTraining,
    /// Its eyes are closer together than the classifier needs.
    TooSmall,
    /// Its sharpness is below the least.
    Blurred,
    /// Its mean brightness is below the lowest.
    TooDark,
    /// Its mean brightness is above the highest.
    TooBright,
    /// Its contrast is below the least.
    LowContrast,
    /// The face looks too far away from the camera.
    Turned,
    /// Part of it is outside of the frame.
    CutOff,
    /// Clips that share no frame are too few.
    FewClips,
    /// The clips cover too short a time.
    TooShort,
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

    /// As in records and messages, such as `no-clip`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// In a sentence: “nothing is said of the face: …”.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NoClip => "it was not seen for a whole clip, or no clip of it has a score",
            Self::Untrained => "the classifier is not trained for such faces",
            Self::UnknownTraining => "nobody says whether the classifier was trained",
            Self::TooSmall => "it is too small",
            Self::Blurred => "it is blurred",
            Self::TooDark => "it is too dark",
            Self::TooBright => "it is too bright",
            Self::LowContrast => "it has too little contrast",
            Self::Turned => "it looks too far away from the camera",
            Self::CutOff => "part of it is outside of the picture",
            Self::FewClips => "too few clips of it are half a second apart",
            Self::TooShort => "it was seen too briefly",
        }
    }

    /// Whether more of the same face may mend it.
    pub fn is_a_matter_of_time(self) -> bool {
        matches!(self, Self::NoClip | Self::FewClips | Self::TooShort)
    }
}

impl Label {
    /// Before the first score of a classifier.
    pub const NO_CLIP: Self = Self::Insufficient(Insufficiency::NoClip);

    /// As in records and messages: `real`, `fake`, `uncertain`, `insufficient`, `unscored`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it says what the face is.
    pub fn is_verdict(self) -> bool {
        matches!(self, Self::Real | Self::Fake)
    }

    /// Why it is no verdict, where the word alone does not say.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Insufficient(reason) => Some(reason.into()),
            Self::Uncertain(Doubt::NoOperatingPoint) => Some(Doubt::NoOperatingPoint.into()),
            Self::Uncertain(Doubt::Close) | Self::Real | Self::Fake | Self::Unscored => None,
        }
    }

    /// Whether both are told by the same word.
    pub fn is_told_as(self, other: Self) -> bool {
        self.id() == other.id()
    }

    /// The number under which the label goes in metadata.
    pub fn id(self) -> i32 {
        match self {
            Self::Fake => 0,
            Self::Real => 1,
            Self::Uncertain(_) => 2,
            Self::Insufficient(_) => 3,
            Self::Unscored => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_told_apart_by_word_and_number() {
        let close = Label::Uncertain(Doubt::Close);
        let labels = [Label::Fake, Label::Real, close, Label::NO_CLIP, Label::Unscored];
        assert_eq!(labels.map(Label::id), [0, 1, 2, 3, 4]);
        let words = ["fake", "real", "uncertain", "insufficient", "unscored"];
        assert_eq!(labels.map(Label::as_str), words);
        assert_eq!(labels.map(Label::reason), [None, None, None, Some("no-clip"), None]);
        let small = Label::Insufficient(Insufficiency::TooSmall);
        assert!(small.is_told_as(Label::NO_CLIP) && !Label::Unscored.is_told_as(small));
        assert_eq!(small.reason(), Some("too-small"));
        let pointless = Label::Uncertain(Doubt::NoOperatingPoint);
        assert_eq!(pointless.reason(), Some("no-operating-point"));
    }
}
