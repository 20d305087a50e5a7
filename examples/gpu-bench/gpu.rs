//! What the machine has.

use nvml_wrapper::Nvml;

/// Card and driver, or why they are not known.
pub fn description() -> String {
    let found = || -> Result<String, nvml_wrapper::error::NvmlError> {
        let nvml = nvml()?;
        let device = nvml.device_by_index(0)?;
        Ok(format!("{} | driver {}", device.name()?, nvml.sys_driver_version()?))
    };
    found().unwrap_or_else(|error| format!("no NVIDIA GPU ({error})"))
}

/// Memory in use on the GPU, in MB, by everyone; 0 without one.
pub fn memory_mb() -> u64 {
    let used = || nvml().ok()?.device_by_index(0).ok()?.memory_info().ok().map(|m| m.used);
    used().unwrap_or(0) / 1_000_000
}

fn nvml() -> Result<Nvml, nvml_wrapper::error::NvmlError> {
    Nvml::builder().lib_path(std::ffi::OsStr::new("libnvidia-ml.so.1")).init()
}
