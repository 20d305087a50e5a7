//! Files that are written under another name and get their own when they are finished, so that
//! whoever is interrupted leaves what was there before.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::error::CliError;

/// Why a file cannot be begun or finished.
#[derive(Debug, Error)]
pub enum PartialFileError {
    #[error("cannot write {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "{} is being written by another m2sd; expected to be alone there. Wait for it, or name \
         another file",
        path.display()
    )]
    InUse { path: PathBuf },
    #[error(
        "{} is {found}; expected a name that is free for a partial file. Remove it, or name another \
         file",
        path.display()
    )]
    NotAFile { path: PathBuf, found: &'static str },
}

impl From<PartialFileError> for CliError {
    fn from(error: PartialFileError) -> Self {
        Self::input(error)
    }
}

/// A file `NAME.part` beside the file `NAME` that it will be. Dropped before, it goes.
///
/// It is created exclusively, never through a link, and locked while it is written: one that
/// nobody has locked is left over from a process that died, and is removed.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    part: PathBuf,
    file: File,
    /// It stays as it is.
    left: bool,
}

/// The name of the partial file of `path`.
pub fn part_of(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

impl PartialFile {
    /// Begins the file that will be `path`.
    ///
    /// # Errors
    /// When it cannot be created, or somebody else writes it.
    pub fn create(path: &Path) -> Result<Self, PartialFileError> {
        let part = part_of(path);
        let failed = |error| PartialFileError::Io { path: path.to_owned(), error };
        loop {
            let created = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&part);
            match created {
                Ok(file) => {
                    // A process that starts now may have taken it for a leftover.
                    if Self::lock(&file, &part).map_err(failed)? {
                        return Ok(Self { path: path.to_owned(), part, file, left: false });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Self::remove_leftover(&part)?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Whether this process now holds the lock of the file that has this name.
    fn lock(file: &File, part: &Path) -> io::Result<bool> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mine = file.metadata()?;
        Ok(part.symlink_metadata().is_ok_and(|named| is_same(&mine, &named)))
    }

    /// Removes a file that its writer did not finish, if that writer is gone.
    fn remove_leftover(part: &Path) -> Result<(), PartialFileError> {
        let failed = |error| PartialFileError::Io { path: part.to_owned(), error };
        let kind = match part.symlink_metadata() {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        if !kind.is_file() {
            let found = if kind.is_symlink() { "a symbolic link" } else { "not a regular file" };
            return Err(PartialFileError::NotAFile { path: part.to_owned(), found });
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(part);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        match Self::lock(&file, part) {
            Ok(true) => std::fs::remove_file(part).map_err(failed),
            Ok(false) => Err(PartialFileError::InUse { path: part.to_owned() }),
            Err(error) => Err(failed(error)),
        }
    }

    /// The name that it will have.
    pub fn name(&self) -> Option<String> {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned())
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the bytes go.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes to the file such that what one call writes is there whole or not at all.
    ///
    /// # Errors
    /// When no file can be opened any more.
    pub fn whole_lines(&self) -> io::Result<WholeLines> {
        Ok(WholeLines { file: self.file.try_clone()?, length: self.file.metadata()?.len() })
    }

    /// Gives the file its name, which is returned, when all of it is on the disk. What had that name
    /// before, a link too, is replaced.
    ///
    /// # Errors
    /// When it cannot be written or renamed.
    pub fn keep(self) -> Result<PathBuf, PartialFileError> {
        let failed = |error| PartialFileError::Io { path: self.path.clone(), error };
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(&self.part, &self.path).map_err(failed)?;
        // A power cut must not take the name back. Not every file system has folders that can be synced.
        if let Some(Ok(folder)) = self.path.parent().map(|folder| {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        }) {
            let _ = folder.sync_all();
        }
        Ok(self.path.clone())
    }

    /// Leaves the file under its name of an unfinished one, which is returned.
    pub fn leave(mut self) -> PathBuf {
        self.left = true;
        // What can be is written; whoever asks for this knows of failures.
        let _ = self.file.sync_all();
        self.part.clone()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        // Not one that another process has begun meanwhile; gone already where it was kept.
        if Self::lock(&self.file, &self.part).unwrap_or(false) {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// See [`PartialFile::whole_lines`].
#[derive(Debug)]
pub struct WholeLines {
    file: File,
    length: u64,
}

impl Write for WholeLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.file.write_all(bytes) {
            // Half a line of a full disk. What cannot be undone is what the error already tells.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a partial file is there that nobody writes any more.
pub fn is_left_over(part: &Path) -> bool {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let is_file = part.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(part);
    is_file && opened.is_ok_and(|file| file.try_lock().is_ok())
}

/// Writes a whole file at once: it has either all of `bytes` or what it had before.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), PartialFileError> {
    if is_special(path) {
        let written =
            OpenOptions::new().write(true).open(path).and_then(|mut f| f.write_all(bytes));
        return written.map_err(|error| PartialFileError::Io { path: path.to_owned(), error });
    }
    let file = PartialFile::create(path)?;
    let written = file.file().write_all(bytes);
    written.map_err(|error| PartialFileError::Io { path: path.to_owned(), error })?;
    file.keep().map(drop)
}

/// Whether this is a pipe, a device or a socket, which is written as it is.
pub fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "before").unwrap();
        drop(PartialFile::create(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        assert!(!part_of(&path).exists());
        let file = PartialFile::create(&path).unwrap();
        file.file().write_all(b"after").unwrap();
        assert!(matches!(PartialFile::create(&path), Err(PartialFileError::InUse { .. })));
        assert_eq!(file.keep().unwrap(), path);
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
        assert!(!part_of(&path).exists());
    }

    #[test]
    fn leftovers_go_and_links_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("other"));
        std::fs::write(part_of(&path), "left over").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");

        std::fs::write(&other, "of somebody").unwrap();
        std::os::unix::fs::symlink(&other, part_of(&path)).unwrap();
        assert!(matches!(write(&path, b"x"), Err(PartialFileError::NotAFile { .. })));
        std::fs::remove_file(part_of(&path)).unwrap();

        // The final name is a link: it is replaced, not followed.
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        write(&path, b"x").unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), b"of somebody");
        assert!(path.symlink_metadata().unwrap().is_file());
    }
}
