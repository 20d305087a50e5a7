//! What CUDA and TensorRT need of the machine.

use std::path::PathBuf;

use super::provider::missing;
use super::runtime::Runtime;
use crate::infer::engine_cache::{self, CacheKey, Machine, Place};
use crate::infer::error::InferError;
use crate::infer::gpu;
use crate::infer::guard::unreadable;
use crate::infer::options::{DeviceKind, EngineOptions, Precision, Provider};
use crate::infer::profile::Profile;
use crate::infer::request::Request;

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

/// The place of the engine that `provider` builds of a network for `precision`, with the TensorRT of
/// this version, and the shapes that it is built for.
///
/// # Errors
/// [`InferError::Cache`], [`InferError::Cancelled`]; [`InferError::ModelUnreadable`] for a file that
/// is no ONNX file; [`InferError::ProviderMissing`] where TensorRT or the driver does not say its
/// version.
pub(super) fn engine_place(
    runtime: &Runtime,
    request: &Request<'_>,
    provider: Provider,
    precision: Precision,
    tensorrt: Result<String, String>,
) -> Result<(Place, Profile), InferError> {
    let missing = |reason| missing(provider, reason);
    let profile = request.profile().ok_or_else(|| {
        unreadable(request.path, "it is no ONNX file, or leaves sizes open and has no role")
    })?;
    let model_sha256 = crate::models::sha256(&request.model)
        .map_err(|e| unreadable(request.path, &e.to_string()))?;
    let found = gpu::gpu(request.options.device.ordinal).map_err(missing)?;
    let key = CacheKey {
        model: request.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        model_sha256,
        provider,
        precision,
        profile: [profile.min(), profile.opt(), profile.max()],
        machine: Machine {
            tensorrt: tensorrt.map_err(missing)?,
            driver: found.driver,
            gpu_arch: found.arch,
            runtime: runtime.version.clone(),
        },
    };
    let root = engine_cache::root(&request.options, &request.model);
    Ok((Place::open(&root, key, request.loading.cancel)?, profile))
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
