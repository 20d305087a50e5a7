//! `models.lock`: the hash of every file in a folder of models, as it was when it was written.
//!
//! Reading needs no lock, as the file is replaced as a whole. Who changes it, or files together with
//! their records, holds the `FolderLock` meanwhile, so that processes do not undo each other's
//! work.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::file;

const NAME: &str = "models.lock";
/// The file that is locked; it is empty, and stays. Not `models.lock` itself, which is replaced.
const GUARD: &str = ".models.lock.guard";
const HEAD: &str =
    "# Written by m2sd: the SHA-256 of each file, checked by `m2sd models verify`.\n";

/// Records by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Lock(BTreeMap<String, Record>);

/// What the lock says of one file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Record {
    /// Of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// The file or address that it was made from.
    pub from: String,
    /// Of a download without a pinned hash: what its server knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// Why the lock of a folder cannot be read or written.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum LockError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is damaged ({source}); delete it, then import or fetch again", path.display())]
    Syntax { path: PathBuf, source: toml::de::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot lock {}, which keeps other processes out meanwhile: {source}", path.display())]
    Guard { path: PathBuf, source: std::io::Error },
}

/// The right to change a folder of models; other processes and threads wait for it.
#[must_use = "others are kept out while it lives"]
pub(crate) struct FolderLock<'a> {
    dir: &'a Path,
    /// Locked while it is open: the system ends that with the process, however it ends.
    _guard: File,
}

impl<'a> FolderLock<'a> {
    /// Waits for it.
    pub(crate) fn acquire(dir: &'a Path) -> Result<Self, LockError> {
        let path = dir.join(GUARD);
        let failed = |source| LockError::Guard { path: path.clone(), source };
        let options = File::options().create(true).truncate(false).write(true).to_owned();
        let guard = options.open(&path).map_err(failed)?;
        match guard.lock() {
            // Where the file system knows no locks, there is no better way.
            Err(e) if e.kind() == ErrorKind::Unsupported => {}
            locked => locked.map_err(failed)?,
        }
        Ok(Self { dir, _guard: guard })
    }

    /// Adds one record to the folder's lock file, or replaces it.
    pub(crate) fn record(&self, file: &str, record: Record) -> Result<(), LockError> {
        let mut lock = Lock::read(self.dir)?;
        lock.0.insert(file.to_owned(), record);
        let path = self.dir.join(NAME);
        let write = |source| LockError::Write { path: path.clone(), source };
        let body = toml::to_string(&lock).map_err(|e| write(std::io::Error::other(e)))?;
        file::write_whole(&path, format!("{HEAD}{body}").as_bytes()).map_err(write)
    }
}

impl Lock {
    /// The lock of the folder `dir`; an empty one where there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn read(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(NAME);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|source| LockError::Syntax { path, source }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(LockError::Read { path, source }),
        }
    }

    /// What is recorded of a file; `None`: nothing.
    pub fn get(&self, file: &str) -> Option<&Record> {
        self.0.get(file)
    }

    /// All files with their records, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.0.iter().map(|(file, record)| (file.as_str(), record))
    }

    /// Adds one record to the lock of `dir`, or replaces it, whatever other processes do to it at
    /// the same time.
    pub fn record(dir: &Path, file: &str, record: Record) -> Result<(), LockError> {
        FolderLock::acquire(dir)?.record(file, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let record = |sha: &str| Record { sha256: sha.into(), from: "x.pt".into(), etag: None };
        Lock::record(dir.path(), "a.onnx", record("1")).unwrap();
        Lock::record(dir.path(), "b.onnx", record("2")).unwrap();
        Lock::record(dir.path(), "a.onnx", record("3")).unwrap();
        let lock = Lock::read(dir.path()).unwrap();
        assert_eq!(lock.get("a.onnx"), Some(&record("3")));
        assert_eq!(lock.files().count(), 2);

        std::fs::write(dir.path().join(NAME), "a = ").unwrap();
        assert!(matches!(Lock::read(dir.path()), Err(LockError::Syntax { .. })));
    }
}
