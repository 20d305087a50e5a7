//! The one ONNX Runtime environment of the process.

use std::error::Error;
use std::ffi::OsStr;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use super::tensorrt_rtx::Plugin;
use crate::infer::error::InferError;
use crate::infer::guard::guarded;
use crate::infer::locate::{Found, Places, Search};
use crate::infer::log::Severity;

/// The library, opened.
pub(super) struct Runtime {
    pub environment: Environment,
    pub library: PathBuf,
    /// Such as `1.32.0`.
    pub version: String,
    /// Why the OpenVINO plug-in is not there.
    pub openvino: Result<(), String>,
    pub tensorrt_rtx: Plugin,
}

impl Runtime {
    /// Opens the library on the first call. A failure is not kept: once the library is in place
    /// the next call finds it.
    pub fn get() -> Result<Arc<Self>, InferError> {
        // Lock order: a leaf, but held while the library is opened, once a process: who else wants
        // it has to wait for that, and opening takes no other lock and calls nobody back but the
        // log sink.
        static RUNTIME: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);
        let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = slot.deref() {
            return Ok(runtime.clone());
        }
        let runtime = Arc::new(Self::open()?);
        *slot = Some(runtime.clone());
        Ok(runtime)
    }

    fn open() -> Result<Self, InferError> {
        let found = match Places::of_process().search() {
            Search::Found(found) => found,
            Search::NotAsSet(place) => {
                return Err(InferError::LibraryMissing { looked: vec![place] });
            }
            Search::Nowhere(looked) => return Self::from_loader(looked),
        };
        Self::from_file(&found).map_err(|error| library_error(error, &found.library))
    }

    /// What the system's loader has under the library's plain name.
    fn from_loader(mut looked: Vec<String>) -> Result<Self, InferError> {
        if loader_looks_here(std::env::var_os("LD_LIBRARY_PATH").as_deref()) {
            let reason = "an entry of LD_LIBRARY_PATH is empty or relative, and means the working \
                          directory";
            looked.push(format!("the system's library folders (not used: {reason})"));
            return Err(InferError::LibraryMissing { looked });
        }
        let library = PathBuf::from("libonnxruntime.so");
        let found = Found { library: library.clone(), openvino: None, tensorrt_rtx: None };
        Self::from_file(&found).map_err(|error| match error {
            OpenError::Load(LoadDynamicError::Dlopen { .. }) => {
                looked.push("the system's library folders".to_owned());
                InferError::LibraryMissing { looked }
            }
            error => library_error(error, &library),
        })
    }

    fn from_file(found: &Found) -> Result<Self, OpenError> {
        let environment = guarded(|| -> Result<Environment, OpenError> {
            let builder = ort::init_from(&found.library).map_err(OpenError::Load)?;
            let logger = Arc::new(|level, _: &str, _: &str, _: &str, text: &str| log(level, text));
            let builder = builder.with_name("m2sd").with_telemetry(false).with_logger(logger);
            builder.build().map_err(|e| OpenError::Start(e.to_string()))
        })
        .unwrap_or_else(|panic| Err(OpenError::Start(panic)))?;
        // It starts out at the most verbose.
        environment.set_log_level(LogLevel::Warning);
        let openvino = register_openvino(&environment, found.openvino.as_deref());
        let version = library_version(&found.library);
        let tensorrt_rtx = Plugin::new(found.tensorrt_rtx.clone());
        Ok(Self { environment, library: found.library.clone(), version, openvino, tensorrt_rtx })
    }
}

/// Whether the loader would look for libraries in the working directory, or from there on.
fn loader_looks_here(path: Option<&OsStr>) -> bool {
    let Some(path) = path.filter(|path| !path.is_empty()) else { return false };
    let mut entries = path.as_bytes().split(|byte| matches!(byte, b':' | b';'));
    entries.any(|entry| !entry.starts_with(b"/"))
}

enum OpenError {
    Load(LoadDynamicError),
    Start(String),
}

fn library_error(error: OpenError, path: &Path) -> InferError {
    let (path, reason) = match error {
        OpenError::Load(LoadDynamicError::BadVersion { version_str, path }) => {
            let needed = format!("1.{}", ort::MINOR_VERSION);
            return InferError::LibraryTooOld { path, found: version_str, needed };
        }
        OpenError::Load(LoadDynamicError::Dlopen { error, path }) => (path, sources(&error)),
        OpenError::Load(LoadDynamicError::MissingApi { path }) => {
            (path, "it is another library, without OrtGetApiBase".to_owned())
        }
        OpenError::Load(error) => (path.to_owned(), sources(&error)),
        OpenError::Start(reason) => (path.to_owned(), reason),
    };
    InferError::LibraryUnusable { path, reason }
}

/// The whole chain of an error: the loader's own words are in its sources.
fn sources(error: &dyn Error) -> String {
    let chain = std::iter::successors(Some(error), |&e| e.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn log(level: LogLevel, text: &str) {
    let severity = match level {
        LogLevel::Verbose | LogLevel::Info => return,
        LogLevel::Warning => Severity::Warning,
        LogLevel::Error | LogLevel::Fatal => Severity::Error,
    };
    crate::infer::log::log(severity, text);
}

fn register_openvino(environment: &Environment, plugin: Option<&Path>) -> Result<(), String> {
    let plugin = plugin.ok_or("its plug-in does not lie beside ONNX Runtime")?;
    let registered = environment.register_ep_library("openvino", plugin);
    registered.map_err(|error| format!("{}: {error}", plugin.display()))
}

/// `1.32.0` from the name of the file behind the links, else what the build says of itself.
fn library_version(library: &Path) -> String {
    let file = library.canonicalize().ok();
    let name = file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let version = name.as_deref().and_then(|name| name.strip_prefix("libonnxruntime.so."));
    version.unwrap_or(ort::info()).to_owned()
}
