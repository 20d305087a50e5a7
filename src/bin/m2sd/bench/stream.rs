//! Frames from memory into a pipeline, and out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::Mode;
use super::input::Input;
use crate::error::CliError;

fn make(factory: &str) -> Result<gst::Element, CliError> {
    gst::ElementFactory::make(factory).build().map_err(CliError::runtime)
}

/// Frames are pushed into it; it waits while two have not been taken.
pub fn source(input: &Input, live: bool) -> Result<gst::Element, CliError> {
    let source = make("appsrc")?;
    let caps = input.info.to_caps().map_err(CliError::runtime)?;
    source.set_property("caps", caps);
    source.set_property_from_str("format", "time");
    source.set_property("is-live", live);
    source.set_property("block", true);
    source.set_property("max-buffers", 2u64);
    source.set_property("max-bytes", 0u64);
    Ok(source)
}

/// Takes everything at once and keeps nothing.
pub fn sink() -> Result<gst::Element, CliError> {
    let sink = make("fakesink")?;
    sink.set_property("sync", false);
    sink.set_property("enable-last-sample", false);
    Ok(sink)
}

/// Counts the frames that come to `sink`; `each` is called for every one.
pub fn count(sink: &gst::Element, each: impl Fn() + Send + Sync + 'static) -> Arc<AtomicU64> {
    let frames = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&frames);
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            each();
            gst::PadProbeReturn::Ok
        });
    }
    frames
}

/// Sends frames until `stop`, or until nobody takes them: in real time where that is wanted.
pub fn feed(source: &gst::Element, input: &Input, mode: Mode, stop: &AtomicBool) {
    let begin = Instant::now();
    for number in 0.. {
        let frame = input.frame(number);
        if mode == Mode::Live {
            let due = frame.pts().map_or(Duration::ZERO, Duration::from);
            std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
        }
        let pushed: gst::FlowReturn = source.emit_by_name("push-buffer", &[&frame]);
        if pushed != gst::FlowReturn::Ok || stop.load(Ordering::Relaxed) {
            break;
        }
    }
}
