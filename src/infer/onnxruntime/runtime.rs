//! The one ONNX Runtime environment of the process.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use super::rtx_plugin::Plugin;
use crate::infer::error::InferError;
use crate::infer::guard::guarded;
use crate::infer::locate::{self, Found, OpenError, sources};
use crate::infer::log::Severity;

/// The library, opened.
pub(super) struct Runtime {
    pub environment: Environment,
    pub library: PathBuf,
    /// Such as `1.32.0`.
    pub version: String,
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
        locate::open(&locate::ONNX_RUNTIME, Self::from_file)
    }

    fn from_file(found: &Found) -> Result<Self, OpenError> {
        let environment = guarded(|| -> Result<Environment, OpenError> {
            let builder = ort::init_from(&found.library).map_err(open_error)?;
            let logger = Arc::new(|level, _: &str, _: &str, _: &str, text: &str| log(level, text));
            let builder = builder.with_name("m2sd").with_telemetry(false).with_logger(logger);
            builder.build().map_err(|e| OpenError::Unusable(e.to_string()))
        })
        .unwrap_or_else(|panic| Err(OpenError::Unusable(panic)))?;
        // It starts out at the most verbose.
        environment.set_log_level(LogLevel::Warning);
        let version = library_version(&found.library);
        // What the system's loader found lies nobody knows where.
        let beside = found
            .library
            .is_absolute()
            .then(|| locate::beside(&found.library, &locate::TENSORRT_RTX));
        let tensorrt_rtx = Plugin::new(beside.flatten());
        Ok(Self { environment, library: found.library.clone(), version, tensorrt_rtx })
    }
}

fn open_error(error: LoadDynamicError) -> OpenError {
    match error {
        LoadDynamicError::BadVersion { version_str, .. } => {
            let needed = format!("1.{}", ort::MINOR_VERSION);
            OpenError::TooOld { found: version_str, needed }
        }
        LoadDynamicError::Dlopen { error, .. } => OpenError::Loader(sources(&error)),
        LoadDynamicError::MissingApi { .. } => {
            OpenError::Unusable("it is another library, without OrtGetApiBase".to_owned())
        }
        error => OpenError::Unusable(sources(&error)),
    }
}

fn log(level: LogLevel, text: &str) {
    let severity = match level {
        LogLevel::Verbose | LogLevel::Info => return,
        LogLevel::Warning => Severity::Warning,
        LogLevel::Error | LogLevel::Fatal => Severity::Error,
    };
    crate::infer::log::log(severity, text);
}

/// `1.32.0` from the name of the file behind the links, else what the build says of itself.
fn library_version(library: &Path) -> String {
    let file = library.canonicalize().ok();
    let name = file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let version = name.as_deref().and_then(|name| name.strip_prefix("libonnxruntime.so."));
    version.unwrap_or(ort::info()).to_owned()
}
