//! The OpenVINO of the process.

use std::ffi::CStr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use libloading::{Library, Symbol};
use openvino_sys::{ov_status_e, ov_version_t};

use crate::infer::error::InferError;
use crate::infer::guard::guarded;
use crate::infer::locate::{self, Found, OpenError, sources};

/// The first whose numbers for element types are those of `openvino-sys`.
const OLDEST: (u32, u32) = (2025, 1);

/// Opens the library on the first call and returns its version, such as `2026.4.1`. A failure is
/// not kept: once the library is in place the next call finds it.
pub(super) fn open() -> Result<String, InferError> {
    // Lock order: a leaf, but held while the library is opened, once a process.
    static VERSION: Mutex<Option<String>> = Mutex::new(None);
    let mut slot = VERSION.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(version) = slot.as_ref() {
        return Ok(version.clone());
    }
    let version = locate::open(&locate::OPENVINO, from_file)?;
    Ok(slot.insert(version).clone())
}

fn from_file(Found { library }: &Found) -> Result<String, OpenError> {
    // Looked at first, as `openvino-sys` keeps whatever it has opened, and panics on another
    // library.
    let build = build(library)?;
    let mut numbers = build.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = numbers.next().zip(numbers.next());
    if version.is_none_or(|version| version < OLDEST) {
        let needed = format!("{}.{}", OLDEST.0, OLDEST.1);
        return Err(OpenError::TooOld { found: build, needed });
    }
    let loaded = guarded(|| openvino_sys::library::load_from(library));
    loaded.unwrap_or_else(Err).map_err(OpenError::Unusable)?;
    Ok(build.split('-').next().unwrap_or_default().to_owned())
}

/// What a library says of its build, such as `2026.4.1-22982-e213a147257-releases/2026/4`.
fn build(path: &Path) -> Result<String, OpenError> {
    type Version = unsafe extern "C" fn(*mut ov_version_t) -> ov_status_e;
    let mut version = ov_version_t { buildNumber: std::ptr::null(), description: std::ptr::null() };
    // SAFETY: it is a library of a set-up that the user trusts with running code; the function
    // has this type in every version, and its strings are static or the caller's to leave.
    unsafe {
        let library = Library::new(path).map_err(|error| OpenError::Loader(sources(&error)))?;
        let function: Symbol<'_, Version> =
            library.get(b"ov_get_openvino_version\0").map_err(|_| {
                let reason = "it is another library, without ov_get_openvino_version";
                OpenError::Unusable(reason.to_owned())
            })?;
        if function(&mut version) != ov_status_e::OK || version.buildNumber.is_null() {
            return Err(OpenError::Unusable("it tells no version".to_owned()));
        }
        let build = CStr::from_ptr(version.buildNumber).to_string_lossy().into_owned();
        // It stays, as `openvino-sys` opens it again.
        std::mem::forget(library);
        Ok(build)
    }
}
