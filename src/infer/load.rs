//! A model's way to an engine: which provider loads it.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use super::engine::Engine;
use super::error::InferError;
use super::gpu::architectures;
use super::loading::Loading;
use super::locate::{Library, ONNX_RUNTIME, OPENVINO};
use super::metered::Metered;
use super::options::{EngineOptions, Provider};
use super::padded::Padded;
use super::request::Request;
use super::{onnxruntime, openvino};
use crate::core::modelinfo::Role;
use crate::models::ModelSource;
use crate::models::remote::RemoteModel;

/// Loads an ONNX file, or an engine of TensorRT whose sidecar describes it; or has servers run a network
/// that they have.
///
/// The first call in a process finds and opens a provider's library: in the folder or file that
/// `$M2SD_RUNTIME` or the library that `$ORT_DYLIB_PATH` names; in `.runtime` or `m2sd-runtime`
/// beside the plugin or program and in up to three folders above; in `$XDG_DATA_HOME/m2sd/runtime`;
/// in `/usr/lib/m2sd/runtime`; where the system's loader looks. Never in the working directory.
///
/// # Errors
/// For the library, the provider, the precision and the file, each its own [`InferError`]. With
/// [`Provider::Auto`] the error is the CPU's, as it is the last to be tried, or
/// [`InferError::NoneWorks`] where none has the precision or the device.
/// [`InferError::Cancelled`] when the load's token is or becomes cancelled: as soon as the provider
/// can stop, which for one that compiles the network as a whole is when that is done.
///
/// # Examples
/// ```no_run
/// use std::path::Path;
///
/// use gstm2sd::infer::{CancelToken, EngineOptions, InferError, Outputs, TensorIn, load_engine};
///
/// fn main() -> Result<(), InferError> {
///     let cancel = CancelToken::new();
///     let mut engine =
///         load_engine(Path::new("engines/pfld_112.onnx"), &EngineOptions::default(), &cancel)?;
///     println!("{} on {}: {:?}", engine.info().model, engine.info().provider, engine.info().inputs);
///     let face = ndarray::ArrayD::zeros(vec![1, 3, 112, 112]);
///     let mut outputs = Outputs::default();
///     engine.run(&[TensorIn::F32(face.view())], &mut outputs, &cancel)?;
///     println!("{:?} landmarks", outputs.get(0).map(|points| points.len() / 2));
///     Ok(())
/// }
/// ```
pub fn load_engine<'a>(
    source: impl Into<ModelSource>,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Box<dyn Engine>, InferError> {
    let (source, loading) = (source.into(), loading.into());
    let engine = match &source {
        ModelSource::File(path) if options.provider == Provider::Kserve => {
            return Err(InferError::NotRemote { path: path.clone() });
        }
        ModelSource::File(path) => load_file(path, options, loading)?,
        ModelSource::Remote(model) => load_remote(model, loading)?,
    };
    Ok(Box::new(Metered::new(engine, source)))
}

#[cfg(feature = "kserve")]
fn load_remote(
    model: &Arc<RemoteModel>,
    loading: Loading<'_>,
) -> Result<Box<dyn Engine>, InferError> {
    Ok(Box::new(super::kserve::load(model, loading.cancel)?))
}

#[cfg(not(feature = "kserve"))]
fn load_remote(model: &Arc<RemoteModel>, _: Loading<'_>) -> Result<Box<dyn Engine>, InferError> {
    Err(InferError::NoRemotes { model: model.to_string() })
}

fn load_file(
    path: &Path,
    options: &EngineOptions,
    loading: Loading<'_>,
) -> Result<Box<dyn Engine>, InferError> {
    let mut request = Request::new(path, options, loading)?;
    match options.provider {
        Provider::Auto if request.traits.is_compiled => load_on(&request, Provider::TensorRt),
        Provider::Auto => load_on_best(&mut request),
        provider => load_on(&request, provider),
    }
}

/// Opens the library that a provider needs; for [`Provider::Auto`] one of them is enough.
///
/// # Errors
/// [`InferError::LibraryMissing`], [`InferError::LibraryUnusable`], [`InferError::LibraryTooOld`].
pub fn check_library(provider: Provider) -> Result<(), InferError> {
    let onnxruntime = || onnxruntime::version().map(|_| ());
    let openvino = || openvino::version().map(|_| ());
    match provider {
        Provider::Auto => onnxruntime().or_else(|error| openvino().map_err(|_| error)),
        Provider::OpenVino => openvino(),
        Provider::Kserve => Ok(()),
        _ => onnxruntime(),
    }
}

/// The libraries that are there and their versions, such as `ONNX Runtime 1.32.0` and `OpenVINO
/// 2026.4.1`.
pub fn runtimes() -> Vec<String> {
    let named = |library: &Library, version: Result<String, InferError>| {
        version.ok().map(|version| format!("{} {version}", library.name))
    };
    let onnxruntime = named(&ONNX_RUNTIME, onnxruntime::version());
    onnxruntime.into_iter().chain(named(&OPENVINO, openvino::version())).collect()
}

/// Why TensorRT for RTX is not chosen by itself on a machine with these GPUs. It loads on those of data
/// centres, which it does not support, and there its scores of several clips in a run were off by 0.013.
fn unsupported_by_rtx(architectures: &[String]) -> Option<String> {
    const DATA_CENTRE: [&str; 4] = ["sm_80", "sm_90", "sm_100", "sm_103"];
    let arch = architectures.iter().find(|arch| DATA_CENTRE.contains(&arch.as_str()))?;
    Some(format!(
        "tensorrt-rtx does not support this GPU ({arch}), and computes wrongly there; it runs if it is \
         named, with batch-size=1"
    ))
}

/// Loads on the first provider that works.
fn load_on_best(request: &mut Request<'_>) -> Result<Box<dyn Engine>, InferError> {
    for provider in Provider::PREFERENCE.into_iter().filter(|p| *p != Provider::Cpu) {
        if provider == Provider::TensorRtRtx
            && let Some(reason) = unsupported_by_rtx(&architectures())
        {
            request.passed_over.push(reason);
            continue;
        }
        match load_on(request, provider) {
            Err(InferError::Cancelled) => return Err(InferError::Cancelled),
            Err(error) => request.passed_over.push(error.to_string()),
            loaded => return loaded,
        }
    }
    let loaded = load_on(request, Provider::Cpu);
    match loaded {
        // The processor cannot, and why the others could not is worth as much.
        Err(
            error @ (InferError::PrecisionUnsupported { .. } | InferError::DeviceMissing { .. }),
        ) => {
            request.passed_over.push(error.to_string());
            let (precision, device) = (request.options.precision, request.options.device);
            let reasons = std::mem::take(&mut request.passed_over);
            Err(InferError::NoneWorks { precision, device, reasons })
        }
        loaded => loaded,
    }
}

fn padded(engine: impl Engine + 'static, size: usize) -> Box<dyn Engine> {
    match NonZeroUsize::new(size) {
        Some(size) => Box::new(Padded::new(engine, size)),
        None => Box::new(engine),
    }
}

fn load_on(request: &Request<'_>, provider: Provider) -> Result<Box<dyn Engine>, InferError> {
    if request.traits.is_compiled && provider != Provider::TensorRt {
        return Err(InferError::Compiled { path: request.path.to_owned(), asked: provider });
    }
    Ok(match provider {
        Provider::OpenVino => Box::new(openvino::load(request)?),
        // It plans its convolutions anew whenever their shapes are others than before, which for an
        // aligner is whenever the number of faces is.
        Provider::Cuda if request.loading.role == Some(Role::Aligner) => {
            let engine = onnxruntime::load(request, provider)?;
            match request.profile().filter(|profile| !profile.is_fixed()) {
                Some(profile) => padded(engine, profile.largest_batch()),
                None => Box::new(engine),
            }
        }
        provider => Box::new(onnxruntime::load(request, provider)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensorrt_for_rtx_is_chosen_by_itself_on_gpus_that_it_supports() {
        for (architectures, is_chosen) in [
            (vec![], true),
            (vec!["sm_86"], true),
            (vec!["sm_89", "sm_120"], true),
            (vec!["sm_90"], false),
            (vec!["sm_120", "sm_80"], false),
        ] {
            let architectures: Vec<_> = architectures.iter().map(ToString::to_string).collect();
            let reason = unsupported_by_rtx(&architectures);
            assert_eq!(reason.is_none(), is_chosen, "{architectures:?}: {reason:?}");
        }
    }
}
