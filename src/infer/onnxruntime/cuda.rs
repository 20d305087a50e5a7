//! NVIDIA's CUDA. It takes each operator's arithmetic from the file, so where half floats are asked
//! for, a network is rewritten with its products in them.

use std::path::PathBuf;

use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;

use super::nvidia::Gpu;
use super::provider::{builder, with_providers};
use super::runtime::Runtime;
use crate::infer::error::InferError;
use crate::infer::guard::unreadable;
use crate::infer::options::{EngineOptions, Precision, Provider};
use crate::infer::request::Request;
use crate::models::onnx::{Attention, to_half};

/// The file that a session is made of.
pub(super) struct Source {
    pub file: PathBuf,
    pub precision: Precision,
    /// Where a rewritten file is, until the session is made.
    _folder: Option<tempfile::TempDir>,
}

impl Source {
    /// # Errors
    /// [`InferError::ModelUnreadable`] for a network that cannot be rewritten as was asked, or not
    /// written.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, InferError> {
        let precision = request.options.precision;
        if precision != Precision::Fp16 {
            return Ok(Self { file: request.model.to_path_buf(), precision, _folder: None });
        }
        let failed = |reason: String| unreadable(request.path, &reason);
        let folder =
            tempfile::tempdir().map_err(|e| failed(format!("no temporary folder: {e}")))?;
        let file = folder.path().join("half.onnx");
        to_half(&request.model, &file, Attention::Fused).map_err(|e| failed(e.to_string()))?;
        Ok(Self { file, precision, _folder: Some(folder) })
    }
}

/// A session builder for CUDA; with `graphs` its runs are recorded and replayed.
pub(super) fn session(
    runtime: &Runtime,
    gpu: &Gpu,
    options: &EngineOptions,
    graphs: bool,
) -> Result<SessionBuilder, InferError> {
    let builder = builder(runtime, Provider::Cuda, options)?;
    let cuda = provider(gpu.ordinal, options.precision, graphs);
    with_providers(builder, Provider::Cuda, [cuda])
}

pub(super) fn provider(
    ordinal: i32,
    precision: Precision,
    graphs: bool,
) -> ExecutionProviderDispatch {
    let cuda = ep::CUDA::default().with_device_id(ordinal).with_cuda_graph(graphs);
    // TF32 rounds to ten bits of mantissa: nobody who asks for fp32 means that.
    let cuda = cuda.with_tf32(precision != Precision::Fp32);
    cuda.build().error_on_failure()
}
