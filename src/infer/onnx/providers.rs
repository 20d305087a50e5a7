//! How a session is told who shall run it.

use std::path::PathBuf;

use ort::ep::{self, ExecutionProviderDispatch};
use ort::memory::DeviceType;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::runtime::Runtime;
use super::tensorrt::{self, Plan};
use crate::infer::error::InferError;
use crate::infer::gpu;
use crate::infer::options::{DeviceKind, EngineOptions, Precision, Provider};

/// ONNX Runtime's name of a provider.
pub(super) fn ep_name(provider: Provider) -> &'static str {
    match provider {
        Provider::Auto | Provider::Cpu => "CPUExecutionProvider",
        Provider::OpenVino => "OpenVINOExecutionProvider",
        Provider::Cuda => "CUDAExecutionProvider",
        Provider::TensorRt => "TensorrtExecutionProvider",
    }
}

/// A session builder that is bound to a provider for the host and to nothing else, so far as
/// ONNX Runtime can be bound.
pub(super) fn on_host(
    runtime: &Runtime,
    provider: Provider,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    let builder = general_for(runtime, provider, options)?;
    match provider {
        Provider::OpenVino => openvino(runtime, builder, options),
        _ => cpu(runtime, builder, options),
    }
}

fn general_for(
    runtime: &Runtime,
    provider: Provider,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    let general = general(runtime, options.resolved_threads());
    general.map_err(|e| missing(provider, e.to_string()))
}

pub(super) fn missing(provider: Provider, reason: String) -> InferError {
    let remedy = match provider {
        Provider::Auto | Provider::Cpu => "Run `make setup` to install ONNX Runtime again",
        Provider::OpenVino => "Run `make setup` to install it",
        Provider::Cuda => {
            "Install the NVIDIA driver, CUDA, cuDNN and the onnxruntime-gpu build, \
             and point M2SD_RUNTIME at that build"
        }
        Provider::TensorRt => {
            "Install the NVIDIA driver, CUDA, TensorRT and the onnxruntime-gpu build, \
             and point M2SD_RUNTIME at that build"
        }
    };
    InferError::ProviderMissing { provider, reason, remedy }
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

fn cpu(
    runtime: &Runtime,
    builder: SessionBuilder,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    if let precision @ (Precision::Fp16 | Precision::Bf16) = options.precision {
        let remedy = "it computes in fp32: use precision=auto, or provider=openvino";
        return Err(InferError::PrecisionUnsupported {
            provider: Provider::Cpu,
            precision,
            remedy,
        });
    }
    on_devices(runtime, builder, Provider::Cpu, options, &[])
}

fn openvino(
    runtime: &Runtime,
    builder: SessionBuilder,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    if let Err(reason) = &runtime.openvino {
        return Err(missing(Provider::OpenVino, reason.clone()));
    }
    let key = format!("{}.load_config", ep_name(Provider::OpenVino));
    let entries = [(key, openvino_config(options))];
    on_devices(runtime, builder, Provider::OpenVino, options, &entries)
}

/// OpenVINO's own configuration, the only one of the plug-in's options that has an effect.
fn openvino_config(options: &EngineOptions) -> String {
    let mut entries = Vec::new();
    let device = match options.device.kind {
        None | Some(DeviceKind::Cpu) => {
            entries.push(("INFERENCE_NUM_THREADS", options.resolved_threads().to_string()));
            // Several engines share the cores; pinned, they would share the first one.
            entries.push(("ENABLE_CPU_PINNING", "NO".to_owned()));
            "CPU"
        }
        Some(DeviceKind::Gpu) => "GPU",
        Some(DeviceKind::Npu) => "NPU",
    };
    let hint = match options.precision {
        Precision::Auto | Precision::Int8 => None,
        Precision::Fp32 => Some("f32"),
        Precision::Fp16 => Some("f16"),
        Precision::Bf16 => Some("bf16"),
    };
    entries.extend(hint.map(|hint| ("INFERENCE_PRECISION_HINT", hint.to_owned())));
    let entries: Vec<_> = entries.iter().map(|(k, v)| format!(r#""{k}":"{v}""#)).collect();
    format!(r#"{{"{device}":{{{}}}}}"#, entries.join(","))
}

/// Binds to one device of a provider that ONNX Runtime lists devices for.
///
/// Nothing less pins the CPU provider: with the OpenVINO plug-in registered, a session built
/// without devices runs on OpenVINO, an explicit list of providers notwithstanding. An empty list
/// would mean the CPU.
fn on_devices(
    runtime: &Runtime,
    builder: SessionBuilder,
    provider: Provider,
    options: &EngineOptions,
    entries: &[(String, String)],
) -> Result<SessionBuilder, InferError> {
    let kind_of = |ty| match ty {
        DeviceType::GPU => DeviceKind::Gpu,
        DeviceType::NPU => DeviceKind::Npu,
        _ => DeviceKind::Cpu,
    };
    let devices: Vec<_> = runtime
        .environment
        .devices()
        .filter(|device| device.ep().is_ok_and(|ep| ep == ep_name(provider)))
        .map(|device| (kind_of(device.hardware_device().ty()), device))
        .collect();
    if devices.is_empty() {
        return Err(InferError::ProviderMissing {
            provider,
            reason: "it finds no device on this machine".to_owned(),
            remedy: match provider {
                Provider::OpenVino => "Its plug-in serves Intel hardware only: use provider=cpu",
                _ => "Use another provider",
            },
        });
    }
    let found = devices.iter().map(|(kind, _)| kind.to_string()).collect();
    let wanted = options.device.kind.unwrap_or(DeviceKind::Cpu);
    let mut matching = devices.into_iter().filter(|(kind, _)| *kind == wanted);
    match matching.nth(options.device.ordinal as usize) {
        Some((_, device)) => builder
            .with_devices([device], Some(entries))
            .map_err(|error| missing(provider, error.to_string())),
        None => Err(InferError::DeviceMissing { provider, device: options.device, found }),
    }
}

/// The GPU that a provider runs on.
pub(super) struct Gpu {
    pub ordinal: i32,
}

impl Gpu {
    /// The one that the options name, once it is clear that everything for the provider is there.
    ///
    /// # Errors
    /// [`InferError::ProviderMissing`] with all that is missing, [`InferError::DeviceMissing`],
    /// [`InferError::PrecisionUnsupported`].
    pub(super) fn find(
        runtime: &Runtime,
        provider: Provider,
        options: &EngineOptions,
    ) -> Result<Self, InferError> {
        if provider == Provider::Cuda
            && let precision @ (Precision::Fp16 | Precision::Bf16) = options.precision
        {
            let remedy = "it computes in the file's own: use precision=auto, or provider=tensorrt";
            return Err(InferError::PrecisionUnsupported { provider, precision, remedy });
        }
        let device = options.device;
        let (DeviceKind::Gpu, Ok(ordinal)) =
            (device.kind.unwrap_or(DeviceKind::Gpu), i32::try_from(device.ordinal))
        else {
            return Err(InferError::DeviceMissing { provider, device, found: vec!["gpu".into()] });
        };
        // All at once, as ONNX Runtime would tell of one file after the other.
        let mut lacking = Vec::new();
        lacking.extend(gpu::gpu(device.ordinal).err());
        let library = provider_library(runtime, provider);
        if let Some(library) = library.filter(|library| !library.is_file()) {
            let file = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let runtime = runtime.library.display();
            lacking.push(format!("{runtime} was built without it ({file})"));
        }
        if provider == Provider::TensorRt {
            lacking.extend(tensorrt_version(runtime).err());
        }
        if lacking.is_empty() {
            Ok(Self { ordinal })
        } else {
            Err(missing(provider, lacking.join("; ")))
        }
    }
}

/// Where ONNX Runtime's library for a GPU provider would be; `None` where its own was found by the
/// system's loader.
fn provider_library(runtime: &Runtime, provider: Provider) -> Option<PathBuf> {
    let file = match provider {
        Provider::TensorRt => "libonnxruntime_providers_tensorrt.so",
        _ => "libonnxruntime_providers_cuda.so",
    };
    runtime.library.is_absolute().then(|| runtime.library.with_file_name(file))
}

/// The version of the TensorRT that this ONNX Runtime uses.
pub(super) fn tensorrt_version(runtime: &Runtime) -> Result<String, String> {
    let library = provider_library(runtime, Provider::TensorRt).unwrap_or_default();
    gpu::tensorrt_version(&library)
}

/// A session builder for CUDA; with `graphs` its runs are recorded and replayed.
pub(super) fn cuda(
    runtime: &Runtime,
    gpu: &Gpu,
    options: &EngineOptions,
    graphs: bool,
) -> Result<SessionBuilder, InferError> {
    let builder = general_for(runtime, Provider::Cuda, options)?;
    let cuda = cuda_provider(gpu.ordinal, options.precision, graphs);
    with_providers(builder, Provider::Cuda, [cuda])
}

fn cuda_provider(ordinal: i32, precision: Precision, graphs: bool) -> ExecutionProviderDispatch {
    let cuda = ep::CUDA::default().with_device_id(ordinal).with_cuda_graph(graphs);
    // TF32 rounds to ten bits of mantissa: nobody who asks for fp32 means that.
    let cuda = cuda.with_tf32(precision != Precision::Fp32);
    cuda.build().error_on_failure()
}

/// A session builder for TensorRT; with `graphs` its runs are recorded and replayed.
pub(super) fn tensorrt(
    runtime: &Runtime,
    gpu: &Gpu,
    options: &EngineOptions,
    plan: &Plan,
    graphs: bool,
) -> Result<SessionBuilder, InferError> {
    let builder = general_for(runtime, Provider::TensorRt, options)?;
    let precision = tensorrt::precision(options.precision);
    let mut tensorrt = ep::TensorRT::default()
        .with_device_id(gpu.ordinal)
        .with_fp16(matches!(precision, Precision::Fp16 | Precision::Int8))
        .with_bf16(precision == Precision::Bf16)
        .with_int8(precision == Precision::Int8)
        // The sums of squares of a wide transformer overflow fp16.
        .with_layer_norm_fp32_fallback(true)
        .with_cuda_graph(graphs);
    if let Some((place, profile)) = plan.place() {
        let place = place.display();
        tensorrt = tensorrt
            .with_engine_cache(true)
            .with_engine_cache_path(&place)
            .with_timing_cache(true)
            .with_timing_cache_path(&place)
            .with_profile_min_shapes(profile.min())
            .with_profile_opt_shapes(profile.opt())
            .with_profile_max_shapes(profile.max());
    }
    let tensorrt = tensorrt.build().error_on_failure();
    // What TensorRT leaves over stays on the GPU. A graph is TensorRT's alone: it has every node.
    let rest = cuda_provider(gpu.ordinal, options.precision, false);
    with_providers(builder, Provider::TensorRt, [tensorrt, rest])
}

fn with_providers<const N: usize>(
    builder: SessionBuilder,
    provider: Provider,
    providers: [ExecutionProviderDispatch; N],
) -> Result<SessionBuilder, InferError> {
    builder.with_execution_providers(providers).map_err(|e| missing(provider, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openvino_is_told_threads_and_precision_in_json() {
        let options =
            EngineOptions { threads: 3, precision: Precision::Fp32, ..Default::default() };
        assert_eq!(
            openvino_config(&options),
            r#"{"CPU":{"INFERENCE_NUM_THREADS":"3","ENABLE_CPU_PINNING":"NO","INFERENCE_PRECISION_HINT":"f32"}}"#
        );
        let options = EngineOptions { device: "gpu".parse().unwrap(), ..Default::default() };
        assert_eq!(openvino_config(&options), r#"{"GPU":{}}"#);
    }
}
