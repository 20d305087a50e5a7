//! What is in a folder of models, and whether it is still what was put there.

use std::path::{Path, PathBuf};

use super::file;
use super::lock::{Lock, LockError};
use super::manifest::{Manifest, ManifestError};
use super::onnx::{self, OnnxError, Summary};
use super::resolve::onnx_files;
use crate::core::modelinfo::{ModelInfo, ModelInfoError, Role, Training};

/// One model of a folder.
#[derive(Debug)]
pub struct Listed {
    /// The file.
    pub path: PathBuf,
    /// The size of the file, without its sidecar.
    pub bytes: u64,
    /// From the sidecar, else from the manifest.
    pub role: Option<Role>,
    /// Its place in its role's order of preference, where the manifest knows it.
    pub rank: Option<u32>,
    /// Its sidecar; a default one where there is none.
    pub info: Result<ModelInfo, ModelInfoError>,
    /// What the file takes and gives, where it can be read.
    pub summary: Result<Summary, OnnxError>,
}

/// The models of `dir`, by role and preference. A damaged one is listed with what is wrong.
pub fn list(dir: &Path) -> Result<Vec<Listed>, ManifestError> {
    let manifest = Manifest::of(dir)?;
    let describe = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = manifest.by_file(&name);
        let info = ModelInfo::beside(&path);
        let told = info.as_ref().ok().and_then(|info| info.role);
        Listed {
            bytes: std::fs::metadata(&path).map_or(0, |m| m.len()),
            role: told.or(known.map(|k| k.role)),
            rank: known.map(|k| k.rank),
            info,
            summary: onnx::summary(&path),
            path,
        }
    };
    let mut models: Vec<_> = onnx_files(dir).into_iter().map(describe).collect();
    models.sort_by_key(|m| {
        let training = m.training().preference();
        (m.role, training, m.rank.unwrap_or(u32::MAX), m.path.clone())
    });
    Ok(models)
}

impl Listed {
    /// What is known of how it came by its weights; unknown where its sidecar cannot be read.
    pub fn training(&self) -> Training {
        self.info.as_ref().map(|info| info.training).unwrap_or_default()
    }
}

/// One file of a folder, compared with the lock.
#[derive(Debug)]
pub struct Verified {
    /// Its name in the folder.
    pub file: String,
    /// Whether it is what was recorded.
    pub state: State,
}

/// How a file of a folder compares with its record.
#[derive(Debug)]
pub enum State {
    /// The same bytes as when it was written.
    Intact,
    /// Other bytes than then.
    Changed {
        /// The hash in the lock, in hexadecimal.
        recorded: String,
        /// The file's own.
        found: String,
    },
    /// Recorded, and gone.
    Missing,
    /// Never recorded: it was put there by hand.
    Unrecorded,
    /// It is there and cannot be read.
    Unreadable(std::io::Error),
}

/// Whether a file is in the folder, as it was when it was written.
pub fn is_intact(dir: &Path, file: &str) -> bool {
    let lock = Lock::read(dir).unwrap_or_default();
    let recorded = lock.get(file).map(|record| record.sha256.as_str());
    recorded.is_some() && file::sha256(&dir.join(file)).ok().as_deref() == recorded
}

/// Compares the folder's files with `models.lock`.
pub fn verify(dir: &Path) -> Result<Vec<Verified>, LockError> {
    let lock = Lock::read(dir)?;
    let mut all = Vec::new();
    for (file, record) in lock.files() {
        let state = match file::sha256(&dir.join(file)) {
            Ok(found) if found == record.sha256 => State::Intact,
            Ok(found) => State::Changed { recorded: record.sha256.clone(), found },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => State::Missing,
            Err(e) => State::Unreadable(e),
        };
        all.push(Verified { file: file.to_owned(), state });
    }
    for path in onnx_files(dir) {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if lock.get(&file).is_none() {
            all.push(Verified { file, state: State::Unrecorded });
        }
    }
    Ok(all)
}
