//! NVIDIA's TensorRT: what its engines are built with, and where they are kept.

use std::path::Path;

use ort::ep;
use ort::session::builder::SessionBuilder;

use super::nvidia::Gpu;
use super::provider::{builder, with_providers};
use super::runtime::Runtime;
use super::{cuda, nvidia};
use crate::infer::engine_cache::Place;
use crate::infer::error::InferError;
use crate::infer::options::{EngineOptions, Precision, Provider};
use crate::infer::profile::Profile;
use crate::infer::request::Request;

/// A session builder for TensorRT; with `graphs` its runs are recorded and replayed.
pub(super) fn session(
    runtime: &Runtime,
    gpu: &Gpu,
    options: &EngineOptions,
    plan: &Plan,
    graphs: bool,
) -> Result<SessionBuilder, InferError> {
    let builder = builder(runtime, Provider::TensorRt, options)?;
    let precision = precision(options.precision);
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
    let rest = cuda::provider(gpu.ordinal, options.precision, false);
    with_providers(builder, Provider::TensorRt, [tensorrt, rest])
}

/// One engine: built before, to be built, or given as a file.
pub(super) struct Plan {
    built: Option<(Place, Profile)>,
}

impl Plan {
    /// # Errors
    /// Those of [`nvidia::engine_place`].
    pub(super) fn new(runtime: &Runtime, request: &Request<'_>) -> Result<Self, InferError> {
        if request.traits.is_compiled {
            return Ok(Self { built: None });
        }
        let place = nvidia::engine_place(
            runtime,
            request,
            Provider::TensorRt,
            precision(request.options.precision),
            nvidia::tensorrt_version(runtime),
        );
        Ok(Self { built: Some(place?) })
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
fn precision(asked: Precision) -> Precision {
    match asked {
        Precision::Auto => Precision::Fp16,
        asked => asked,
    }
}
