//! NVIDIA's TensorRT for RTX, a plug-in provider: what it needs of the machine, and how its
//! sessions are made.
//!
//! It takes the arithmetic of every operator from the file, so a network is first rewritten with
//! its products in half floats. What it compiles of that is kept as an ONNX file, and what it
//! compiles for the GPU when that is loaded lies beside it; both are made once.

use std::fs;
use std::path::PathBuf;

use ort::session::builder::SessionBuilder;

use super::devices::on_device;
use super::nvidia;
use super::provider::{builder, ep_name, missing};
use super::runtime::Runtime;
use crate::infer::engine_cache::{COMPILED_FILE, Place};
use crate::infer::error::InferError;
use crate::infer::guard::unreadable;
use crate::infer::loading::LoadStep;
use crate::infer::options::{EngineOptions, Precision, Provider};
use crate::infer::profile::Profile;
use crate::infer::request::Request;
use crate::models::onnx::{Attention, forget_compatibility, to_half};

/// The network in half floats, while it is being compiled.
const HALF_FILE: &str = "half.onnx";
/// Says what the compiled network computes in.
const PRECISION_FILE: &str = "precision.txt";

/// Sessions of one network: compiled before, or to be compiled.
pub(super) struct Plan {
    place: Place,
    profile: Profile,
    asked: Precision,
}

impl Plan {
    /// # Errors
    /// [`InferError::ProviderMissing`] with all that is missing, [`InferError::PrecisionUnsupported`],
    /// [`InferError::Cache`], [`InferError::Cancelled`], and [`InferError::ModelUnreadable`] for a
    /// file that is no ONNX file or cannot be rewritten in the precision that was asked for.
    pub(super) fn new(runtime: &Runtime, request: &Request<'_>) -> Result<Self, InferError> {
        let asked = request.options.precision;
        if asked == Precision::Bf16 {
            return Err(InferError::PrecisionUnsupported {
                provider: Provider::TensorRtRtx,
                precision: asked,
                remedy: "use precision=fp16, or provider=tensorrt",
            });
        }
        let name = ep_name(Provider::TensorRtRtx);
        let registered = runtime.tensorrt_rtx.register(&runtime.environment, name);
        registered.map_err(|reason| missing(Provider::TensorRtRtx, reason))?;
        let version = runtime.tensorrt_rtx.version();
        let (place, profile) =
            nvidia::engine_place(runtime, request, Provider::TensorRtRtx, asked, version)?;
        Ok(Self { place, profile, asked })
    }

    pub(super) fn is_built(&self) -> bool {
        self.place.is_built()
    }

    pub(super) fn forget(&self) -> Result<(), InferError> {
        self.place.clear()
    }

    /// What was compiled was loaded, and computes in `precision`: from now on it counts as built.
    ///
    /// # Errors
    /// [`InferError::Cache`].
    pub(super) fn finish(&self, precision: Precision) -> Result<(), InferError> {
        if self.is_built() {
            return Ok(());
        }
        let dir = self.place.dir();
        let compiled = dir.join(COMPILED_FILE);
        // The place's key says what it is for. The file says no of a GPU that the provider runs on
        // and does not support, and was refused there: it was compiled again at every load.
        if compiled.is_file() {
            forget_compatibility(&compiled).map_err(|error| InferError::Cache {
                path: compiled,
                source: std::io::Error::other(error),
            })?;
        }
        // As large as the network, and done with.
        let _may_be_missing = fs::remove_file(dir.join(HALF_FILE));
        fs::write(dir.join(PRECISION_FILE), precision.as_str())
            .map_err(|source| InferError::Cache { path: dir.to_owned(), source })?;
        self.place.finish()
    }

    /// The file to load, what was compiled or what is to be, and the arithmetic of that.
    ///
    /// # Errors
    /// [`InferError::ModelUnreadable`] for a network that cannot be rewritten as was asked.
    pub(super) fn source(&self, request: &Request<'_>) -> Result<(PathBuf, Precision), InferError> {
        let dir = self.place.dir();
        if self.is_built() {
            let text = fs::read_to_string(dir.join(PRECISION_FILE)).unwrap_or_default();
            let precision = text.trim().parse().unwrap_or(self.asked);
            return Ok((dir.join(COMPILED_FILE), precision));
        }
        request.loading.tell(LoadStep::Building { model: request.path });
        let original = || request.model.to_path_buf();
        if matches!(self.asked, Precision::Fp32 | Precision::Int8) {
            return Ok((original(), self.asked));
        }
        let half = dir.join(HALF_FILE);
        match to_half(&request.model, &half, Attention::AsItIs) {
            Ok(()) => Ok((half, Precision::Fp16)),
            // What cannot be rewritten computes as it is, unless half floats were asked for.
            Err(error) if self.asked == Precision::Auto && error.is_of_the_network() => {
                Ok((original(), Precision::Fp32))
            }
            Err(error) => Err(unreadable(request.path, &error.to_string())),
        }
    }
}

/// A session builder for TensorRT for RTX.
pub(super) fn session(
    runtime: &Runtime,
    options: &EngineOptions,
    plan: &Plan,
) -> Result<SessionBuilder, InferError> {
    let place = plan.place.dir();
    let entry = |key: &str, value: String| {
        // The binding wants the provider's name before each of its options.
        (format!("{}.{key}", ep_name(Provider::TensorRtRtx)), value)
    };
    let entries = [
        entry("nv_profile_min_shapes", plan.profile.min()),
        entry("nv_profile_opt_shapes", plan.profile.opt()),
        entry("nv_profile_max_shapes", plan.profile.max()),
        entry("nv_runtime_cache_path", place.display().to_string()),
    ];
    let mut builder = builder(runtime, Provider::TensorRtRtx, options)?;
    if !plan.is_built() {
        let compiled = place.join(COMPILED_FILE).display().to_string();
        let keep = [
            ("ep.context_enable", "1"),
            ("ep.context_file_path", compiled.as_str()),
            ("ep.context_embed_mode", "1"),
        ];
        for (key, value) in keep {
            builder = builder
                .with_config_entry(key, value)
                .map_err(|e| missing(Provider::TensorRtRtx, e.to_string()))?;
        }
    }
    on_device(runtime, builder, Provider::TensorRtRtx, options, &entries)
}
