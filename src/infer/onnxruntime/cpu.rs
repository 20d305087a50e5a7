//! ONNX Runtime's own CPU kernels.

use ort::session::builder::SessionBuilder;

use super::devices::on_device;
use super::provider::builder;
use super::runtime::Runtime;
use crate::infer::error::InferError;
use crate::infer::options::{EngineOptions, Precision, Provider};

/// A session builder that is bound to the CPU and to nothing else, so far as ONNX Runtime can be
/// bound.
pub(super) fn session(
    runtime: &Runtime,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    if let precision @ (Precision::Fp16 | Precision::Bf16) = options.precision {
        let remedy = "it computes in fp32: use precision=auto or fp32, or another provider";
        return Err(InferError::PrecisionUnsupported {
            provider: Provider::Cpu,
            precision,
            remedy,
        });
    }
    let builder = builder(runtime, Provider::Cpu, options)?;
    on_device(runtime, builder, Provider::Cpu, options, &[])
}
