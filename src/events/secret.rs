//! Passwords and keys, which never stand in an address that others can see.

use std::fmt;
use std::path::Path;

/// A password or a key. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Of an environment variable.
    pub(super) fn of_environment(name: &str) -> Result<Self, String> {
        match std::env::var(name) {
            Ok(text) if !text.is_empty() => Ok(Self(text)),
            Ok(_) => Err(format!("the environment variable {name} is empty")),
            Err(std::env::VarError::NotPresent) => {
                Err(format!("the environment variable {name} is not set"))
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(format!("the environment variable {name} is no UTF-8 text"))
            }
        }
    }

    /// Of the first line of a file.
    pub(super) fn of_file(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| format!("cannot read the secret in {}: {e}", path.display()))?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Self(line.to_owned())),
            _ => {
                Err(format!("the first line of {} is empty; a secret is expected", path.display()))
            }
        }
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
