//! Compares a GPU provider with the CPU on the network that M2SD is, with random weights, and says
//! how fast it is: for machines that have a driver and nothing else (docs/gpu.md). It needs neither
//! GStreamer nor a download.
//!
//! ```sh
//! cargo run --release --example gpu-bench --no-default-features --features infer -- cuda:fp16
//! ```

mod aligner;
mod classifier;
mod detector;
mod gpu;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gstm2sd::infer::{EngineOptions, Precision, Provider};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{self, Synth, TransformerShape};

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "gpu-bench PROVIDER[:PRECISION] [FOLDER [BATCH…]]

PROVIDER   tensorrt-rtx, tensorrt, cuda, openvino or cpu
PRECISION  auto, fp32, fp16 or bf16 [default: auto]
FOLDER     where networks are made and engines are kept [default: gpu-bench.work]; detectors and
           aligners are those in FOLDER/detectors and FOLDER/aligners
BATCH      clips of one run [default: 1 4 8 16]";

/// What another order of sums may do to a number between 0 and 1, and what half floats may.
const SINGLE: f64 = 1e-4;
const HALF: f64 = 5e-3;

/// Of a network other than the classifier.
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(1);

/// What is measured, and where its files are.
struct Bench {
    provider: Provider,
    precision: Precision,
    folder: PathBuf,
    batches: Vec<usize>,
}

impl Bench {
    fn from_arguments() -> Outcome<Self> {
        let mut arguments = std::env::args().skip(1);
        let asked = arguments.next().ok_or(USAGE)?;
        let (provider, precision) = asked.split_once(':').unwrap_or((&asked, "auto"));
        let (provider, precision) = (provider.parse()?, precision.parse()?);
        let folder = arguments.next().unwrap_or_else(|| "gpu-bench.work".to_owned()).into();
        let mut batches = arguments.map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
        if batches.is_empty() {
            batches = vec![1, 4, 8, 16];
        }
        Ok(Self { provider, precision, folder, batches })
    }

    fn options(&self) -> EngineOptions {
        let (provider, precision) = (self.provider, self.precision);
        let cache_dir = Some(self.folder.join("cache"));
        EngineOptions { provider, precision, cache_dir, ..EngineOptions::default() }
    }

    /// What the provider is compared with: single floats on the CPU.
    fn reference() -> EngineOptions {
        let (provider, precision) = (Provider::Cpu, Precision::Fp32);
        EngineOptions { provider, precision, ..EngineOptions::default() }
    }

    /// Says how far the provider's numbers, each 0 to 1, are from the CPU's, and whether that is no
    /// farther than its arithmetic explains.
    fn judge(&self, what: &str, reference: &[f64], found: &[f64]) -> bool {
        let tolerance = match self.precision {
            Precision::Fp32 => SINGLE,
            _ => HALF,
        };
        let far =
            |(a, b): (&f64, &f64)| if (a - b).is_nan() { f64::INFINITY } else { (a - b).abs() };
        let most = reference.iter().zip(found).map(far).fold(0.0, f64::max);
        let agrees = !found.is_empty() && reference.len() == found.len() && most <= tolerance;
        let verdict = if agrees { "agrees" } else { "DISAGREES" };
        let count = found.len();
        println!(
            "{what}: {count} numbers, largest difference {most:.1e}, {tolerance:.0e} allowed: {verdict}"
        );
        agrees
    }

    /// The networks that lie in one of the folder's folders.
    fn networks(&self, folder: &str) -> Vec<PathBuf> {
        gstm2sd::models::onnx_files(&self.folder.join(folder))
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
    let asked = format!("provider {}, precision {}", bench.provider, bench.precision);
    println!("{} | ONNX Runtime {runtime} | {asked}", gpu::description());
    let transformer = bench.transformer()?;
    let mut agrees = classifier::compare(&bench, &transformer)?;
    agrees &= classifier::bench(&bench, &transformer)?;
    for model in bench.networks("detectors") {
        agrees &= detector::compare(&bench, &model)?;
        detector::bench(&bench, &model)?;
    }
    for model in bench.networks("aligners") {
        agrees &= aligner::compare(&bench, &model)?;
        aligner::bench(&bench, &model)?;
    }
    Ok(agrees)
}

/// Runs a second, once it is warm.
fn runs_a_second(mut run: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let started = Instant::now();
    while started.elapsed() < WARM_UP {
        run()?;
    }
    let (started, mut runs) = (Instant::now(), 0);
    while started.elapsed() < MEASURED {
        run()?;
        runs += 1;
    }
    Ok(f64::from(runs) / started.elapsed().as_secs_f64())
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
