//! Quantised models: files whose linear layers compute in 8-bit integers, made of files of floats.

use std::fs::File;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::onnx::quantise::LinearLayers;
pub use super::onnx::quantise::QuantiseError;
use super::store::{StoreError, store};
use crate::core::modelinfo::ModelInfo;

/// Why no quantised model was written.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum QuantiseModelError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} cannot be quantised: {source}", path.display())]
    Network { path: PathBuf, source: QuantiseError },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A model that is to be quantised: what it computes on clips like those to be scored is observed
/// first.
pub struct Quantisable {
    path: PathBuf,
    layers: LinearLayers,
}

impl Quantisable {
    /// # Errors
    /// [`QuantiseModelError`] for a file that is no network, or one that cannot be quantised.
    pub fn open(path: &Path) -> Result<Self, QuantiseModelError> {
        let layers = LinearLayers::of(file(path)?)
            .map_err(|source| QuantiseModelError::Network { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), layers })
    }

    /// How many stored matrices become integers.
    pub fn layers(&self) -> usize {
        self.layers.count()
    }

    /// The further outputs of what [`Self::write_observed`] writes: each the largest magnitude of
    /// something that layers read.
    pub fn observers(&self) -> Vec<String> {
        self.layers.observers()
    }

    /// Writes the network with [`Self::observers`].
    ///
    /// # Errors
    /// [`QuantiseModelError::Write`], and for a file that has changed since.
    pub fn write_observed(&self, target: &Path) -> Result<(), QuantiseModelError> {
        let failed = |source| QuantiseModelError::Write { path: target.to_owned(), source };
        let mut out = std::io::BufWriter::new(File::create(target).map_err(failed)?);
        self.layers.observed(file(&self.path)?, &mut out).map_err(|e| self.failed(e))?;
        std::io::Write::flush(&mut out).map_err(failed)
    }

    /// Writes the quantised model to `target`, with the sidecar `info`; `most` are the largest
    /// numbers of [`Self::observers`]. It appears whole or not at all.
    ///
    /// # Errors
    /// [`QuantiseModelError`].
    pub fn write(
        &self,
        most: &[f32],
        target: &Path,
        info: &ModelInfo,
    ) -> Result<(), QuantiseModelError> {
        let from = self.path.file_name().unwrap_or_default().to_string_lossy();
        store(target, info, &from, |partial| {
            self.layers.quantised(file(&self.path)?, most, partial).map_err(|e| self.failed(e))
        })?;
        Ok(())
    }

    fn failed(&self, source: QuantiseError) -> QuantiseModelError {
        QuantiseModelError::Network { path: self.path.clone(), source }
    }
}

fn file(path: &Path) -> Result<File, QuantiseModelError> {
    File::open(path).map_err(|source| QuantiseModelError::Read { path: path.to_owned(), source })
}
