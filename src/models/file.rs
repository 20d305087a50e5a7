//! Files that are whole or not there, and their fingerprints.

use crate::core::hex::hex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// A file under construction, invisible under its own name until [`AtomicFile::publish`], and removed
/// where that is never called.
pub(crate) struct AtomicFile(NamedTempFile);

impl AtomicFile {
    /// In the folder of the file to be, so that publishing is a rename.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        // A model is for whoever may read the folder; temporary files are private by default.
        Self::with_mode(dir, 0o666)
    }

    fn with_mode(dir: &Path, mode: u32) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".m2sd-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        builder.tempfile_in(dir).map(Self)
    }

    /// Gives it its name, which then holds the whole content also after a power cut.
    pub(crate) fn publish(self, path: &Path) -> io::Result<()> {
        publish_on(&mut RealDisk, self.0, path)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// What makes a file durable, step by step: its content on the disk, its name, its folder on the
/// disk. A trait, as a missing step shows at a power cut only, and to the tests of this.
trait Disk {
    fn sync(&mut self, file: &File) -> io::Result<()>;
    fn rename(&mut self, file: NamedTempFile, path: &Path) -> io::Result<()>;
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()>;
}

struct RealDisk;

impl Disk for RealDisk {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        file.persist(path)?;
        Ok(())
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        match File::open(folder)?.sync_all() {
            // Some file systems sync files only.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                Ok(())
            }
            synced => synced,
        }
    }
}

fn publish_on(disk: &mut impl Disk, file: NamedTempFile, path: &Path) -> io::Result<()> {
    // The content first: a name that comes earlier may stand for an empty file.
    disk.sync(file.as_file())?;
    disk.rename(file, path)?;
    disk.sync_folder(folder(path))
}

/// Moves a finished file to its name, durably; for one that was written in several goes.
#[cfg_attr(not(feature = "fetch"), expect(dead_code, reason = "for downloads"))]
pub(crate) fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    let mut disk = RealDisk;
    disk.sync(&File::open(from)?)?;
    std::fs::rename(from, to)?;
    disk.sync_folder(folder(to))
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_file_mut().flush()
    }
}

/// Replaces the file at `path` by `contents`, in one step.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut partial = AtomicFile::new(folder(path))?;
    partial.write_all(contents)?;
    partial.publish(path)
}

/// As [`write_whole`], for its owner alone to read.
#[cfg(feature = "watch")]
pub(crate) fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut partial = AtomicFile::with_mode(folder(path), 0o600)?;
    partial.write_all(contents)?;
    partial.publish(path)
}

/// Writes a file that is not there yet, in one step; its permissions are `mode` less the process's mask.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] when there is something of that name.
#[cfg(feature = "evidence")]
pub(crate) fn write_new(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut partial = AtomicFile::with_mode(folder(path), mode)?;
    partial.write_all(contents)?;
    partial.0.as_file().sync_all()?;
    if let Err(failed) = partial.0.persist_noclobber(path) {
        // Some network file systems know neither such a rename nor hard links.
        if failed.error.kind() == ErrorKind::AlreadyExists || path.symlink_metadata().is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        failed.file.persist(path)?;
    }
    RealDisk.sync_folder(folder(path))
}

/// The folder that a file is in; `.` for a bare name.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The SHA-256 of these numbers' bytes, the lowest first, in lower-case hexadecimal.
pub(crate) fn sha256_of_numbers(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    hex(Sha256::digest(bytes))
}

/// The SHA-256 of a file, in lower-case hexadecimal.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => digest.update(piece.get(..n).unwrap_or_default()),
        }
    }
    Ok(hex(digest.finalize()))
}

/// A file as it was: its path, when it was changed, and its size in bytes.
type FileState = (PathBuf, Option<SystemTime>, u64);

/// The SHA-256 of a file as [`sha256`] has it, computed once for each change of the file.
pub fn known_sha256(path: &Path) -> io::Result<String> {
    static KNOWN: Mutex<BTreeMap<FileState, String>> = Mutex::new(BTreeMap::new());
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    let state = (path, metadata.modified().ok(), metadata.len());
    // Held while a file is read: whoever asks for the same file need not read it as well.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hash) = known.get(&state) {
        return Ok(hash.clone());
    }
    let hash = sha256(&state.0)?;
    known.insert(state, hash.clone());
    Ok(hash)
}

/// The SHA-256 of a file; of several, that of the list of theirs.
pub(crate) fn sha256_of(paths: &[PathBuf]) -> io::Result<String> {
    if let [path] = paths {
        return sha256(path);
    }
    let all: Vec<_> = paths.iter().map(|path| sha256(path)).collect::<io::Result<_>>()?;
    Ok(hex(Sha256::digest(all.join("\n"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does what it is told, remembers what it was told, and fails at one step.
    struct Recorder {
        steps: Vec<String>,
        fails_at: usize,
    }

    impl Recorder {
        fn step(&mut self, step: String) -> io::Result<()> {
            self.steps.push(step);
            if self.steps.len() == self.fails_at {
                Err(io::Error::other("no disk"))
            } else {
                Ok(())
            }
        }
    }

    impl Disk for Recorder {
        fn sync(&mut self, file: &File) -> io::Result<()> {
            self.step(format!("sync {} bytes", file.metadata()?.len()))
        }

        fn rename(&mut self, file: NamedTempFile, path: &Path) -> io::Result<()> {
            self.step("rename".to_owned())?;
            RealDisk.rename(file, path)
        }

        fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
            let files = std::fs::read_dir(folder)?.count();
            self.step(format!("sync the folder of {files}"))
        }
    }

    #[test]
    fn a_file_is_on_the_disk_before_its_name_and_its_name_before_we_say_so() {
        for fails_at in 0..=3 {
            let dir = tempfile::tempdir().unwrap();
            let mut partial = AtomicFile::new(dir.path()).unwrap();
            partial.write_all(b"content").unwrap();
            let mut disk = Recorder { steps: Vec::new(), fails_at };
            let path = dir.path().join("model");
            let published = publish_on(&mut disk, partial.0, &path);
            assert_eq!(published.is_err(), fails_at > 0, "a failure at step {fails_at} is hidden");
            let all = ["sync 7 bytes", "rename", "sync the folder of 1"];
            let expected = if fails_at == 0 { &all[..] } else { &all[..fails_at] };
            assert_eq!(disk.steps, expected);
            // Nothing has the name that may not be whole.
            assert_eq!(path.exists(), !matches!(fails_at, 1 | 2));
        }
    }
}
