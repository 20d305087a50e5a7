//! Why a folder cannot be sealed, or its seal not be looked at.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::evidence::timestamp::TimestampError;

/// Why a folder cannot be sealed, or its seal not be looked at. That something was changed is none: it
/// is a [`super::Finding`].
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum SealError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Not a folder of results.
    #[error("{} is no folder; name the folder with the results of a scan", .0.display())]
    NoFolder(PathBuf),
    /// Nothing to seal.
    #[error("{} holds no file that could be sealed", .0.display())]
    Empty(PathBuf),
    /// Names that JSON cannot hold.
    #[error(
        "the name of {} is no UTF-8 text, which a seal cannot hold; rename the file or move it away",
        .0.display()
    )]
    Name(PathBuf),
    /// It was written to while it was read.
    #[error("{} changes while it is sealed; seal when the scan has ended", .0.display())]
    Changing(PathBuf),
    /// Whoever writes it has locked it.
    #[error("{} is being written, as by a scan that runs; seal when that has ended", .0.display())]
    Writing(PathBuf),
    /// There is a seal already.
    #[error(
        "{} is sealed already; --force replaces the seal, and what the old one proves is then lost",
        .0.display()
    )]
    Sealed(PathBuf),
    /// A file of that name that is no seal.
    #[error("{} is there and no seal ({why}); move it away", path.display())]
    Foreign { path: PathBuf, why: String },
    /// No seal to verify.
    #[error("{} is not sealed: there is no seal.json in it; {advice}", folder.display())]
    Unsealed { folder: PathBuf, advice: String },
    /// A key that cannot be used.
    #[error("{}: {why}", path.display())]
    Key { path: PathBuf, why: String },
    /// A key would be overwritten.
    #[error("{} is there already, and a key is never overwritten; name another file", .0.display())]
    KeyExists(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a key")]
    Random,
    /// The signature cannot be made.
    #[error("cannot sign: {0}")]
    Sign(String),
    /// A time stamp cannot be had.
    #[error("no time stamp, and so no seal: {0}")]
    Timestamp(#[from] TimestampError),
}
