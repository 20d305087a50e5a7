//! What a seal says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::Link;

/// The format of seals, and its version.
pub(super) const FORMAT: &str = "m2sd-seal-1";

/// What a seal says of whose time it holds.
pub(super) const CLOCK: &str = "of the machine that sealed, on its own word";

/// What is sealed of a folder. Paths are from the folder on, with slashes, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// `m2sd-seal-1`.
    pub format: String,
    /// Program and version.
    pub made_by: String,
    /// When, in UTC; by which clock, `clock` says.
    pub sealed_at: Timestamp,
    /// That the time is the sealing machine's own.
    pub clock: String,
    /// Who was asked for the RFC 3161 time stamp that the seal ends with.
    pub timestamp_authority: Option<String>,
    /// The signer's public key, as OpenSSH writes it.
    pub key: String,
    /// What makes the results less than whole, in words: a scan that was interrupted, say.
    pub partial: Vec<String>,
    /// Plain files.
    pub files: Vec<SealedFile>,
    /// Symbolic links; what they lead to is not sealed.
    pub links: Vec<SealedLink>,
    /// What has no content to seal: pipes, sockets, devices.
    pub skipped: Vec<SkippedEntry>,
    /// The chains through the lines of files `*.jsonl`.
    pub records: Vec<SealedRecords>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedFile {
    /// From the folder, with `/` between its parts.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of its content, in lower-case hexadecimal.
    pub sha256: String,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedLink {
    /// From the folder, with `/` between its parts.
    pub path: String,
    /// What the link leads to, as it is written there; it is not followed.
    pub target: String,
}

/// Something without content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedEntry {
    /// From the folder, with `/` between its parts.
    pub path: String,
    /// What it is, such as a socket or a pipe.
    pub kind: String,
}

/// The records in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRecords {
    /// Of the file, one of the sealed ones.
    pub path: String,
    /// How the scan ended whose records these are, `unknown` where nothing says so; `null` for records of
    /// other kinds.
    pub ended: Option<String>,
    /// One link a line.
    pub chain: Vec<Link>,
}
