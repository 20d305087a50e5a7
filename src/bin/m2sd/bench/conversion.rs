//! What a plain conversion of the same frames takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::core::percentile::percentile;

use super::input::Input;
use super::{Mode, stream};
use crate::error::CliError;

/// The first frames negotiate.
const WARM_UP: usize = 8;
const FRAMES: usize = 96;
const PATIENCE: Duration = Duration::from_secs(5);

/// The median time in milliseconds that `videoconvert` takes for a frame of `input`, to RGB, or
/// from RGB to BGR. The frames come as they come to the element: one after the other, or, live, in
/// real time, when caches have gone cold.
pub fn videoconvert(input: &Input, mode: Mode) -> Result<f64, CliError> {
    let pipeline = gst::Pipeline::new();
    let source = stream::source(input, mode == Mode::Live)?;
    let format = if input.info.format() == gst_video::VideoFormat::Rgb { "BGR" } else { "RGB" };
    let convert = gst::ElementFactory::make("videoconvert").build().map_err(CliError::runtime)?;
    let caps = gst::Caps::builder("video/x-raw").field("format", format).build();
    let filter = gst::ElementFactory::make("capsfilter").property("caps", caps).build();
    let (filter, sink) = (filter.map_err(CliError::runtime)?, stream::sink()?);
    let elements = [&source, &convert, &filter, &sink];
    pipeline.add_many(elements).map_err(CliError::runtime)?;
    gst::Element::link_many(elements).map_err(CliError::runtime)?;
    let (took, times) = channel();
    time_conversions(&convert, took);
    // An error that explains itself is on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let stop = AtomicBool::new(false);
    let times = std::thread::scope(|scope| {
        scope.spawn(|| stream::feed(&source, input, mode, &stop));
        let times = collect(&times);
        stop.store(true, Ordering::Relaxed);
        // Wakes the feeder. Going down cannot fail in a way that matters now.
        let _ = pipeline.set_state(gst::State::Null);
        times
    });
    let measured = times.iter().skip(WARM_UP).map(|took| took.as_secs_f64() * 1e3);
    if let Some(median) = percentile(measured, 0.5) {
        return Ok(median);
    }
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    Err(match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => CliError::runtime(error.error()),
        _ => CliError::runtime("videoconvert gave no frame"),
    })
}

/// Sends the time from a frame's arrival at the element to its leave.
fn time_conversions(convert: &gst::Element, took: Sender<Duration>) {
    let arrived = Arc::new(Mutex::new(None::<Instant>));
    let came = Arc::clone(&arrived);
    if let Some(pad) = convert.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            *came.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            gst::PadProbeReturn::Ok
        });
    }
    if let Some(pad) = convert.static_pad("src") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let Some(arrived) = arrived.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // Nobody listens when enough was seen.
                let _ = took.send(arrived.elapsed());
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// Enough of them, or what came until none did.
fn collect(times: &Receiver<Duration>) -> Vec<Duration> {
    let mut collected = Vec::new();
    while collected.len() < WARM_UP + FRAMES {
        match times.recv_timeout(PATIENCE) {
            Ok(took) => collected.push(took),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    collected
}
