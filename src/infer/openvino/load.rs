//! A model's way into a device.

use std::ffi::CStr;
use std::path::Path;

use super::api::{ApiError, CompiledModel, Core};
use super::cache::{Key, Place};
use super::config::{PRECISION_HINT, Target, precision_of, settings};
use super::engine::OpenVinoEngine;
use super::{missing, runtime};
use crate::infer::engine_cache;
use crate::infer::error::InferError;
use crate::infer::guard::{guarded, unreadable};
use crate::infer::info::EngineInfo;
use crate::infer::options::{Precision, Provider};
use crate::infer::request::Request;

const CACHE_DIR: &CStr = c"CACHE_DIR";

/// Loads the network on the device that the options name.
///
/// # Errors
/// For the library, the device, the precision and the file, each its own [`InferError`];
/// [`InferError::Cancelled`] before OpenVINO has begun or when it is done, as it cannot stop.
pub(in crate::infer) fn load(request: &Request<'_>) -> Result<OpenVinoEngine, InferError> {
    let version = runtime::open()?;
    guarded(|| of_version(request, &version)).unwrap_or_else(|panic| Err(missing(panic)))
}

fn of_version(request: &Request<'_>, version: &str) -> Result<OpenVinoEngine, InferError> {
    let absent = |error: ApiError| missing(error.to_string());
    // One for each engine, as what is set there holds for all that it compiles.
    let core = Core::new().map_err(absent)?;
    let target = Target::find(&core, request.options.device)?;
    let settings = settings(&core, &target, &request.options, request.loading.role)?;
    for (key, value) in &settings {
        core.set(&target.name, key, value).map_err(absent)?;
    }
    let arithmetic = settings.iter().find(|(key, _)| *key == PRECISION_HINT);
    let key = Key {
        model: &request.model,
        device: &target.name,
        arithmetic: arithmetic.map_or("", |(_, value)| value),
        openvino: version,
    };
    let root = engine_cache::root(&request.options, &request.model);
    let place = Place::open(&root, &key, request.loading.cancel)?;
    let ended =
        || if request.loading.cancel.is_cancelled() { Err(InferError::Cancelled) } else { Ok(()) };
    ended()?;
    let model = compile(&core, &target.name, &request.model, place.as_ref());
    if let Some(place) = place.as_ref().filter(|_| model.is_ok()) {
        place.finish();
    }
    drop(place);
    ended()?;
    let failed = |error: ApiError| unreadable(request.path, &format!("openvino: {error}"));
    let model = model.map_err(failed)?;
    let info = info(request, version, &model).map_err(failed)?;
    OpenVinoEngine::new(core, model, info).map_err(failed)
}

/// Compiles, or takes what was compiled before.
fn compile(
    core: &Core,
    device: &str,
    model: &Path,
    place: Option<&Place>,
) -> Result<CompiledModel, ApiError> {
    let dir = place.and_then(|place| place.dir.to_str());
    if let Some(dir) = dir
        && core.set(device, CACHE_DIR, dir).is_ok()
    {
        if let Ok(model) = core.compile(model, device) {
            return Ok(model);
        }
        // A full disk, say, which is no reason to fail.
        core.set(device, CACHE_DIR, "")?;
    }
    core.compile(model, device)
}

fn info(
    request: &Request<'_>,
    version: &str,
    model: &CompiledModel,
) -> Result<EngineInfo, ApiError> {
    let asked = request.options.precision;
    let precision = match asked {
        Precision::Int8 => Precision::Int8,
        // What it computes in, whatever it was asked for.
        asked => precision_of(&model.get(PRECISION_HINT)?).unwrap_or(asked),
    };
    let devices = model.get(c"EXECUTION_DEVICES")?;
    Ok(EngineInfo {
        model: request.path.display().to_string(),
        inputs: model.inputs()?,
        outputs: model.outputs()?,
        largest_batch: None,
        provider: Provider::OpenVino,
        precision,
        assigned: devices.split_whitespace().map(str::to_owned).collect(),
        runtime: format!("OpenVINO {version}"),
        passed_over: request.passed_over.clone(),
    })
}
