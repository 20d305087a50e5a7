//! ONNX Runtime, the only back end: no other module names its crate.

mod locate;
mod providers;
mod runtime;

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::{ptr, slice};

use ndarray::{ArrayD, CowArray, IxDyn};
use ort::AsPointer;
use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use self::runtime::Runtime;
pub use self::runtime::{Severity, set_log_sink};
use super::cancel::CancelToken;
use super::error::{InferError, panic_text};
use super::options::{EngineOptions, Precision, Provider};
use super::{ElementType, Engine, EngineInfo, TensorIn, TensorInfo};
use crate::core::onnx::Nature;

/// A network in ONNX Runtime.
///
/// Loading flushes denormal numbers to zero on the loading thread, and a run on the running one:
/// ONNX Runtime computes on its caller's thread too and leaves the setting behind.
pub struct OnnxEngine {
    session: Session,
    info: EngineInfo,
}

/// Opens ONNX Runtime's library and returns its version, such as `1.32.0`.
///
/// # Errors
/// [`InferError::LibraryMissing`], [`InferError::LibraryUnusable`], [`InferError::LibraryTooOld`].
pub fn runtime_version() -> Result<String, InferError> {
    Ok(Runtime::get()?.version.clone())
}

impl OnnxEngine {
    /// Loads an ONNX file. The first call in a process finds and opens ONNX Runtime: in the
    /// folder or file that `$M2SD_RUNTIME` or the library that `$ORT_DYLIB_PATH` names; in
    /// `./.runtime`; in `.runtime` or `m2sd-runtime` beside the plugin or program and in up to
    /// three folders above; in `$XDG_DATA_HOME/m2sd/runtime`; in `/usr/lib/m2sd/runtime`; where
    /// the system's loader looks. OpenVINO's plug-in is taken from the same set-up.
    ///
    /// # Errors
    /// For the library, the provider, the precision and the file, each its own [`InferError`]. With
    /// [`Provider::Auto`] the error is the CPU's, as it is the last to be tried.
    /// [`InferError::Cancelled`] when `cancel` is or becomes cancelled: as soon as the provider can
    /// stop, which for one that compiles the network as a whole is when that is done.
    pub fn load(
        path: &Path,
        options: &EngineOptions,
        cancel: &CancelToken,
    ) -> Result<Self, InferError> {
        // Asked first, as it costs nothing, and as ONNX Runtime's words for it are its own.
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(unreadable(path, "it is not a file")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(InferError::ModelMissing { path: path.to_owned() });
            }
            Err(e) => return Err(unreadable(path, &e.to_string())),
        }
        let runtime = Runtime::get()?;
        let precision = precision(path, options.precision)?;
        let options = &EngineOptions { precision, ..options.clone() };
        if options.provider != Provider::Auto {
            return Self::load_on(&runtime, options.provider, path, options, cancel);
        }
        let mut passed_over = Vec::new();
        for provider in Provider::PREFERENCE.into_iter().filter(|p| *p != Provider::Cpu) {
            match Self::load_on(&runtime, provider, path, options, cancel) {
                Ok(engine) => return Ok(engine.having_passed_over(passed_over)),
                Err(InferError::Cancelled) => return Err(InferError::Cancelled),
                Err(error) => passed_over.push(error.to_string()),
            }
        }
        let engine = Self::load_on(&runtime, Provider::Cpu, path, options, cancel)?;
        Ok(engine.having_passed_over(passed_over))
    }

    fn having_passed_over(mut self, passed_over: Vec<String>) -> Self {
        self.info.passed_over = passed_over;
        self
    }

    fn load_on(
        runtime: &Runtime,
        provider: Provider,
        path: &Path,
        options: &EngineOptions,
        cancel: &CancelToken,
    ) -> Result<Self, InferError> {
        let mut builder = providers::builder(runtime, provider, options, path)?;
        let canceler = builder.canceler();
        let registered = cancel.on_cancel(move || {
            // It only raises a flag; should that fail, the load goes on to its end.
            let _may_fail = canceler.cancel();
        })?;
        // The binding panics on kinds of inputs and outputs that it does not know.
        let loaded = guarded(|| builder.commit_from_file(path));
        drop(registered);
        if cancel.is_cancelled() {
            return Err(InferError::Cancelled);
        }
        let session = loaded
            .map_err(|panic| unreadable(path, &panic))?
            .map_err(|error| unreadable(path, &format!("{provider}: {error}")))?;
        let assigned = assigned(&session).map_err(|e| unreadable(path, &e.to_string()))?;
        let name = providers::ep_name(provider);
        let right = match provider {
            Provider::Cpu => assigned.iter().all(|used| used == name),
            // What it cannot run goes to the CPU; a graph of constants has nothing to give.
            _ => assigned.is_empty() || assigned.iter().any(|used| used == name),
        };
        if !right {
            return Err(InferError::ProviderNotUsed { asked: provider, used: assigned });
        }
        let info = EngineInfo {
            model: path.display().to_string(),
            inputs: session.inputs().iter().map(tensor_info).collect(),
            outputs: session.outputs().iter().map(tensor_info).collect(),
            largest_batch: None,
            provider,
            precision: options.precision,
            assigned,
            runtime: format!("ONNX Runtime {}", runtime.version),
            passed_over: Vec::new(),
        };
        Ok(Self { session, info })
    }
}

/// The arithmetic of the file at `path`: that of a quantised one is its own, and told to the
/// provider before it loads, as TensorRT has to know.
fn precision(path: &Path, asked: Precision) -> Result<Precision, InferError> {
    match (asked, Nature::of(path).map(|nature| nature.is_quantised)) {
        (Precision::Auto | Precision::Int8, Ok(true)) => Ok(Precision::Int8),
        (asked, Ok(true)) => Err(InferError::Quantised { path: path.to_owned(), asked }),
        (Precision::Int8, Ok(false)) => Err(InferError::NotQuantised { path: path.to_owned() }),
        (Precision::Int8, Err(error)) => Err(unreadable(path, &error.to_string())),
        // ONNX Runtime reads more kinds of files, and says better what is wrong with one.
        (asked, Ok(false) | Err(_)) => Ok(asked),
    }
}

fn unreadable(path: &Path, reason: &str) -> InferError {
    InferError::ModelUnreadable { path: path.to_owned(), reason: reason.to_owned() }
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
        cancel: &CancelToken,
    ) -> Result<Vec<ArrayD<f32>>, InferError> {
        let provider = self.info.provider;
        let failed = |e: ort::Error| InferError::RunFailed { provider, reason: e.to_string() };
        let options = Arc::new(RunOptions::new().map_err(failed)?);
        let _registered = cancel.on_cancel({
            let options = options.clone();
            move || {
                // It only raises a flag; should that fail, the run goes on to its end.
                let _may_fail = options.terminate();
            }
        })?;
        let outputs = guarded(|| run(&mut self.session, inputs, &options));
        let outputs = outputs.unwrap_or_else(|panic| Err(ort::Error::new(panic)));
        outputs.map_err(|error| match cancel.is_cancelled() {
            true => InferError::Cancelled,
            false => failed(error),
        })
    }
}

fn run(
    session: &mut Session,
    inputs: &[TensorIn<'_>],
    options: &RunOptions,
) -> ort::Result<Vec<ArrayD<f32>>> {
    let contiguous: Vec<_> = inputs.iter().map(Contiguous::of).collect();
    let values = contiguous.iter().map(|input| {
        Ok(match input {
            Contiguous::F32(values) => TensorRef::from_array_view(values)?.into(),
            Contiguous::U8(values) => TensorRef::from_array_view(values)?.into(),
        })
    });
    let values = values.collect::<ort::Result<Vec<SessionInputValue<'_>>>>()?;
    let outputs = session.run_with_options(values.as_slice(), options)?;
    outputs.values().map(|value| Ok(value.try_extract_array::<f32>()?.to_owned())).collect()
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
