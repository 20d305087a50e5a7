//! What the providers have in common: their names, what to say where one is missing, and a session
//! builder's settings.

use ort::ep::ExecutionProviderDispatch;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::runtime::Runtime;
use crate::infer::error::InferError;
use crate::infer::options::{EngineOptions, Precision, Provider};
use crate::models::advice;

/// ONNX Runtime's name of a provider.
pub(super) fn ep_name(provider: Provider) -> &'static str {
    match provider {
        Provider::Auto | Provider::OpenVino | Provider::Kserve | Provider::Cpu => {
            "CPUExecutionProvider"
        }
        Provider::Cuda => "CUDAExecutionProvider",
        Provider::TensorRt => "TensorrtExecutionProvider",
        Provider::TensorRtRtx => "NvTensorRTRTXExecutionProvider",
    }
}

/// What a provider computes in where it was left the choice, as far as that is known.
pub(super) fn precision(provider: Provider, asked: Precision) -> Precision {
    match (provider, asked) {
        (Provider::Cpu, Precision::Auto) => Precision::Fp32,
        (Provider::TensorRt, Precision::Auto) => Precision::Fp16,
        (_, asked) => asked,
    }
}

pub(super) fn missing(provider: Provider, reason: String) -> InferError {
    let remedy = match provider {
        Provider::Auto | Provider::Cpu | Provider::OpenVino | Provider::Kserve => advice::set_up(),
        Provider::Cuda => "Install the NVIDIA driver, CUDA, cuDNN and the onnxruntime-gpu build, \
                           and point M2SD_RUNTIME at that build"
            .to_owned(),
        Provider::TensorRt => {
            "Install the NVIDIA driver, CUDA, TensorRT and the onnxruntime-gpu build, \
             and point M2SD_RUNTIME at that build"
                .to_owned()
        }
        Provider::TensorRtRtx => format!(
            "Install the NVIDIA driver, version 580 or newer. {} for its libraries",
            advice::make("setup GPU=1")
        ),
    };
    InferError::ProviderMissing { provider, reason, remedy }
}

/// A session builder with what every provider is told.
pub(super) fn builder(
    runtime: &Runtime,
    provider: Provider,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    let general = general(runtime, options.resolved_threads());
    general.map_err(|e| missing(provider, e.to_string()))
}

fn general(runtime: &Runtime, threads: usize) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        // Asked for by number, as the default also pins each thread to a core, and the engines of
        // a process would pin theirs to the same ones.
        .with_intra_threads(threads)?
        // A pool that spins after its run takes the cores from the engine that runs next.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // Trained landmark networks are twenty times slower on the denormals that they produce.
        .with_flush_to_zero()?
        .with_config_entry("session.record_ep_graph_assignment_info", "1")?;
    Ok(builder)
}

pub(super) fn with_providers<const N: usize>(
    builder: SessionBuilder,
    provider: Provider,
    providers: [ExecutionProviderDispatch; N],
) -> Result<SessionBuilder, InferError> {
    builder.with_execution_providers(providers).map_err(|e| missing(provider, e.to_string()))
}
