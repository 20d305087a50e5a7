//! What runs the models: ONNX Runtime, GPUs, and every provider tried.

use std::time::Duration;

use gstm2sd::infer::probe::{ProbeError, Working, probe};
use gstm2sd::infer::{CancelToken, InferError, Provider, onnxruntime};

use super::report::{Finding, State, split};
use crate::bounded;

/// How long a provider may take; TensorRT builds its network first.
const PATIENCE: Duration = Duration::from_secs(60);

/// The library, and what the machine has beside processors.
pub fn runtime() -> Vec<Finding> {
    let library = onnxruntime::runtime_library();
    let runtime = match (onnxruntime::runtime_version(), library) {
        (Ok(version), Ok(library)) => {
            Finding::fine("ONNX Runtime", format!("{version}, {}", library.display()))
        }
        (Err(error), _) | (_, Err(error)) => {
            split(State::Stops, "ONNX Runtime", &error.to_string())
        }
    };
    vec![runtime, gpu()]
}

fn gpu() -> Finding {
    let present = onnxruntime::present(&[]);
    match (present.gpu_archs.as_slice(), present.driver) {
        ([], None) => Finding::absent("GPU", "no NVIDIA driver"),
        ([], Some(driver)) => Finding::wrong("GPU", format!("driver {driver}, and no NVIDIA GPU"))
            .remedy("See whether nvidia-smi shows it"),
        (archs, driver) => {
            let driver = driver.unwrap_or_else(|| "unknown".to_owned());
            let tensorrt = present.tensorrt.map_or(String::new(), |v| format!(", TensorRT {v}"));
            Finding::fine("GPU", format!("{}, driver {driver}{tensorrt}", archs.join(", ")))
        }
    }
}

/// Every provider, with a tiny network; last the one that is chosen where none is named.
pub fn findings() -> Vec<Finding> {
    let mut found: Vec<_> = Provider::PREFERENCE.into_iter().map(finding).collect();
    found.push(finding(Provider::Auto));
    found
}

fn finding(provider: Provider) -> Finding {
    let name = provider.as_str();
    // The one without which nothing runs.
    let (missing, wrong) = match provider {
        Provider::Auto => (State::Stops, State::Stops),
        _ => (State::Absent, State::Wrong),
    };
    let cancel = CancelToken::new();
    let token = cancel.clone();
    let Some(tried) = bounded::run(PATIENCE, move || probe(provider, &token)) else {
        cancel.cancel();
        let text = format!("a tiny network is not there after {} s", PATIENCE.as_secs());
        return Finding::new(wrong, name, text).remedy("Use another provider");
    };
    match tried {
        Ok(Working { info, load }) => {
            let chosen = if provider == Provider::Auto {
                format!("{}, ", info.provider)
            } else {
                String::new()
            };
            let (runtime, precision) = (info.runtime, info.precision);
            let text = format!(
                "{chosen}{runtime}, precision {precision}, a tiny network is there after {:.0} ms",
                1e3 * load.as_secs_f64()
            );
            Finding::fine(name, text)
        }
        Err(ProbeError::Infer(InferError::ProviderMissing { reason, remedy, .. })) => {
            Finding::new(missing, name, reason).remedy(remedy)
        }
        Err(error) => split(wrong, name, &error.to_string()),
    }
}
