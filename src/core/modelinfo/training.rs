//! Whether weights were trained.

use std::fmt;

use strum::{IntoStaticStr, VariantNames};
use thiserror::Error;

/// What is known of how a network came by its weights.
///
/// Weights that nobody vouches for are treated as random ones: their scores say nothing of a face
/// and become no verdicts.
///
/// ```
/// use gstm2sd::core::modelinfo::{ModelInfo, Training};
///
/// let info: ModelInfo = "[modelinfo]\nrole=classifier".parse().unwrap();
/// assert_eq!(info.training, Training::Unknown);
/// assert!(!info.training.is_trained());
/// assert_eq!("trained".parse(), Ok(Training::Trained));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Training {
    /// The sidecar says so: written for a file whose hash is pinned, or by the user.
    Trained,
    /// Not trained: computed to be exact for the drawn scene (`m2sd synth-video`), and right for
    /// nothing else.
    Analytic,
    /// The weights are random.
    Untrained,
    /// Nobody says.
    #[default]
    Unknown,
}

/// A word that names no [`Training`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} says nothing of a training; expected trained, untrained, analytic or unknown")]
pub struct UnknownTraining(String);

impl Training {
    /// All of them; what can be trusted comes first.
    pub const ALL: [Self; 4] = [Self::Trained, Self::Unknown, Self::Analytic, Self::Untrained];

    /// Whether somebody vouches for it: [`Self::Trained`], and no other.
    pub fn is_trained(self) -> bool {
        self == Self::Trained
    }

    /// What the training of a classifier is worth on the faces that a detector finds: an analytic
    /// one is right for the faces that an analytic detector finds, which are drawn.
    pub fn on_faces_of(self, detector: Self) -> Self {
        if self == Self::Analytic && detector != Self::Analytic { Self::Untrained } else { self }
    }

    /// As in the sidecar's key `training`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Its place in an order of preference, from 0.
    pub fn preference(self) -> usize {
        Self::ALL.iter().position(|training| *training == self).unwrap_or(Self::ALL.len())
    }
}

impl fmt::Display for Training {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Training {
    type Err = UnknownTraining;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|training| training.as_str() == text);
        found.ok_or_else(|| UnknownTraining(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analytic_classifier_is_right_for_drawn_faces_only() {
        use Training::{Analytic, Trained, Unknown, Untrained};
        assert_eq!(Analytic.on_faces_of(Analytic), Analytic);
        assert_eq!([Trained, Unknown, Untrained].map(|d| Analytic.on_faces_of(d)), [Untrained; 3]);
        assert_eq!(
            [Trained, Unknown, Untrained].map(|c| c.on_faces_of(Trained)),
            [Trained, Unknown, Untrained]
        );
    }
}
