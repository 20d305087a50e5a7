//! How a session is told who shall run it.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ort::ep::{self, ExecutionProviderDispatch};
use ort::memory::DeviceType;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::runtime::Runtime;
use crate::infer::error::InferError;
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

/// A session builder for `model` that is bound to `provider` and to nothing else, so far as
/// ONNX Runtime can be bound.
pub(super) fn builder(
    runtime: &Runtime,
    provider: Provider,
    options: &EngineOptions,
    model: &Path,
) -> Result<SessionBuilder, InferError> {
    let general = general(runtime, options.resolved_threads());
    let builder = general.map_err(|e| missing(provider, e.to_string()))?;
    match provider {
        Provider::Auto | Provider::Cpu => cpu(runtime, builder, options),
        Provider::OpenVino => openvino(runtime, builder, options),
        Provider::Cuda => cuda(runtime, builder, options),
        Provider::TensorRt => tensorrt(runtime, builder, options, model),
    }
}

fn missing(provider: Provider, reason: String) -> InferError {
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

fn cuda(
    runtime: &Runtime,
    builder: SessionBuilder,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    if let precision @ (Precision::Fp16 | Precision::Bf16) = options.precision {
        let remedy = "it computes in the file's own: use precision=auto, or provider=tensorrt";
        let provider = Provider::Cuda;
        return Err(InferError::PrecisionUnsupported { provider, precision, remedy });
    }
    let ordinal = gpu_ordinal(runtime, Provider::Cuda, options)?;
    let cuda = cuda_provider(ordinal, options.precision);
    with_providers(builder, Provider::Cuda, [cuda])
}

fn cuda_provider(ordinal: i32, precision: Precision) -> ExecutionProviderDispatch {
    let cuda = ep::CUDA::default().with_device_id(ordinal);
    // TF32 rounds to ten bits of mantissa: nobody who asks for fp32 means that.
    let cuda = cuda.with_tf32(precision != Precision::Fp32);
    cuda.build().error_on_failure()
}

fn tensorrt(
    runtime: &Runtime,
    builder: SessionBuilder,
    options: &EngineOptions,
    model: &Path,
) -> Result<SessionBuilder, InferError> {
    let provider = Provider::TensorRt;
    let ordinal = gpu_ordinal(runtime, provider, options)?;
    let cache = engine_cache(options, model);
    std::fs::create_dir_all(&cache)
        .map_err(|e| missing(provider, format!("its cache {}: {e}", cache.display())))?;
    let cache = cache.display();
    let precision = options.precision;
    let tensorrt = ep::TensorRT::default()
        .with_device_id(ordinal)
        .with_fp16(matches!(precision, Precision::Auto | Precision::Fp16 | Precision::Int8))
        .with_bf16(precision == Precision::Bf16)
        .with_int8(precision == Precision::Int8)
        // The sums of squares of a wide transformer overflow fp16.
        .with_layer_norm_fp32_fallback(true)
        .with_engine_cache(true)
        .with_engine_cache_path(&cache)
        .with_timing_cache(true)
        .with_timing_cache_path(&cache)
        .build()
        .error_on_failure();
    // What TensorRT leaves over stays on the GPU.
    with_providers(builder, provider, [tensorrt, cuda_provider(ordinal, precision)])
}

/// A folder for the engines of one state of one file: TensorRT's cache names the graph, not its
/// weights, and would run a retrained model with the old ones.
fn engine_cache(options: &EngineOptions, model: &Path) -> PathBuf {
    let root = options.cache_dir.clone();
    let root = root.unwrap_or_else(|| model.parent().unwrap_or(Path::new(".")).join("cache"));
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let state = std::fs::metadata(model).ok();
    let bytes = state.as_ref().map_or(0, |s| s.len());
    let modified = state.and_then(|s| s.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    root.join(format!("{stem}-{bytes:x}-{:x}", modified.unwrap_or_default().as_nanos()))
}

/// The GPU to use, once it is clear that this build of ONNX Runtime knows the provider.
fn gpu_ordinal(
    runtime: &Runtime,
    provider: Provider,
    options: &EngineOptions,
) -> Result<i32, InferError> {
    let file = match provider {
        Provider::TensorRt => "libonnxruntime_providers_tensorrt.so",
        _ => "libonnxruntime_providers_cuda.so",
    };
    let device = options.device;
    let ordinal = i32::try_from(device.ordinal).ok();
    match (device.kind.unwrap_or(DeviceKind::Gpu), ordinal) {
        (DeviceKind::Gpu, Some(ordinal)) => {
            // Said here, as ONNX Runtime's own message is about files.
            if runtime.library.is_absolute() && !runtime.library.with_file_name(file).is_file() {
                let library = runtime.library.display();
                return Err(missing(provider, format!("{library} was built without it ({file})")));
            }
            Ok(ordinal)
        }
        _ => Err(InferError::DeviceMissing { provider, device, found: vec!["gpu".into()] }),
    }
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

    #[test]
    fn another_state_of_a_file_has_another_cache() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("net.onnx");
        let cache = || engine_cache(&EngineOptions::default(), &model);
        std::fs::write(&model, "one").unwrap();
        let before = cache();
        assert!(before.starts_with(dir.path().join("cache")));
        assert_eq!(before, cache());
        std::fs::write(&model, "other").unwrap();
        assert_ne!(before, cache());
    }
}
