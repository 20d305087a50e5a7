//! What can be wrong with a spool.

use std::path::PathBuf;

use thiserror::Error;

/// Why a spool cannot be opened, read or changed.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The limits leave no room.
    #[error(
        "a spool of {0} bytes is too small: at least {minimum} are expected",
        minimum = super::Limits::SMALLEST
    )]
    TooSmall(u64),
    /// The folder cannot be made or written.
    #[error("the spool's folder {} cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the spool {} is in use by {holder}: stop that one, or give this one another folder",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has it, as far as is known.
        holder: String,
    },
    /// The file system knows no locks.
    #[error(
        "the spool {} cannot be locked: {source}; choose a folder on a local disk",
        path.display()
    )]
    Lock {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A later version of this program has written it.
    #[error(
        "{} has format {found}, this m2sd knows {expected}: use the newer m2sd that wrote it, or \
         another folder",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version that is known here.
        expected: i64,
    },
    /// A file that is no spool is in the way and cannot be renamed.
    #[error("{} is no spool of m2sd and cannot be renamed: {source}; move it away", path.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database refuses.
    #[error("the spool {}: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// No sink of this name was registered.
    #[error("no sink {0:?} is registered with the spool")]
    NoSuchSink(String),
    /// The writer's thread cannot be started.
    #[error("the spool's thread cannot be started: {0}")]
    Thread(std::io::Error),
}
