//! OpenVINO, called directly: Intel's library for processors of any make, and for Intel's GPUs and
//! NPUs. No other module names its crate.

mod api;
mod blobs;
mod cache;
mod config;
mod engine;
mod load;
mod runtime;

pub use self::cache::compiled;
pub(super) use self::load::load;
use super::error::InferError;
use super::options::Provider;
use crate::models::advice;

/// Opens OpenVINO's library and returns its version, such as `2026.4.1`.
///
/// # Errors
/// [`InferError::LibraryMissing`], [`InferError::LibraryUnusable`], [`InferError::LibraryTooOld`].
pub fn version() -> Result<String, InferError> {
    runtime::open()
}

fn missing(reason: String) -> InferError {
    let remedy = advice::set_up();
    InferError::ProviderMissing { provider: Provider::OpenVino, reason, remedy }
}
