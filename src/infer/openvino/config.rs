//! What OpenVINO is told: the device, its threads, the arithmetic.

use std::ffi::CStr;

use super::api::{ApiError, Core};
use super::missing;
use crate::core::modelinfo::Role;
use crate::infer::error::InferError;
use crate::infer::options::{Device, DeviceKind, EngineOptions, Precision, Provider};

pub(super) const PRECISION_HINT: &CStr = c"INFERENCE_PRECISION_HINT";
const CAPABILITIES: &CStr = c"OPTIMIZATION_CAPABILITIES";

/// One of OpenVINO's devices.
pub(super) struct Target {
    /// OpenVINO's own, such as `CPU` or `GPU.1`.
    pub name: String,
    kind: DeviceKind,
}

impl Target {
    /// # Errors
    /// [`InferError::DeviceMissing`].
    pub fn find(core: &Core, device: Device) -> Result<Self, InferError> {
        let kind = device.kind.unwrap_or(DeviceKind::Cpu);
        if kind == DeviceKind::Cpu && device.ordinal == 0 {
            // Asking for all devices has the GPU's and the NPU's plug-ins looked into as well.
            return Ok(Self { name: "CPU".to_owned(), kind });
        }
        let found = core.devices().map_err(|error| missing(error.to_string()))?;
        match of_kind(&found, kind).nth(device.ordinal as usize) {
            Some(name) => Ok(Self { name: name.to_owned(), kind }),
            None => {
                let found = found.iter().map(|name| name.to_lowercase()).collect();
                Err(InferError::DeviceMissing { provider: Provider::OpenVino, device, found })
            }
        }
    }
}

/// The devices of a kind: `GPU`, or `GPU.0` and `GPU.1` where there are several.
fn of_kind(found: &[String], kind: DeviceKind) -> impl Iterator<Item = &str> {
    let kind = kind.to_string().to_uppercase();
    found.iter().map(String::as_str).filter(move |name| name.split('.').next() == Some(&kind))
}

/// The settings of one engine, whose network has this role.
///
/// # Errors
/// [`InferError::PrecisionUnsupported`], [`InferError::ProviderMissing`] where the device does not
/// answer.
pub(super) fn settings(
    core: &Core,
    target: &Target,
    options: &EngineOptions,
    role: Option<Role>,
) -> Result<Vec<(&'static CStr, String)>, InferError> {
    let capabilities = core.get(&target.name, CAPABILITIES);
    let capabilities = capabilities.map_err(|error: ApiError| missing(error.to_string()))?;
    let hint = hint(options.precision, target.kind, role, &capabilities)?;
    let mut settings = Vec::new();
    settings.extend(hint.map(|hint| (PRECISION_HINT, hint.to_owned())));
    if target.kind == DeviceKind::Cpu {
        settings.push((c"INFERENCE_NUM_THREADS", options.resolved_threads().to_string()));
        // Several engines share the cores; pinned, they would share the first one.
        settings.push((c"ENABLE_CPU_PINNING", "NO".to_owned()));
    }
    Ok(settings)
}

/// The arithmetic to ask for, `None` to leave it to the device, which has these capabilities.
fn hint(
    asked: Precision,
    kind: DeviceKind,
    role: Option<Role>,
    capabilities: &str,
) -> Result<Option<&'static str>, InferError> {
    let can = |what| capabilities.split_whitespace().any(|capability| capability == what);
    let needing = |capability, hint| {
        let remedy = "this device has no such arithmetic: use precision=auto";
        let provider = Provider::OpenVino;
        let refused = InferError::PrecisionUnsupported { provider, precision: asked, remedy };
        if can(capability) { Ok(Some(hint)) } else { Err(refused) }
    };
    match asked {
        // bf16 loses faces that are small or hardly seen, for a few milliseconds of a frame.
        Precision::Auto
            if kind == DeviceKind::Cpu && matches!(role, Some(Role::Detector | Role::Aligner)) =>
        {
            Ok(Some("f32"))
        }
        // Asked for, as OpenVINO would also choose fp16 for processors that have it.
        Precision::Auto | Precision::Int8 if kind == DeviceKind::Cpu => {
            Ok(Some(if can("BF16") { "bf16" } else { "f32" }))
        }
        Precision::Auto | Precision::Int8 => Ok(None),
        Precision::Fp32 => Ok(Some("f32")),
        Precision::Fp16 => needing("FP16", "f16"),
        Precision::Bf16 => needing("BF16", "bf16"),
    }
}

/// The arithmetic that OpenVINO says it uses.
pub(super) fn precision_of(hint: &str) -> Option<Precision> {
    match hint {
        "f32" => Some(Precision::Fp32),
        "f16" => Some(Precision::Fp16),
        "bf16" => Some(Precision::Bf16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMD: &str = "BF16 WINOGRAD FP32 INT8 BIN EXPORT_IMPORT";

    #[test]
    fn bf16_is_for_processors_that_have_it() {
        let on_cpu = |asked, capabilities| hint(asked, DeviceKind::Cpu, None, capabilities);
        assert_eq!(on_cpu(Precision::Auto, AMD).unwrap(), Some("bf16"));
        assert_eq!(on_cpu(Precision::Auto, "WINOGRAD FP32 FP16 INT8").unwrap(), Some("f32"));
        assert_eq!(on_cpu(Precision::Fp32, AMD).unwrap(), Some("f32"));
        assert_eq!(on_cpu(Precision::Bf16, AMD).unwrap(), Some("bf16"));
        for (asked, capabilities) in [(Precision::Fp16, AMD), (Precision::Bf16, "FP32 FP16")] {
            let error = on_cpu(asked, capabilities).unwrap_err().to_string();
            assert!(error.contains("use precision=auto"), "{error}");
        }
        let on_gpu = |asked| hint(asked, DeviceKind::Gpu, None, "FP32 FP16").unwrap();
        assert_eq!((on_gpu(Precision::Auto), on_gpu(Precision::Fp16)), (None, Some("f16")));
    }

    #[test]
    fn faces_are_found_in_fp32_unless_something_else_is_asked_for() {
        let of = |asked, role| hint(asked, DeviceKind::Cpu, Some(role), AMD).unwrap();
        for role in [Role::Detector, Role::Aligner] {
            assert_eq!(of(Precision::Auto, role), Some("f32"));
            assert_eq!(of(Precision::Bf16, role), Some("bf16"));
        }
        assert_eq!(of(Precision::Auto, Role::Classifier), Some("bf16"));
    }

    #[test]
    fn devices_are_found_by_kind_whether_numbered_or_not() {
        let found = ["CPU", "GPU.0", "GPU.1", "NPU"].map(str::to_owned);
        let names = |kind| of_kind(&found, kind).collect::<Vec<_>>();
        assert_eq!(names(DeviceKind::Gpu), ["GPU.0", "GPU.1"]);
        assert_eq!(names(DeviceKind::Npu), ["NPU"]);
    }
}
