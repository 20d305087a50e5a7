//! What a user has said of a model's training and has measured of it, while the model is replaced by
//! itself: fetching or importing the same weights again must not take it back.

use std::path::{Path, PathBuf};

use super::file;
use super::lock::Lock;
use super::store::{StoreError, sidecar_of};
use crate::core::modelinfo::{ModelInfo, Training};

/// A model that is about to be replaced.
pub(super) struct Vouched {
    model: PathBuf,
    /// Its recorded hash, and its sidecar, where there are both.
    before: Option<(String, ModelInfo)>,
}

impl Vouched {
    pub fn of(model: &Path) -> Self {
        let recorded = Lock::read(file::folder(model)).ok();
        let name = model.file_name().unwrap_or_default().to_string_lossy();
        let hash = recorded.and_then(|lock| lock.get(&name).map(|record| record.sha256.clone()));
        let info = ModelInfo::beside(model).ok();
        Self { model: model.to_owned(), before: hash.zip(info) }
    }

    /// Has what was said and measured hold for the model that was written, if it is the same: the
    /// training only where nothing better is known of it, and nobody says another now.
    pub fn hold(
        &self,
        sha256: &str,
        told: Option<Training>,
        info: &mut ModelInfo,
    ) -> Result<(), StoreError> {
        let Some((hash, before)) = &self.before else { return Ok(()) };
        if hash != sha256 {
            return Ok(());
        }
        let mut changed = info.take_measured(before);
        if told.is_none() && info.training == Training::Unknown {
            changed |= before.training != info.training;
            info.training = before.training;
        }
        if !changed {
            return Ok(());
        }
        let (path, text) = (sidecar_of(&self.model), info.to_sidecar()?);
        file::write_whole(&path, text.as_bytes())
            .map_err(|source| StoreError::Write { path, source })
    }
}
