//! Whose seals are believed: the keys that whoever verifies names.

use std::path::Path;

use serde::Serialize;

use super::error::SealError;
use super::key::PublicKey;
use crate::evidence::timestamp::Roots;

/// Whether the key that signed is one that was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Trust {
    /// It is the key that was named.
    Named,
    /// It is in the list, where it has this name.
    Listed {
        /// What the list calls whoever has the key.
        name: String,
    },
    /// Keys were named or listed, and it is none of them.
    Other,
    /// Nobody named a key.
    Unknown,
}

/// The keys that whoever verifies believes.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    named: Option<String>,
    listed: Option<Vec<(String, String)>>,
    authorities: Option<Roots>,
}

impl Trusted {
    /// Nobody: whose key it is can only be told.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// This key alone.
    pub fn named(key: PublicKey) -> Self {
        Self { named: Some(key.fingerprint()), ..Self::default() }
    }

    /// A key by its fingerprint, `SHA256:…`, or else by its file; see [`PublicKey::read`].
    ///
    /// # Errors
    /// [`SealError::Read`], [`SealError::Key`].
    pub fn of_name(name: &str) -> Result<Self, SealError> {
        match name.parse::<ssh_key::Fingerprint>() {
            Ok(fingerprint) if fingerprint.is_sha256() => {
                Ok(Self { named: Some(fingerprint.to_string()), ..Self::default() })
            }
            _ => Ok(Self::named(PublicKey::read(Path::new(name))?)),
        }
    }

    /// And those of a file, one a line: `ssh-ed25519 KEY NAME` as in `authorized_keys`, or
    /// `NAME ssh-ed25519 KEY` as in OpenSSH's `allowed_signers`.
    ///
    /// # Errors
    /// [`SealError::Read`]; [`SealError::Key`] for a line that is neither, or has options.
    pub fn and_listed(mut self, path: &Path) -> Result<Self, SealError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SealError::Read { path: path.to_owned(), source })?;
        let listed = self.listed.get_or_insert_default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = listed_key(line).map_err(|why| SealError::Key {
                path: path.to_owned(),
                why: format!("line {number}: {why}"),
            })?;
            listed.push(entry);
        }
        Ok(self)
    }

    /// And who vouches for the authorities of time stamps.
    pub fn with_authorities(self, roots: Roots) -> Self {
        Self { authorities: Some(roots), ..self }
    }

    pub(super) fn authorities(&self) -> Option<&Roots> {
        self.authorities.as_ref()
    }

    pub(super) fn of(&self, key: &PublicKey) -> Trust {
        let fingerprint = key.fingerprint();
        if self.named.as_ref() == Some(&fingerprint) {
            return Trust::Named;
        }
        let listed = self.listed.iter().flatten().find(|(listed, _)| *listed == fingerprint);
        match listed {
            Some((_, name)) => Trust::Listed { name: name.clone() },
            None if self.named.is_some() || self.listed.is_some() => Trust::Other,
            None => Trust::Unknown,
        }
    }
}

/// Fingerprint and name.
fn listed_key(line: &str) -> Result<(String, String), String> {
    const KIND: &str = "ssh-ed25519";
    let words: Vec<_> = line.split_whitespace().collect();
    let Some(at) = words.iter().position(|word| *word == KIND) else {
        return Err(format!("no {KIND} key; one a line is expected, with the name of its owner"));
    };
    let key = words.get(at + 1).ok_or("the key is missing")?;
    let key = PublicKey::parse(&format!("{KIND} {key}"))?;
    let name = match words.get(..at) {
        None | Some([]) => words.get(at + 2..).unwrap_or_default().join(" "),
        Some([name]) => (*name).to_owned(),
        Some([_, options @ ..]) => {
            return Err(format!(
                "the options {:?} are not supported; leave them out, or the line",
                options.join(" ")
            ));
        }
    };
    Ok((key.fingerprint(), name))
}
