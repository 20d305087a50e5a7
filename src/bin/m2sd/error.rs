//! What the command can fail with, and the exit code of each.

use std::process::ExitCode;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum CliError {
    /// The file, the stream, or where the results go.
    #[error("{0}")]
    Input(String),
    /// Models, libraries, GStreamer elements.
    #[error("{0}")]
    Runtime(String),
}

impl CliError {
    pub fn input(error: impl ToString) -> Self {
        Self::Input(error.to_string())
    }

    pub fn runtime(error: impl ToString) -> Self {
        Self::Runtime(error.to_string())
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(3),
            Self::Runtime(_) => ExitCode::from(4),
        }
    }
}
