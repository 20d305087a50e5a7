//! What the machine can do: matrix products alone, the classifier alone, a plain conversion.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::infer::onnx::OnnxEngine;
use gstm2sd::infer::{CancelToken, Clip, Engine, load_classifier};
use gstm2sd::models::synth::product;
use ndarray::{Array2, Array3, Array4};
use serde::Serialize;

use super::input::Input;
use super::networks::Networks;
use super::{Mode, process, run};
use crate::error::CliError;

/// Long enough that single disturbances do not count.
const LONG_ENOUGH: Duration = Duration::from_secs(3);
const FEWEST_RUNS: usize = 5;
const CONVERSION: Duration = Duration::from_millis(700);

#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    pub provider: String,
    /// Of the matrix products, 10¹² a second.
    pub tflop_per_s: f64,
    /// One clip through the classifier alone, the median.
    pub clip_ms: f64,
    pub clips_per_s: f64,
    /// The clip's time by that of its arithmetic at the rate of the matrix products.
    pub clip_by_products: Option<f64>,
}

/// The median of several runs after a first one, in seconds.
fn median(mut run: impl FnMut() -> Result<(), CliError>) -> Result<f64, CliError> {
    run()?;
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < FEWEST_RUNS || begin.elapsed() < LONG_ENOUGH {
        let started = Instant::now();
        run()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64))
}

impl Limits {
    pub fn measure(networks: &Networks) -> Result<Self, CliError> {
        let (options, cancel) = (&networks.files.options, CancelToken::new());
        let path = networks.made.path().join("products.onnx");
        product::write(&path).map_err(CliError::runtime)?;
        let mut products = OnnxEngine::load(&path, options, &cancel).map_err(CliError::runtime)?;
        let x = Array2::from_shape_fn(product::INPUT, |(i, j)| ((i * 7 + j) as f32 * 0.7).sin());
        let products_s = median(|| {
            let run = products.run(&[x.view().into_dyn()], &cancel);
            run.map(drop).map_err(CliError::runtime)
        })?;
        drop(products);
        let mut classifier = load_classifier(&networks.files.classifier, options, &cancel);
        let classifier = classifier.as_mut().map_err(|e| CliError::runtime(e))?;
        let (frames, side) = (classifier.spec().frames, classifier.spec().size_px);
        let pixel = |(c, t, y, x)| ((c + t * 3 + y * 5 + x * 7) as f32 * 0.1).sin();
        let clip = Array4::from_shape_fn((3, frames, side, side), pixel);
        let audio = classifier.spec().audio.map(|spec| Array3::zeros((1, spec.mels, spec.frames)));
        let clip_s = median(|| {
            let audio = audio.as_ref().map(|audio| audio.view());
            let run = classifier.run(&[Clip { frames: clip.view(), audio }], &cancel);
            run.map(drop).map_err(CliError::runtime)
        })?;
        let flop_per_s = product::FLOP / products_s;
        Ok(Self {
            provider: classifier.spec().info.provider.to_string(),
            tflop_per_s: flop_per_s / 1e12,
            clip_ms: clip_s * 1e3,
            clips_per_s: 1.0 / clip_s,
            clip_by_products: networks.gflop.map(|gflop| clip_s * flop_per_s / (gflop * 1e9)),
        })
    }
}

/// The CPU time in milliseconds that a plain `videoconvert` takes for a frame of `input`, to RGB,
/// or from RGB to BGR; with all that it takes to send the frame there.
pub fn videoconvert(input: &Input) -> Result<f64, CliError> {
    let pipeline = gst::Pipeline::new();
    let source = run::source(input, false)?;
    let format = if input.info.format() == gst_video::VideoFormat::Rgb { "BGR" } else { "RGB" };
    let convert = format!("videoconvert ! capsfilter caps=video/x-raw,format={format}");
    let convert = gst::parse::bin_from_description(&convert, true).map_err(CliError::runtime)?;
    let sink = run::sink()?;
    let elements = [&source, convert.upcast_ref(), &sink];
    pipeline.add_many(elements).map_err(CliError::runtime)?;
    gst::Element::link_many(elements).map_err(CliError::runtime)?;
    let frames = run::count_frames(&sink, |_| ());
    // An error that explains itself is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let stop = AtomicBool::new(false);
    let measured = std::thread::scope(|scope| {
        scope.spawn(|| run::feed(&source, input, Mode::Complete, &stop));
        let mark = || (process::cpu_time(), frames.load(Ordering::Relaxed));
        // The first frames negotiate.
        std::thread::sleep(CONVERSION / 4);
        let begin = mark();
        std::thread::sleep(CONVERSION);
        let end = mark();
        stop.store(true, Ordering::Relaxed);
        // Wakes the feeder. Going down cannot fail in a way that matters now.
        let _ = pipeline.set_state(gst::State::Null);
        (end.0 - begin.0).as_secs_f64() * 1e3 / (end.1 - begin.1) as f64
    });
    if measured.is_finite() {
        return Ok(measured);
    }
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    Err(match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => CliError::runtime(error.error()),
        _ => CliError::runtime("videoconvert gave no frame"),
    })
}
