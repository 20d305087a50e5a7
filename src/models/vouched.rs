//! What a user has said of a model's training, while the model is replaced by itself: fetching or
//! importing the same weights again must not take it back.

use std::path::{Path, PathBuf};

use super::file;
use super::lock::Lock;
use super::store::{StoreError, sidecar_of};
use crate::core::modelinfo::{ModelInfo, Training};

/// A model that is about to be replaced.
pub(super) struct Vouched {
    model: PathBuf,
    /// Its recorded hash, and what its sidecar says, where there are both.
    before: Option<(String, Training)>,
}

impl Vouched {
    pub fn of(model: &Path) -> Self {
        let recorded = Lock::read(file::folder(model)).ok();
        let name = model.file_name().unwrap_or_default().to_string_lossy();
        let hash = recorded.and_then(|lock| lock.get(&name).map(|record| record.sha256.clone()));
        let training = ModelInfo::beside(model).ok().map(|info| info.training);
        Self { model: model.to_owned(), before: hash.zip(training) }
    }

    /// Has what was said hold for the model that was written, if it is the same and nothing better
    /// is known of it.
    pub fn hold(&self, sha256: &str, info: &mut ModelInfo) -> Result<(), StoreError> {
        let Some((before, training)) = &self.before else { return Ok(()) };
        if info.training != Training::Unknown || before != sha256 || *training == info.training {
            return Ok(());
        }
        info.training = *training;
        let (path, text) = (sidecar_of(&self.model), info.to_sidecar()?);
        file::write_whole(&path, text.as_bytes())
            .map_err(|source| StoreError::Write { path, source })
    }
}
