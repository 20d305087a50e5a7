//! NVIDIA's CUDA. It takes each operator's arithmetic from the file, so a network is rewritten with
//! its products in half floats unless something else is asked for.

use std::path::{Path, PathBuf};

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
        let asked = request.options.precision;
        let as_it_is = |precision| {
            let file = request.model.to_path_buf();
            Ok(Self { file, precision, _folder: None })
        };
        if !matches!(asked, Precision::Auto | Precision::Fp16) {
            return as_it_is(asked);
        }
        let failed = |reason: String| unreadable(request.path, &reason);
        let folder =
            tempfile::tempdir().map_err(|e| failed(format!("no temporary folder: {e}")))?;
        let file = folder.path().join("half.onnx");
        match to_half(&request.model, &file, Attention::Fused) {
            Ok(()) => Ok(Self { file, precision: Precision::Fp16, _folder: Some(folder) }),
            Err(error) if asked == Precision::Auto && error.is_of_the_network() => {
                as_it_is(Precision::Fp32)
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.file
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
