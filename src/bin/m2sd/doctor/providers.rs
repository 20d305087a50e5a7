//! What runs the models: ONNX Runtime, GPUs, and every provider tried.

use std::time::Duration;

use gstm2sd::infer::probe::{ProbeError, Working, probe};
use gstm2sd::infer::{CancelToken, InferError, Provider, onnxruntime};

use super::report::{Finding, State, split};
use crate::bounded;

/// How long a provider may take; TensorRT builds its network first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every provider, tried with a tiny network.
pub struct Tried {
    /// `None`: it took too long. Last the one that is chosen where none is named.
    outcomes: Vec<(Provider, Option<Result<Working, ProbeError>>)>,
    /// Why ONNX Runtime cannot be opened.
    no_runtime: Option<String>,
}

impl Tried {
    pub fn all() -> Self {
        let providers = Provider::PREFERENCE.into_iter().chain([Provider::Auto]);
        Self {
            outcomes: providers.map(|provider| (provider, in_time(provider))).collect(),
            no_runtime: onnxruntime::version().err().map(|error| error.to_string()),
        }
    }

    fn works(&self, wanted: Provider) -> bool {
        self.outcomes
            .iter()
            .any(|(tried, outcome)| *tried == wanted && matches!(outcome, Some(Ok(_))))
    }

    pub fn cpu_works(&self) -> bool {
        self.works(Provider::Cpu)
    }

    /// The library, and what the machine has beside processors.
    pub fn runtime(&self) -> Vec<Finding> {
        const NAME: &str = "ONNX Runtime";
        let runtime = match (onnxruntime::version(), onnxruntime::runtime_library()) {
            (Ok(version), Ok(library)) => {
                Finding::fine(NAME, format!("{version}, {}", library.display()))
            }
            (Err(error), _) | (_, Err(error)) => {
                let stops = !self.works(Provider::Auto);
                split(if stops { State::Stops } else { State::Wrong }, NAME, &error.to_string())
            }
        };
        vec![runtime, openvino(), gpu()]
    }

    pub fn findings(&self) -> Vec<Finding> {
        self.outcomes.iter().map(|(provider, outcome)| self.finding(*provider, outcome)).collect()
    }

    fn finding(
        &self,
        provider: Provider,
        outcome: &Option<Result<Working, ProbeError>>,
    ) -> Finding {
        let name = provider.as_str();
        let (missing, wrong) = match provider {
            Provider::Auto => (State::Stops, State::Stops),
            _ => (State::Absent, State::Wrong),
        };
        match outcome {
            None => {
                let text = format!("a tiny network is not there after {} s", PATIENCE.as_secs());
                Finding::new(wrong, name, text).remedy("Use another provider")
            }
            Some(Ok(working)) => Finding::fine(name, describe(provider, working)),
            Some(Err(ProbeError::Infer(InferError::ProviderMissing {
                reason, remedy, ..
            }))) => Finding::new(missing, name, reason).remedy(remedy.to_string()),
            Some(Err(error)) => {
                let text = error.to_string();
                if self.no_runtime.as_ref() == Some(&text) {
                    return Finding::new(missing, name, "needs ONNX Runtime")
                        .remedy("See ONNX Runtime above");
                }
                split(wrong, name, &text)
            }
        }
    }
}

fn in_time(provider: Provider) -> Option<Result<Working, ProbeError>> {
    let cancel = CancelToken::new();
    let token = cancel.clone();
    let tried = bounded::run(PATIENCE, move || probe(provider, &token));
    if tried.is_none() {
        cancel.cancel();
    }
    tried
}

fn describe(provider: Provider, Working { info, load }: &Working) -> String {
    let chosen = match provider {
        Provider::Auto => format!("{}, ", info.provider),
        _ => String::new(),
    };
    let (runtime, precision, load_ms) = (&info.runtime, info.precision, 1e3 * load.as_secs_f64());
    format!(
        "{chosen}{runtime}, precision {precision}, a tiny network is there after {load_ms:.0} ms"
    )
}

fn openvino() -> Finding {
    const NAME: &str = "OpenVINO";
    match gstm2sd::infer::openvino::version() {
        Ok(version) => Finding::fine(NAME, version),
        Err(error) => split(State::Absent, NAME, &error.to_string()),
    }
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
