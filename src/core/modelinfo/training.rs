//! Whether weights were trained.

use std::fmt;

use thiserror::Error;

/// What is known of how a network came by its weights.
///
/// Only [`Training::Trained`] lets a score count for anything: weights that nobody vouches for are
/// treated as random ones.
///
/// ```
/// use gstm2sd::core::modelinfo::{ModelInfo, Training};
///
/// let info: ModelInfo = "[modelinfo]\nrole=classifier".parse().unwrap();
/// assert_eq!(info.training(), Training::Unknown);
/// assert!(!info.training().is_trained());
/// assert_eq!("trained".parse(), Ok(Training::Trained));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Training {
    /// The sidecar says so: written for a file whose hash is pinned, or by the user.
    Trained,
    /// The weights are random or analytic.
    Untrained,
    /// Nobody says.
    #[default]
    Unknown,
}

/// A word that names no [`Training`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} says nothing of a training; expected trained, untrained or unknown")]
pub struct UnknownTraining(String);

impl Training {
    /// All of them; what can be trusted comes first.
    pub const ALL: [Self; 3] = [Self::Trained, Self::Unknown, Self::Untrained];

    /// Whether scores may become verdicts; not where it is unknown.
    pub fn is_trained(self) -> bool {
        self == Self::Trained
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::Untrained => "untrained",
            Self::Unknown => "unknown",
        }
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

impl From<Option<bool>> for Training {
    /// From a sidecar's `trained=true`, `trained=false` or silence.
    fn from(trained: Option<bool>) -> Self {
        match trained {
            Some(true) => Self::Trained,
            Some(false) => Self::Untrained,
            None => Self::Unknown,
        }
    }
}
