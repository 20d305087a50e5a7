//! The devices that ONNX Runtime lists for a provider.

use ort::memory::DeviceType;
use ort::session::builder::SessionBuilder;

use super::provider::{ep_name, missing};
use super::runtime::Runtime;
use crate::infer::error::InferError;
use crate::infer::options::{DeviceKind, EngineOptions, Provider};

/// Binds to one device of a provider that ONNX Runtime lists devices for.
///
/// Nothing less pins the CPU provider: with a plug-in provider registered, a session built without
/// devices may run there, an explicit list of providers notwithstanding. An empty list would mean
/// the CPU.
pub(super) fn on_device(
    runtime: &Runtime,
    builder: SessionBuilder,
    provider: Provider,
    options: &EngineOptions,
    entries: &[(String, String)],
) -> Result<SessionBuilder, InferError> {
    let kind_of = |ty| match ty {
        DeviceType::GPU => DeviceKind::Gpu,
        DeviceType::NPU => DeviceKind::Npu,
        _ => DeviceKind::Cpu,
    };
    let devices: Vec<_> = runtime
        .environment
        .devices()
        .filter(|device| device.ep().is_ok_and(|ep| ep == ep_name(provider)))
        .map(|device| (kind_of(device.hardware_device().ty()), device))
        .collect();
    if devices.is_empty() {
        return Err(InferError::ProviderMissing {
            provider,
            reason: "it finds no device on this machine".to_owned(),
            remedy: match provider {
                Provider::TensorRtRtx => {
                    "It serves NVIDIA GPUs of compute capability 8.0 (Ampere) and newer"
                }
                _ => "Use another provider",
            }
            .to_owned(),
        });
    }
    let found = devices.iter().map(|(kind, _)| kind.to_string()).collect();
    let usual = match provider {
        Provider::TensorRtRtx => DeviceKind::Gpu,
        _ => DeviceKind::Cpu,
    };
    let wanted = options.device.kind.unwrap_or(usual);
    let mut matching = devices.into_iter().filter(|(kind, _)| *kind == wanted);
    match matching.nth(options.device.ordinal as usize) {
        Some((_, device)) => builder
            .with_devices([device], Some(entries))
            .map_err(|error| missing(provider, error.to_string())),
        None => Err(InferError::DeviceMissing { provider, device: options.device, found }),
    }
}
