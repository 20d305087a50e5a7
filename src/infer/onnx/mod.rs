//! ONNX Runtime, the only back end: no other module names its crate.

mod bound;
mod load;
mod locate;
mod providers;
mod runtime;
mod tensorrt;
mod turns;

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{ptr, slice};

use ndarray::{CowArray, IxDyn};
use ort::AsPointer;
use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use self::bound::Bound;
use self::load::Request;
use self::runtime::Runtime;
use super::cancel::CancelToken;
use super::engine::Engine;
use super::engine::{Staged, Stager};
use super::engine_cache::Present;
use super::error::{InferError, panic_text};
use super::gpu;
use super::info::{ElementType, EngineInfo, TensorInfo};
use super::loading::Loading;
pub use super::log::{Severity, set_log_sink};
use super::options::{EngineOptions, Provider};
use super::outputs::Outputs;
use super::tensor::TensorIn;

/// A network in ONNX Runtime.
///
/// Loading flushes denormal numbers to zero on the loading thread, and a run on the running one:
/// ONNX Runtime computes on its caller's thread too and leaves the setting behind.
pub struct OnnxEngine {
    session: Session,
    info: EngineInfo,
    /// For providers with a memory of their own.
    bound: Option<Bound>,
    /// Of every run.
    options: Arc<RunOptions>,
}

/// Opens ONNX Runtime's library and returns its version, such as `1.32.0`.
///
/// # Errors
/// [`InferError::LibraryMissing`], [`InferError::LibraryUnusable`], [`InferError::LibraryTooOld`].
pub fn runtime_version() -> Result<String, InferError> {
    Ok(Runtime::get()?.version.clone())
}

/// What there is on this machine, beside `models`, that engines of TensorRT may have been built
/// for. What cannot be found out is left open; a model that cannot be read is none.
pub fn present(models: &[PathBuf]) -> Present {
    let runtime = Runtime::get().ok();
    Present {
        models_sha256: models.iter().filter_map(|m| crate::models::sha256(m).ok()).collect(),
        tensorrt: runtime.as_ref().and_then(|r| providers::tensorrt_version(r).ok()),
        driver: gpu::driver().ok(),
        runtime: runtime.map(|runtime| runtime.version.clone()),
        gpu_archs: gpu::architectures(),
    }
}

impl OnnxEngine {
    /// Loads an ONNX file, or an engine of TensorRT whose sidecar describes it.
    ///
    /// The first call in a process finds and opens ONNX Runtime: in the folder or file that
    /// `$M2SD_RUNTIME` or the library that `$ORT_DYLIB_PATH` names; in `.runtime` or
    /// `m2sd-runtime` beside the plugin or program and in up to three folders above; in
    /// `$XDG_DATA_HOME/m2sd/runtime`; in `/usr/lib/m2sd/runtime`; where the system's loader looks.
    /// Never in the working directory. OpenVINO's plug-in is taken from the same set-up.
    ///
    /// # Errors
    /// For the library, the provider, the precision and the file, each its own [`InferError`]. With
    /// [`Provider::Auto`] the error is the CPU's, as it is the last to be tried.
    /// [`InferError::Cancelled`] when the load's token is or becomes cancelled: as soon as the
    /// provider can stop, which for one that compiles the network as a whole is when that is done.
    pub fn load<'a>(
        path: &Path,
        options: &EngineOptions,
        loading: impl Into<Loading<'a>>,
    ) -> Result<Self, InferError> {
        let loading = loading.into();
        // Asked first, as it costs nothing, and as ONNX Runtime's words for it are its own.
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(unreadable(path, "it is not a file")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(InferError::ModelMissing { path: path.to_owned() });
            }
            Err(e) => return Err(unreadable(path, &e.to_string())),
        }
        let request = Request::new(path, options, loading)?;
        let runtime = Runtime::get()?;
        match options.provider {
            Provider::Auto => request.load_on_best(&runtime),
            provider => request.load_on(&runtime, provider),
        }
    }
}

fn unreadable(path: &Path, reason: &str) -> InferError {
    InferError::ModelUnreadable {
        path: path.to_owned(),
        reason: reason.trim_end_matches('.').to_owned(),
    }
}

/// Turns a panic of the binding into its message.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| panic_text(payload.as_ref()))
}

fn tensor_info(outlet: &Outlet) -> TensorInfo {
    let name = outlet.name().to_owned();
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            let dims = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
            let element = match ty {
                TensorElementType::Float32 => ElementType::F32,
                TensorElementType::Uint8 => ElementType::U8,
                other => ElementType::Other(other.to_string()),
            };
            TensorInfo { name, dims, element }
        }
        ValueType::Sequence(_) | ValueType::Map { .. } | ValueType::Optional(_) => {
            TensorInfo { name, dims: Vec::new(), element: ElementType::Other("no tensor".into()) }
        }
    }
}

/// Whom ONNX Runtime gave the nodes of a graph to, the one with the most first. This is asked
/// because several ways to choose a provider fall back to another one without a word.
fn assigned(session: &Session) -> ort::Result<Vec<String>> {
    let api = ort::api();
    let mut subgraphs = ptr::null();
    let mut count = 0;
    // SAFETY: the session is alive, and the out pointers are valid. ONNX Runtime answers with an
    // array of `count` subgraphs that belongs to the session.
    let subgraphs = unsafe {
        let status =
            (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &mut subgraphs, &mut count);
        ort::Error::result_from_status(status)?;
        if count == 0 { &[] } else { slice::from_raw_parts(subgraphs, count) }
    };
    let mut nodes_by_ep: Vec<(usize, String)> = Vec::new();
    for &subgraph in subgraphs {
        let (mut name, mut nodes, mut count) = (ptr::null(), ptr::null(), 0);
        // SAFETY: as above; the name is a C string that belongs to the session.
        let name = unsafe {
            let status = (api.EpAssignedSubgraph_GetEpName)(subgraph, &mut name);
            ort::Error::result_from_status(status)?;
            let status = (api.EpAssignedSubgraph_GetNodes)(subgraph, &mut nodes, &mut count);
            ort::Error::result_from_status(status)?;
            CStr::from_ptr(name).to_string_lossy().into_owned()
        };
        match nodes_by_ep.iter_mut().find(|(_, known)| *known == name) {
            Some((total, _)) => *total += count,
            None => nodes_by_ep.push((count, name)),
        }
    }
    nodes_by_ep.sort_by(|a, b| b.cmp(a));
    Ok(nodes_by_ep.into_iter().map(|(_, name)| name).collect())
}

impl Engine for OnnxEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let (session, bound) = (&mut self.session, &mut self.bound);
        cancellable(self.info.provider, &self.options, cancel, |options| match bound {
            Some(bound) => bound.run(session, inputs, outputs, options, cancel),
            None => run(session, inputs, outputs, options),
        })
    }

    fn stager(&mut self) -> Option<Box<dyn Stager>> {
        // Without one, inputs are copied when their run begins.
        self.bound.as_ref()?.stager(&self.session).ok()
    }

    fn run_staged(
        &mut self,
        staged: Staged,
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let (session, bound) = (&mut self.session, &mut self.bound);
        cancellable(self.info.provider, &self.options, cancel, |options| match bound {
            Some(bound) => bound.run_staged(session, &staged, outputs, options, cancel),
            None => Err(ort::Error::new("nothing is staged for it")),
        })
    }
}

/// Runs with `options`, through which `cancel` ends the run.
fn cancellable(
    provider: Provider,
    options: &Arc<RunOptions>,
    cancel: &CancelToken,
    run: impl FnOnce(&RunOptions) -> ort::Result<()>,
) -> Result<(), InferError> {
    let failed = |e: ort::Error| InferError::RunFailed { provider, reason: e.to_string() };
    // An earlier run may have been ended; its hook is gone.
    options.unterminate().map_err(failed)?;
    let _registered = cancel.on_cancel({
        let options = Arc::clone(options);
        move || {
            // It only raises a flag; should that fail, the run goes on to its end.
            let _may_fail = options.terminate();
        }
    })?;
    let ended = guarded(|| run(options));
    let ended = ended.unwrap_or_else(|panic| Err(ort::Error::new(panic)));
    ended.map_err(|error| match cancel.is_cancelled() {
        true => InferError::Cancelled,
        false => failed(error),
    })
}

fn run(
    session: &mut Session,
    inputs: &[TensorIn<'_>],
    outputs: &mut Outputs,
    options: &RunOptions,
) -> ort::Result<()> {
    let contiguous: Vec<_> = inputs.iter().map(Contiguous::of).collect();
    let values = contiguous.iter().map(|input| {
        Ok(match input {
            Contiguous::F32(values) => TensorRef::from_array_view(values)?.into(),
            Contiguous::U8(values) => TensorRef::from_array_view(values)?.into(),
        })
    });
    let values = values.collect::<ort::Result<Vec<SessionInputValue<'_>>>>()?;
    let found = session.run_with_options(values.as_slice(), options)?;
    for (place, value) in found.values().enumerate() {
        outputs.put(place, &value.try_extract_array()?);
    }
    outputs.truncate(found.len());
    Ok(())
}

/// An input as it lies in memory: row by row.
enum Contiguous<'a> {
    F32(CowArray<'a, f32, IxDyn>),
    U8(CowArray<'a, u8, IxDyn>),
}

impl<'a> Contiguous<'a> {
    fn of(input: &'a TensorIn<'_>) -> Self {
        match input {
            TensorIn::F32(values) => Self::F32(values.as_standard_layout()),
            TensorIn::U8(values) => Self::U8(values.as_standard_layout()),
        }
    }
}
