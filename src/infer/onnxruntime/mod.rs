//! ONNX Runtime: no other module names its crate. One file for each of its providers; each says how a
//! session is told to run there, and what is missing where it cannot.

mod cpu;
mod cuda;
mod devices;
mod engine;
mod gpu_gate;
mod graphs;
mod io_binding;
mod load;
mod nvidia;
mod page_lock;
mod preload;
mod provider;
mod rtx_plugin;
mod runtime;
mod session_info;
mod tensorrt;
mod tensorrt_rtx;

use std::path::PathBuf;

pub(super) use self::load::load;
use self::runtime::Runtime;
use super::engine_cache::Present;
use super::error::InferError;
use super::gpu;
pub use super::log::{Severity, set_log_sink};

/// Opens ONNX Runtime's library and returns its version, such as `1.32.0`.
///
/// # Errors
/// [`InferError::LibraryMissing`], [`InferError::LibraryUnusable`], [`InferError::LibraryTooOld`].
pub fn version() -> Result<String, InferError> {
    Ok(Runtime::get()?.version.clone())
}

/// Opens ONNX Runtime's library and returns its file; a plain name where the system's loader found it.
///
/// # Errors
/// As [`version`].
pub fn runtime_library() -> Result<PathBuf, InferError> {
    Ok(Runtime::get()?.library.clone())
}

/// What there is on this machine, beside `models`, that engines of TensorRT may have been built
/// for. What cannot be found out is left open; a model that cannot be read is none.
pub fn present(models: &[PathBuf]) -> Present {
    let runtime = Runtime::get().ok();
    Present {
        models_sha256: models.iter().filter_map(|m| crate::models::sha256(m).ok()).collect(),
        tensorrt: runtime.as_ref().and_then(|r| nvidia::tensorrt_version(r).ok()),
        tensorrt_rtx: runtime.as_ref().and_then(|r| r.tensorrt_rtx.version().ok()),
        driver: gpu::driver().ok(),
        runtime: runtime.map(|runtime| runtime.version.clone()),
        gpu_archs: gpu::architectures(),
    }
}
