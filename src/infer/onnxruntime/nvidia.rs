//! What CUDA and TensorRT need of the machine.

use std::path::PathBuf;

use super::provider::missing;
use super::runtime::Runtime;
use crate::infer::error::InferError;
use crate::infer::gpu;
use crate::infer::options::{DeviceKind, EngineOptions, Precision, Provider};

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
            && let precision @ Precision::Bf16 = options.precision
        {
            let remedy = "use precision=fp16, or provider=tensorrt";
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
