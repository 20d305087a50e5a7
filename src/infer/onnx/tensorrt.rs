//! What TensorRT is to build, and where it keeps that.

use std::path::Path;

use super::load::Request;
use super::providers::Gpu;
use super::runtime::Runtime;
use super::unreadable;
use crate::infer::engine_cache::{self, EngineFacts, Machine, Place};
use crate::infer::error::InferError;
use crate::infer::gpu;
use crate::infer::options::{Precision, Provider};
use crate::infer::profile::Profile;

/// One engine: built before, to be built, or given as a file.
pub(super) struct Plan {
    built: Option<(Place, Profile)>,
}

impl Plan {
    /// # Errors
    /// [`InferError::Cache`], [`InferError::Cancelled`]; [`InferError::ModelUnreadable`] for a file
    /// that is no ONNX file; [`InferError::ProviderMissing`] where TensorRT or the driver does not
    /// say its version.
    pub(super) fn new(
        runtime: &Runtime,
        gpu: &Gpu,
        request: &Request<'_>,
    ) -> Result<Self, InferError> {
        if request.nature.is_compiled {
            return Ok(Self { built: None });
        }
        let profile = request.profile().ok_or_else(|| {
            unreadable(request.path, "it is no ONNX file, or leaves sizes open and has no role")
        })?;
        let model_sha256 = crate::models::sha256(&request.model)
            .map_err(|e| unreadable(request.path, &e.to_string()))?;
        let facts = EngineFacts {
            model: request.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            model_sha256,
            precision: precision(request.options.precision),
            profile: [profile.min(), profile.opt(), profile.max()],
            machine: machine(runtime, gpu)?,
        };
        let root = engine_cache::root(&request.options, &request.model);
        let place = Place::open(&root, facts, request.loading.cancel)?;
        Ok(Self { built: Some((place, profile)) })
    }

    /// Whether no engine has to be built.
    pub(super) fn is_built(&self) -> bool {
        self.built.as_ref().is_none_or(|(place, _)| place.is_built())
    }

    /// Where the engine is or will be, and its shapes; `None` for one that was given as a file.
    pub(super) fn place(&self) -> Option<(&Path, &Profile)> {
        self.built.as_ref().map(|(place, profile)| (place.dir(), profile))
    }

    /// Removes the engine, so that it is built again.
    pub(super) fn forget(&self) -> Result<(), InferError> {
        self.built.as_ref().map_or(Ok(()), |(place, _)| place.clear())
    }

    /// The engine was loaded: from now on it counts as built.
    pub(super) fn finish(&self) -> Result<(), InferError> {
        match &self.built {
            Some((place, _)) if !place.is_built() => place.finish(),
            _ => Ok(()),
        }
    }
}

/// The arithmetic of an engine: half floats unless something else is asked for or the network is
/// quantised.
pub(super) fn precision(asked: Precision) -> Precision {
    match asked {
        Precision::Auto => Precision::Fp16,
        asked => asked,
    }
}

fn machine(runtime: &Runtime, gpu: &Gpu) -> Result<Machine, InferError> {
    let missing = |reason| super::providers::missing(Provider::TensorRt, reason);
    let found = gpu::gpu(gpu.ordinal.unsigned_abs()).map_err(missing)?;
    Ok(Machine {
        tensorrt: super::providers::tensorrt_version(runtime).map_err(missing)?,
        driver: found.driver,
        gpu_arch: found.arch,
        runtime: runtime.version.clone(),
    })
}
