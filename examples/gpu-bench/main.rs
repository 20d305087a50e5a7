//! Compares a GPU provider with the CPU on the network that M2SD is, with random weights, and says
//! how fast it is: for machines that have a driver and nothing else (docs/gpu.md). It needs neither
//! GStreamer nor a download.
//!
//! ```sh
//! cargo run --release --example gpu-bench --no-default-features --features infer -- tensorrt-rtx
//! ```

mod classifier;
mod detector;
mod gpu;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gstm2sd::infer::{EngineOptions, Provider};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{self, Synth, TransformerShape};

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "gpu-bench PROVIDER [FOLDER [BATCH…]]

PROVIDER  tensorrt-rtx, tensorrt, cuda, openvino or cpu
FOLDER    where networks are made and engines are kept [default: gpu-bench.work]; detectors are
          those in FOLDER/detectors
BATCH     clips of one run [default: 1 4 8 16]";

/// What is measured, and where its files are.
pub struct Bench {
    pub provider: Provider,
    pub folder: PathBuf,
    pub batches: Vec<usize>,
}

impl Bench {
    fn from_arguments() -> Outcome<Self> {
        let mut arguments = std::env::args().skip(1);
        let provider = arguments.next().ok_or(USAGE)?.parse()?;
        let folder = arguments.next().unwrap_or_else(|| "gpu-bench.work".to_owned()).into();
        let mut batches = arguments.map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
        if batches.is_empty() {
            batches = vec![1, 4, 8, 16];
        }
        Ok(Self { provider, folder, batches })
    }

    pub fn options(&self, provider: Provider) -> EngineOptions {
        let cache_dir = Some(self.folder.join("cache"));
        EngineOptions { provider, cache_dir, ..EngineOptions::default() }
    }

    /// The published M2SD's network with random weights, reading bytes.
    fn transformer(&self) -> Outcome<PathBuf> {
        let network =
            Synth::Transformer { shape: TransformerShape::BASE, seed: 1, tuning: Tuning::Gpu };
        let made = self.folder.join("networks").join(network.file_name());
        if !made.is_file() {
            let floats = synth::write(&network, &self.folder.join("floats"))?;
            let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
            return Ok(import(&floats, &self.folder.join("networks"), &options)?.model);
        }
        Ok(made)
    }
}

fn run() -> Outcome<bool> {
    let bench = Bench::from_arguments()?;
    gstm2sd::infer::set_log_sink(|_, text| eprintln!("  {text}"));
    let runtime = gstm2sd::infer::onnxruntime::version()?;
    println!("{} | ONNX Runtime {runtime} | provider {}", gpu::description(), bench.provider);
    let transformer = bench.transformer()?;
    let agrees = classifier::compare(&bench, &transformer)?;
    classifier::bench(&bench, &transformer)?;
    detector::bench(&bench, &detectors(&bench.folder))?;
    Ok(agrees)
}

fn detectors(folder: &Path) -> Vec<PathBuf> {
    gstm2sd::models::onnx_files(&folder.join("detectors"))
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("gpu-bench: {error}");
            ExitCode::from(2)
        }
    }
}
