//! POSIX shared memory of this process, as a server on the same machine opens it: files of `/dev/shm`,
//! which is what `shm_open` makes on Linux. They are written as files, so that memory that runs out is an
//! error, and no other process can make this one fault.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FOLDER: &str = "/dev/shm";
/// How all names begin: those of this process go on with its number.
pub(super) const PREFIX: &str = "m2sd-";

/// A region that only this user may open. Its name is gone when it is dropped; its memory, when the last
/// process that has it mapped is done with it.
#[derive(Debug)]
pub(super) struct Region {
    name: String,
    path: PathBuf,
    /// Locked as long as this process lives, which is how others tell.
    file: File,
    pub(super) bytes: u64,
}

impl Region {
    /// # Errors
    /// Those of the file system; of kind `Unsupported` where there is no `/dev/shm`.
    pub(super) fn new(bytes: u64) -> io::Result<Self> {
        Self::new_in(Path::new(FOLDER), bytes)
    }

    fn new_in(folder: &Path, bytes: u64) -> io::Result<Self> {
        if !cfg!(target_os = "linux") || !folder.is_dir() {
            let text = format!("there is no {}", folder.display());
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        loop {
            let name = format!("{PREFIX}{}-{:016x}", std::process::id(), fastrand::u64(..));
            let path = folder.join(&name);
            let mut options = OpenOptions::new();
            // One that is there already, or a link, is an error.
            let options = options.read(true).write(true).create_new(true).mode(0o600);
            let region = Self { file: options.open(&path)?, name, path, bytes };
            region.file.lock()?;
            // Between the two, another process may have taken it for abandoned.
            if region.file.metadata()?.nlink() > 0 {
                region.file.set_len(bytes)?;
                return Ok(region);
            }
        }
    }

    /// By which it is registered, too.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As `shm_open` takes it.
    pub(super) fn key(&self) -> String {
        format!("/{}", self.name)
    }

    /// # Errors
    /// When the machine has no memory left for it.
    pub(super) fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether there is a region of this name, of whichever process.
pub(super) fn is_there(name: &str) -> bool {
    Path::new(FOLDER).join(name).exists()
}

/// Removes this user's regions whose processes are gone: one that was killed could not.
pub(super) fn remove_abandoned(own: &Region) {
    let Ok(user) = own.file.metadata().map(|metadata| metadata.uid()) else { return };
    for path in abandoned(Path::new(FOLDER), user) {
        let _ = std::fs::remove_file(path);
    }
}

/// Those that nobody holds the lock of. Names tell the process, too, but another container may have another
/// process of that number.
fn abandoned(folder: &Path, user: u32) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_abandoned = |path: &PathBuf| {
        let is_named = path
            .file_name()
            .is_some_and(|name| name.to_str().is_some_and(|name| name.starts_with(PREFIX)));
        // What others put there, such as a pipe that nobody writes to, is not opened.
        let is_ours = || {
            let metadata = std::fs::symlink_metadata(path);
            metadata.is_ok_and(|metadata| metadata.is_file() && metadata.uid() == user)
        };
        is_named && is_ours() && File::open(path).is_ok_and(|file| file.try_lock().is_ok())
    };
    entries.flatten().map(|entry| entry.path()).filter(is_abandoned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(folder: &Path) -> u32 {
        folder.metadata().unwrap().uid()
    }

    #[test]
    fn a_region_is_this_users_alone_and_gone_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let region = Region::new_in(dir.path(), 4096).unwrap();
        region.write(b"clip", 64).unwrap();
        let path = dir.path().join(region.name());
        let metadata = path.metadata().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o600, 4096));
        assert_eq!(&std::fs::read(&path).unwrap()[64..68], b"clip");
        assert!(region.name().contains(&format!("-{}-", std::process::id())));
        drop(region);
        assert!(!path.exists());
    }

    #[test]
    fn only_what_nobody_holds_is_abandoned() {
        let dir = tempfile::tempdir().unwrap();
        let held = Region::new_in(dir.path(), 1).unwrap();
        for name in ["m2sd-1-00", "other-1-00"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("m2sd-2-00")).unwrap();
        std::fs::create_dir(dir.path().join("m2sd-3-00")).unwrap();
        let user = uid(dir.path());
        assert_eq!(abandoned(dir.path(), user), [dir.path().join("m2sd-1-00")]);
        assert!(abandoned(dir.path(), user + 1).is_empty(), "another user's");
        drop(held);
    }
}
