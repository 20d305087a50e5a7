//! One model that is to be loaded, and what its file says.

use std::borrow::Cow;
use std::path::Path;

use super::error::InferError;
use super::guard::unreadable;
use super::loading::Loading;
use super::options::{EngineOptions, Precision};
use super::profile::Profile;
use crate::core::onnx::{ModelTraits, WireError};
use crate::models::engine_file;
use crate::models::onnx::{self, OnnxError, Summary};

/// One model that is to be loaded.
pub(super) struct Request<'a> {
    /// As it was asked for, for messages.
    pub path: &'a Path,
    /// What the back end is given.
    pub model: Cow<'a, Path>,
    pub traits: ModelTraits,
    /// `None` where the file cannot be read: the back end then says why.
    pub summary: Option<Summary>,
    /// With the precision that the network will compute in.
    pub options: EngineOptions,
    pub loading: Loading<'a>,
    /// Why providers that were preferred were passed over.
    pub passed_over: Vec<String>,
}

impl<'a> Request<'a> {
    /// # Errors
    /// [`InferError::ModelMissing`], [`InferError::ModelUnreadable`] for what is no file;
    /// [`InferError::EngineFile`] for a bare engine that cannot be loaded;
    /// [`InferError::Quantised`], [`InferError::NotQuantised`] for the precision.
    pub(super) fn new(
        path: &'a Path,
        options: &EngineOptions,
        loading: Loading<'a>,
    ) -> Result<Self, InferError> {
        // Asked first, as it costs nothing, and as each back end has other words for it.
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(unreadable(path, "it is not a file")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(InferError::ModelMissing { path: path.to_owned() });
            }
            Err(e) => return Err(unreadable(path, &e.to_string())),
        }
        let model = match engine_file::is_engine(path) {
            true => Cow::Owned(engine_file::wrapper_beside(path)?),
            false => Cow::Borrowed(path),
        };
        // Not from the summary, which also wants ports that make sense.
        let traits = ModelTraits::of(&model);
        let precision = precision(path, options.precision, &traits)?;
        let options = EngineOptions { precision, ..options.clone() };
        let summary = match onnx::summary(&model) {
            Err(error @ OnnxError::ExternalData(_)) => {
                return Err(unreadable(path, &error.to_string()));
            }
            summary => summary.ok(),
        };
        let (traits, passed_over) = (traits.unwrap_or_default(), Vec::new());
        Ok(Self { path, model, traits, summary, options, loading, passed_over })
    }

    /// What the network is fed, where its role or the network itself tells.
    pub(super) fn profile(&self) -> Option<Profile> {
        let inputs = &self.summary.as_ref()?.inputs;
        match self.loading.role {
            Some(role) => Some(Profile::new(role, inputs, self.options.shapes)),
            None => Profile::fixed(inputs),
        }
    }
}

/// The arithmetic of a network: that of a quantised one is its own, and told to the provider before
/// it loads, as TensorRT has to know.
fn precision(
    path: &Path,
    asked: Precision,
    traits: &Result<ModelTraits, WireError>,
) -> Result<Precision, InferError> {
    match (asked, traits) {
        (Precision::Auto | Precision::Int8, Ok(ModelTraits { is_quantised: true, .. })) => {
            Ok(Precision::Int8)
        }
        (asked, Ok(ModelTraits { is_quantised: true, .. })) => {
            Err(InferError::Quantised { path: path.to_owned(), asked })
        }
        // What it computes in was settled when it was compiled, and its operators are out of sight.
        (asked, Ok(ModelTraits { is_compiled: true, .. })) => Ok(asked),
        (Precision::Int8, Ok(_)) => Err(InferError::NotQuantised { path: path.to_owned() }),
        (Precision::Int8, Err(error)) => Err(unreadable(path, &error.to_string())),
        // The back ends read more kinds of files, and say better what is wrong with one.
        (asked, Ok(_) | Err(_)) => Ok(asked),
    }
}
