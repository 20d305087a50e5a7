//! What NVIDIA's libraries say of this machine. They are opened at run time, so that everything
//! builds and runs without them; what is missing is an error that names it.

use std::ffi::OsStr;
use std::path::Path;

use nvml_wrapper::Nvml;
use object::read::elf::{Dyn, ElfFile64};
use object::{Endianness, elf};

/// The CUDA driver's library.
const CUDA: &str = "libcuda.so.1";
/// TensorRT's, of the major version that ONNX Runtime 1.24 and newer are built for.
const TENSORRT: &str = "libnvinfer.so.10";

/// One GPU and its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its compute capability, such as `sm_90`.
    pub arch: String,
    /// Such as `550.54.15`.
    pub driver: String,
}

/// The GPU with the number that CUDA gives it.
///
/// # Errors
/// Says which library or device is missing.
pub fn gpu(ordinal: u32) -> Result<Gpu, String> {
    let (major, minor) = native::compute_capability(CUDA, ordinal)?;
    Ok(Gpu { arch: format!("sm_{major}{minor}"), driver: driver()? })
}

/// The architectures of all GPUs of this machine, none without a driver.
pub fn architectures() -> Vec<String> {
    let all = (0..).map(|ordinal| native::compute_capability(CUDA, ordinal));
    all.map_while(Result::ok).map(|(major, minor)| format!("sm_{major}{minor}")).collect()
}

/// The driver's version.
///
/// # Errors
/// Says what is missing.
pub fn driver() -> Result<String, String> {
    let nvml = Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init();
    let nvml = nvml.map_err(|e| format!("no NVIDIA driver (libnvidia-ml.so.1: {e})"))?;
    nvml.sys_driver_version().map_err(|e| format!("the NVIDIA driver tells no version: {e}"))
}

/// The version of the TensorRT that `provider`, ONNX Runtime's library for it, is linked with.
///
/// # Errors
/// Says what is missing.
pub fn tensorrt_version(provider: &Path) -> Result<String, String> {
    let linked = std::fs::read(provider).ok().and_then(|library| linked_tensorrt(&library));
    let name = linked.unwrap_or_else(|| TENSORRT.to_owned());
    native::tensorrt_version(&name).map(version_text)
}

/// The name of TensorRT's library that a library asks the loader for, such as `libnvinfer.so.10`.
fn linked_tensorrt(library: &[u8]) -> Option<String> {
    needed(library)?.into_iter().find(|name| name.starts_with("libnvinfer.so."))
}

/// The libraries that one asks the loader for; `None` for a file that is no library of this machine.
fn needed(library: &[u8]) -> Option<Vec<String>> {
    let elf = ElfFile64::<Endianness>::parse(library).ok()?;
    let (endian, sections) = (elf.endian(), elf.elf_section_table());
    let (entries, strings) = sections.dynamic(endian, library).ok()??;
    let strings = sections.strings(endian, library, strings).ok()?;
    let needed = entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED);
    let names = needed.filter_map(|entry| strings.get(entry.val(endian).try_into().ok()?).ok());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// `10.3.0` from 100300; before version 10 the numbers were packed more tightly.
fn version_text(number: i32) -> String {
    let thousands = if number >= 100_000 { 10_000 } else { 1_000 };
    format!("{}.{}.{}", number / thousands, number % thousands / 100, number % 100)
}

/// The few calls into C. Every library stays open: unloading a driver's is asking for trouble.
mod native {
    use std::ffi::c_int;

    use libloading::{Library, Symbol};

    /// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
    const MAJOR: c_int = 75;
    const MINOR: c_int = 76;

    fn open(name: &str, what: &str) -> Result<&'static Library, String> {
        // SAFETY: a library of NVIDIA's, by its official name; its initialisers run nothing of ours.
        let library = unsafe { Library::new(name) };
        let library =
            library.map_err(|_| format!("no {what} ({name} is not found by the loader)"))?;
        Ok(Box::leak(Box::new(library)))
    }

    pub(super) fn compute_capability(name: &str, ordinal: u32) -> Result<(c_int, c_int), String> {
        let library = open(name, "NVIDIA driver")?;
        let failed = |e: libloading::Error| format!("{name} is no CUDA driver: {e}");
        let ordinal = c_int::try_from(ordinal).map_err(|e| e.to_string())?;
        // SAFETY: the signatures are those of cuda.h, whose ABI is stable; the pointers are to
        // integers of ours, and a device's number is passed on as the driver gave it.
        unsafe {
            let init: Symbol<'_, unsafe extern "C" fn(u32) -> c_int> =
                library.get(b"cuInit").map_err(failed)?;
            let device: Symbol<'_, unsafe extern "C" fn(*mut c_int, c_int) -> c_int> =
                library.get(b"cuDeviceGet").map_err(failed)?;
            let attribute: Symbol<'_, unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int> =
                library.get(b"cuDeviceGetAttribute").map_err(failed)?;
            let (mut handle, mut major, mut minor) = (0, 0, 0);
            match init(0) {
                0 => {}
                code => {
                    return Err(format!("the NVIDIA driver does not start (CUDA error {code})"));
                }
            }
            let found = device(&mut handle, ordinal) == 0
                && attribute(&mut major, MAJOR, handle) == 0
                && attribute(&mut minor, MINOR, handle) == 0;
            if found { Ok((major, minor)) } else { Err(format!("no NVIDIA GPU {ordinal}")) }
        }
    }

    pub(super) fn tensorrt_version(name: &str) -> Result<c_int, String> {
        let library = open(name, "TensorRT")?;
        // SAFETY: the signature is that of NvInferRuntimeBase.h, unchanged since TensorRT 5.
        unsafe {
            let version: Symbol<'_, unsafe extern "C" fn() -> c_int> = library
                .get(b"getInferLibVersion")
                .map_err(|e| format!("{name} is no TensorRT: {e}"))?;
            Ok(version())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_unpacked() {
        assert_eq!(version_text(100_300), "10.3.0");
        assert_eq!(version_text(101_302), "10.13.2");
        assert_eq!(version_text(8_601), "8.6.1");
    }

    #[test]
    fn the_library_that_the_provider_links_is_found_in_it() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = needed(&own).unwrap();
        assert!(needed.iter().any(|name| name.starts_with("libc.so.")), "{needed:?}");
        // The name is in this very file, and is not asked for.
        assert_eq!(linked_tensorrt(&own), None);
        for damaged in [&own[..100], b"libnvinfer.so.11\0", b""] {
            assert_eq!(linked_tensorrt(damaged), None);
        }
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        let error = native::tensorrt_version("libnvinfer.so.nowhere").unwrap_err();
        assert_eq!(error, "no TensorRT (libnvinfer.so.nowhere is not found by the loader)");
        let error = native::compute_capability("libcuda.so.nowhere", 0).unwrap_err();
        assert!(error.starts_with("no NVIDIA driver (libcuda.so.nowhere"), "{error}");
    }
}
