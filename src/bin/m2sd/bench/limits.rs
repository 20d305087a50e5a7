//! What the machine can do: matrix products alone, the classifier alone.

use std::path::Path;
use std::time::{Duration, Instant};

use gstm2sd::core::image::PixelValues;
use gstm2sd::core::percentile::percentile;
use gstm2sd::infer::{
    CancelToken, Clip, InferError, Outputs, Tensor, load_classifier, load_engine,
};
use gstm2sd::models::synth::product;
use ndarray::{Array2, Array3, Array4, Ix4};
use serde::Serialize;

use super::networks::Networks;
use super::process;
use crate::error::CliError;

/// Long enough that single disturbances do not count.
const LONG_ENOUGH: Duration = Duration::from_secs(4);
const FEWEST_RUNS: usize = 5;

#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    pub provider: String,
    /// What the classifier computed in, whatever was asked for.
    pub precision: String,
    /// Of the matrix products, 10¹² a second.
    pub tflop_per_s: f64,
    /// The same, for each second of CPU time: what else the machine does counts little.
    pub tflop_per_cpu_s: f64,
    /// One clip through the classifier alone, the median and the fastest.
    pub clip_ms: f64,
    pub clip_least_ms: f64,
    pub clip_cpu_ms: f64,
    pub clips_per_s: f64,
    /// The clip's time by that of its arithmetic at the rate of the matrix products; of each the
    /// fastest run.
    pub clip_by_products: Option<f64>,
    pub clip_by_products_cpu: Option<f64>,
}

/// How long some runs took, by the clock and in CPU time.
#[derive(Default)]
struct Times {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Times {
    fn add(&mut self, run: &mut dyn FnMut() -> Result<(), InferError>) -> Result<(), InferError> {
        let (started, cpu) = (Instant::now(), process::cpu_time());
        run()?;
        self.wall.push(started.elapsed());
        self.cpu.push(process::cpu_time() - cpu);
        Ok(())
    }

    fn median_s(&self) -> f64 {
        percentile(self.wall.iter().map(Duration::as_secs_f64), 0.5).unwrap_or(0.0)
    }

    /// By the clock, and in CPU time.
    fn least_s(&self) -> [f64; 2] {
        [&self.wall, &self.cpu]
            .map(|times| percentile(times.iter().map(Duration::as_secs_f64), 0.0).unwrap_or(0.0))
    }
}

/// The times of two things that run in turn, so that what disturbs one disturbs the other; first
/// once each, to warm up.
fn in_turn(
    mut runs: [&mut dyn FnMut() -> Result<(), InferError>; 2],
) -> Result<[Times; 2], InferError> {
    for run in &mut runs {
        run()?;
    }
    let begin = Instant::now();
    let mut times = [Times::default(), Times::default()];
    while begin.elapsed() < LONG_ENOUGH || times.iter().any(|t| t.wall.len() < FEWEST_RUNS) {
        for (times, run) in times.iter_mut().zip(&mut runs) {
            times.add(*run)?;
        }
    }
    Ok(times)
}

impl Limits {
    pub fn measure(networks: &Networks) -> Result<Self, CliError> {
        let path = networks.made.path().join("products.onnx");
        product::write(&path).map_err(CliError::runtime)?;
        Self::of(networks, &path).map_err(CliError::runtime)
    }

    fn of(networks: &Networks, products: &Path) -> Result<Self, InferError> {
        let (options, cancel) = (&networks.files.options, CancelToken::new());
        let beside = networks.files.options.beside_the_classifier();
        let mut products = load_engine(products, &beside, &cancel)?;
        let x = Array2::from_shape_fn(product::INPUT, |(i, j)| ((i * 7 + j) as f32 * 0.7).sin());
        let mut classifier = load_classifier(&networks.classifier, options, &cancel)?;
        let spec = classifier.spec().clone();
        let (frames, side) = (spec.frames, spec.size_px);
        let pixel = |(c, t, y, x)| ((c + t * 3 + y * 5 + x * 7) as f32 * 0.1).sin();
        let dims = (3, frames, side, side);
        let clip: Tensor<Ix4> = match spec.values {
            PixelValues::Normalized(_) => Array4::from_shape_fn(dims, pixel).into(),
            PixelValues::U8 => {
                Array4::from_shape_fn(dims, |place| (128.0 + 100.0 * pixel(place)) as u8).into()
            }
        };
        let audio = spec.audio.map(|audio| Array3::zeros((1, audio.mels, audio.frames)));
        let clip = Clip { frames: clip.view(), audio: audio.as_ref().map(|audio| audio.view()) };

        let mut outputs = Outputs::default();
        let [products, clips] = in_turn([
            &mut || products.run(&[x.view().into_dyn().into()], &mut outputs, &cancel),
            &mut || classifier.run(&[clip], &cancel).map(drop),
        ])?;
        let rates = products.least_s().map(|seconds| product::FLOP / seconds);
        let by_products = |kind: usize| {
            let gflop = networks.gflop?;
            Some(clips.least_s()[kind] * rates[kind] / (gflop * 1e9))
        };
        Ok(Self {
            provider: spec.info.provider.to_string(),
            precision: spec.info.precision.to_string(),
            tflop_per_s: rates[0] / 1e12,
            tflop_per_cpu_s: rates[1] / 1e12,
            clip_ms: clips.median_s() * 1e3,
            clip_least_ms: clips.least_s()[0] * 1e3,
            clip_cpu_ms: clips.least_s()[1] * 1e3,
            clips_per_s: 1.0 / clips.median_s(),
            clip_by_products: by_products(0),
            clip_by_products_cpu: by_products(1),
        })
    }
}
