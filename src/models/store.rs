//! How a model reaches its folder: checked, with its sidecar, and recorded.

use std::io::Write;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::file::{self, AtomicFile};
use super::lock::{FolderLock, LockError, Record};
use super::onnx::{self, OnnxError};
use crate::core::modelinfo::{ModelInfo, ModelInfoError};

/// Why a model was not put into its folder.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum StoreError {
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Sidecar(#[from] ModelInfoError),
    #[error("what was written is damaged: {0}")]
    Damaged(#[from] OnnxError),
    #[error(transparent)]
    Lock(#[from] LockError),
}

pub(crate) struct Stored {
    pub(crate) sidecar: PathBuf,
    pub(crate) sha256: String,
}

/// Where the sidecar of `model` is written.
pub(crate) fn sidecar_of(model: &Path) -> PathBuf {
    let [written, _] = ModelInfo::places(model);
    written
}

/// Writes the network that `body` produces to `model`, its sidecar beside it, and its hash into
/// the folder's lock. The folder is made if need be. Where anything fails, no model appears.
pub(crate) fn store<E: From<StoreError>>(
    model: &Path,
    info: &ModelInfo,
    from: &str,
    body: impl FnOnce(&mut AtomicFile) -> Result<(), E>,
) -> Result<Stored, E> {
    let text = info.to_sidecar().map_err(StoreError::Sidecar)?;
    let dir = file::folder(model);
    let failed = |source| StoreError::Write { path: model.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut partial = AtomicFile::new(dir).map_err(failed)?;
    body(&mut partial)?;
    partial.flush().map_err(failed)?;
    onnx::summary(partial.path()).map_err(StoreError::Damaged)?;
    let sha256 = file::sha256(partial.path()).map_err(failed)?;

    // Two imports of one name at a time would else leave the one's model with the other's sidecar.
    let folder = FolderLock::acquire(dir).map_err(StoreError::Lock)?;
    // The sidecar first: a model that is found without one would be fed wrongly.
    let sidecar = sidecar_of(model);
    file::write_whole(&sidecar, text.as_bytes())
        .map_err(|source| StoreError::Write { path: sidecar.clone(), source })?;
    partial.publish(model).map_err(failed)?;
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    let record = Record { sha256: sha256.clone(), from: from.to_owned(), etag: None };
    folder.record(&name, record).map_err(StoreError::Lock)?;
    Ok(Stored { sidecar, sha256 })
}
