//! Libraries that others are linked with, opened before them.

use std::path::Path;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// Opens a library for the whole process, for as long as it runs: one that needs it by the name that
/// it gives itself then finds it open, wherever it lies.
///
/// # Errors
/// The loader's words.
pub(super) fn preload(library: &Path) -> Result<(), String> {
    // SAFETY: a library of the set-up that ONNX Runtime itself was found in; what its initialisers
    // run is what the plug-in that is linked with it would run.
    let opened = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) };
    let library = opened.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{}: {}", library.display(), cause.unwrap_or_else(|| error.to_string()))
    })?;
    // Never closed: what is linked with it stays open too.
    std::mem::forget(library);
    Ok(())
}
