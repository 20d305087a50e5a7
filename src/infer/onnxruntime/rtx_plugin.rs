//! The libraries of TensorRT for RTX, which lie beside ONNX Runtime.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use super::preload::preload;
use crate::infer::gpu;

/// The libraries that the plug-in is linked with, in the order in which they need each other. The
/// wheel has them under their full names, under which no loader looks for them.
const LIBRARIES: [&str; 3] =
    ["libcudart.so.", "libtensorrt_rtx.so.", "libtensorrt_onnxparser_rtx.so."];
const TENSORRT: &str = LIBRARIES[1];

/// The plug-in of a set-up, which is registered when it is first wanted: that takes a driver.
pub(super) struct Plugin {
    library: Option<PathBuf>,
    /// A leaf in the lock order, held while the libraries are opened, once a process.
    registered: Mutex<bool>,
}

impl Plugin {
    pub(super) fn new(library: Option<PathBuf>) -> Self {
        Self { library, registered: Mutex::new(false) }
    }

    fn library(&self) -> Result<&Path, String> {
        let library = self.library.as_deref();
        library.ok_or_else(|| "its plug-in does not lie beside ONNX Runtime".to_owned())
    }

    /// Such as `1.6.1`, from the name of its file.
    pub(super) fn version(&self) -> Result<String, String> {
        let library = versioned(folder(self.library()?), TENSORRT)?;
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(name.trim_start_matches(TENSORRT).to_owned())
    }

    /// Makes ONNX Runtime know it under the provider's `name`.
    ///
    /// # Errors
    /// Says all that is missing.
    pub(super) fn register(&self, environment: &Environment, name: &str) -> Result<(), String> {
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if *registered {
            return Ok(());
        }
        let library = self.library();
        let lacking: Vec<_> =
            library.clone().err().into_iter().chain(gpu::driver().err()).collect();
        if !lacking.is_empty() {
            return Err(lacking.join("; "));
        }
        let library = library?;
        for file in LIBRARIES {
            preload(&versioned(folder(library), file)?)?;
        }
        let found = environment.register_ep_library(name, library);
        found.map_err(|error| format!("{}: {error}", library.display()))?;
        *registered = true;
        Ok(())
    }
}

fn folder(library: &Path) -> &Path {
    library.parent().unwrap_or(Path::new(""))
}

/// The one file in `folder` whose name begins so, under its fullest name.
fn versioned(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let begins =
        |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name));
    let longest = files.filter(begins).max_by_key(|path| (path.as_os_str().len(), path.clone()));
    longest.ok_or_else(|| format!("{name}* does not lie in {}", folder.display()))
}
