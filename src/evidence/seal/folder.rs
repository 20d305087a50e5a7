//! What is in a folder, without following links and without waiting on pipes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::chain::LineHash;
use super::error::SealError;
use crate::core::hex::hex;

/// What a name in a folder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A symbolic link to this path.
    Link(PathBuf),
    /// A pipe, socket or device, in words.
    Special(&'static str),
}

/// A name in a folder or below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// From the folder on.
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

/// All but folders, in the order of their paths, without the one named `without` in the folder itself.
pub(super) fn entries(folder: &Path, without: &str) -> Result<Vec<Entry>, SealError> {
    if !folder.is_dir() {
        return Err(SealError::NoFolder(folder.to_owned()));
    }
    let (mut found, mut open) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(inner) = open.pop() {
        let at = folder.join(&inner);
        let cannot = |source| SealError::Read { path: at.clone(), source };
        for entry in at.read_dir().map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let path = inner.join(entry.file_name());
            if path == Path::new(without) {
                continue;
            }
            let kind = entry.file_type().map_err(cannot)?;
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            let kind = if kind.is_symlink() {
                Kind::Link(entry.path().read_link().map_err(cannot)?)
            } else if kind.is_file() {
                Kind::File
            } else {
                Kind::Special(special(kind))
            };
            found.push(Entry { path, kind });
        }
    }
    found.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(found)
}

fn special(kind: std::fs::FileType) -> &'static str {
    if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_dir() {
        "folder"
    } else if kind.is_symlink() {
        "symbolic link"
    } else {
        "device"
    }
}

/// What is at a path that is no plain file; `None` for a plain file.
pub(super) fn not_a_file(path: &Path) -> io::Result<Option<&'static str>> {
    let kind = path.symlink_metadata()?.file_type();
    Ok((!kind.is_file()).then(|| special(kind)))
}

/// A file's content by its hashes.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) sha256: String,
    /// Of each line, for records.
    pub(super) lines: Vec<LineHash>,
}

/// Reads a plain file once. A link in its place is an error, and so is a pipe, which nobody waits on.
///
/// # Errors
/// Also when it changes meanwhile: [`io::ErrorKind::ResourceBusy`].
pub(super) fn read(path: &Path, by_line: bool) -> io::Result<Content> {
    let mut file = open(path)?;
    let before = state(&file)?;
    let (mut whole, mut size) = (Sha256::new(), 0);
    let mut lines = by_line.then(Lines::default);
    let mut piece = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut piece)?;
        let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        whole.update(bytes);
        size += bytes.len() as u64;
        if let Some(lines) = &mut lines {
            lines.take(bytes);
        }
    }
    let after = state(&file)?;
    if before != after || size != after.0 {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let sha256 = hex(whole.finalize());
    Ok(Content { size, sha256, lines: lines.map(Lines::end).unwrap_or_default() })
}

/// Opens a plain file for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

/// Whether somebody writes a plain file and says so by a lock, as scans do until their files are finished.
pub(super) fn is_being_written(path: &Path) -> bool {
    let locked = open(path).map(|file| file.try_lock_shared());
    // What cannot be opened or locked is told when it is read.
    matches!(locked, Ok(Err(TryLockError::WouldBlock)))
}

/// What changes when a file is written to: its size, and the time of it.
fn state(file: &File) -> io::Result<(u64, i64, i64)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Hashes of lines of any length, from pieces of any length.
#[derive(Default)]
struct Lines {
    done: Vec<LineHash>,
    open: Sha256,
    has_bytes: bool,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open.update(part);
            self.has_bytes = true;
            if part.ends_with(b"\n") {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.done.push(std::mem::take(&mut self.open).finalize().into());
        self.has_bytes = false;
    }

    /// Also a last line that has no line feed.
    fn end(mut self) -> Vec<LineHash> {
        if self.has_bytes {
            self.close();
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_file_is_cut_into_pieces() {
        let content = b"one\n\nthree\nno line feed";
        let expected: Vec<LineHash> = ["one\n", "\n", "three\n", "no line feed"]
            .iter()
            .map(|line| Sha256::digest(line).into())
            .collect();
        for size in 1..content.len() {
            let mut lines = Lines::default();
            content.chunks(size).for_each(|piece| lines.take(piece));
            assert_eq!(lines.end(), expected, "pieces of {size}");
        }
        assert!(Lines::default().end().is_empty());
    }
}
