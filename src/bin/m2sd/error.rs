//! What the command can fail with, and the exit code of each.

use thiserror::Error;

#[derive(Clone, Debug, Error)]
pub enum CliError {
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// The file, the stream, or where the results go.
    #[error("{0}")]
    Input(String),
    /// Models, libraries, GStreamer elements.
    #[error("{0}")]
    Runtime(String),
    /// As [`Self::Runtime`], and standard output has told it.
    #[error("it has been told")]
    Told,
    /// The results are there, but parts of the input are not scored.
    #[error("{0}")]
    Unscored(String),
    /// Results are not as they were sealed.
    #[error("{0}")]
    Changed(String),
    /// There is no seal.
    #[error("{0}")]
    Unsealed(String),
    /// Sealed by a key that is not the one expected.
    #[error("{0}")]
    Unvouched(String),
    /// Of several inputs some have failed so, and that has been told.
    #[error("of several inputs some have failed")]
    Several(u8),
    /// A signal ended it; what was done until then is there.
    #[error("ended by signal {0}")]
    Signal(i32),
    /// Nobody reads standard output any more.
    #[error("nobody reads standard output any more")]
    Closed,
}

impl CliError {
    pub fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    pub fn input(error: impl ToString) -> Self {
        Self::Input(error.to_string())
    }

    pub fn runtime(error: impl ToString) -> Self {
        Self::Runtime(error.to_string())
    }

    /// As `m2sd --help` lists them. Shells show the last two for programs that signals end.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Input(_) => 3,
            Self::Runtime(_) | Self::Told => 4,
            Self::Unscored(_) => 5,
            Self::Changed(_) => 10,
            Self::Unsealed(_) => 11,
            Self::Unvouched(_) => 12,
            Self::Several(code) => *code,
            Self::Signal(signal) => 128u8.saturating_add(u8::try_from(*signal).unwrap_or(0)),
            Self::Closed => 141,
        }
    }
}
