//! Files of a scan. One that fails leaves what was there before.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// A file under another name, until it is kept. Dropped before, it goes.
pub struct Staged {
    path: PathBuf,
    part: PathBuf,
}

impl Staged {
    /// `path` with `.part` behind it; nothing is made yet.
    pub fn new(path: PathBuf) -> Self {
        let mut part = path.clone().into_os_string();
        part.push(".part");
        Self { path, part: part.into() }
    }

    /// Where to write.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Gives the file its name, which is returned.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(self) -> Result<PathBuf, CliError> {
        std::fs::rename(&self.part, &self.path)
            .map_err(|e| CliError::input(format!("cannot write {}: {e}", self.path.display())))?;
        Ok(self.path.clone())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already where it was kept or never made.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// A file that is emptied when the first bytes come for it.
pub struct LateFile {
    path: PathBuf,
    file: File,
    /// It was there before.
    existed: bool,
    begun: bool,
}

impl LateFile {
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        let existed = path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        Ok(Self { path, file, existed, begun: false })
    }
}

impl Write for LateFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not so of a pipe or a device.
        if !self.begun && self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.begun = true;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for LateFile {
    fn drop(&mut self) {
        if !self.begun && !self.existed {
            // An empty file would say that there was something to say.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
