//! Intel's OpenVINO, a plug-in provider.

use ort::session::builder::SessionBuilder;

use super::devices::on_device;
use super::provider::{builder, ep_name, missing};
use super::runtime::Runtime;
use crate::infer::error::InferError;
use crate::infer::options::{DeviceKind, EngineOptions, Precision, Provider};

/// A session builder that is bound to one of OpenVINO's devices.
pub(super) fn session(
    runtime: &Runtime,
    options: &EngineOptions,
) -> Result<SessionBuilder, InferError> {
    if let Err(reason) = &runtime.openvino {
        return Err(missing(Provider::OpenVino, reason.clone()));
    }
    let key = format!("{}.load_config", ep_name(Provider::OpenVino));
    let entries = [(key, config(options))];
    let builder = builder(runtime, Provider::OpenVino, options)?;
    on_device(runtime, builder, Provider::OpenVino, options, &entries)
}

/// OpenVINO's own configuration, the only one of the plug-in's options that has an effect.
fn config(options: &EngineOptions) -> String {
    let mut entries = Vec::new();
    let device = match options.device.kind {
        None | Some(DeviceKind::Cpu) => {
            entries.push(("INFERENCE_NUM_THREADS", options.resolved_threads().to_string()));
            // Several engines share the cores; pinned, they would share the first one.
            entries.push(("ENABLE_CPU_PINNING", "NO".to_owned()));
            "CPU"
        }
        Some(DeviceKind::Gpu) => "GPU",
        Some(DeviceKind::Npu) => "NPU",
    };
    let hint = match options.precision {
        Precision::Auto | Precision::Int8 => None,
        Precision::Fp32 => Some("f32"),
        Precision::Fp16 => Some("f16"),
        Precision::Bf16 => Some("bf16"),
    };
    entries.extend(hint.map(|hint| ("INFERENCE_PRECISION_HINT", hint.to_owned())));
    let entries: Vec<_> = entries.iter().map(|(k, v)| format!(r#""{k}":"{v}""#)).collect();
    format!(r#"{{"{device}":{{{}}}}}"#, entries.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openvino_is_told_threads_and_precision_in_json() {
        let options =
            EngineOptions { threads: 3, precision: Precision::Fp32, ..Default::default() };
        assert_eq!(
            config(&options),
            r#"{"CPU":{"INFERENCE_NUM_THREADS":"3","ENABLE_CPU_PINNING":"NO","INFERENCE_PRECISION_HINT":"f32"}}"#
        );
        let options = EngineOptions { device: "gpu".parse().unwrap(), ..Default::default() };
        assert_eq!(config(&options), r#"{"GPU":{}}"#);
    }
}
