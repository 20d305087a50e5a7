//! Passwords and keys, which nothing shows.

use std::fmt;
use std::path::Path;

/// A password or a key. Nothing that it is part of shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Of an environment variable.
    pub(crate) fn of_environment(name: &str) -> Result<Self, String> {
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
    pub(crate) fn of_file(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| format!("cannot read the secret in {}: {e}", path.display()))?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Self(line.to_owned())),
            _ => {
                Err(format!("the first line of {} is empty; a secret is expected", path.display()))
            }
        }
    }

    /// The text itself, for whoever logs in with it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A text without it, wherever it comes from.
    pub fn hide_in(&self, text: &str) -> String {
        if self.0.len() < 3 {
            // As good as none; and every text would be full of it.
            return text.to_owned();
        }
        text.replace(&self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_shown_without_the_password() {
        let secret = Secret::new("geheim");
        assert_eq!(secret.hide_in("no geheim here"), "no *** here");
        assert_eq!(Secret::new("a").hide_in("a camera"), "a camera");
    }
}
