//! NVIDIA's CUDA.

use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;

use super::nvidia::Gpu;
use super::provider::{builder, with_providers};
use super::runtime::Runtime;
use crate::infer::error::InferError;
use crate::infer::options::{EngineOptions, Precision, Provider};

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
