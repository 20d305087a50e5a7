//! Watches RTSP cameras: one line for each verdict, and reconnects with growing pauses.
//!
//! ```sh
//! cargo run --release --example rtsp --features examples -- rtsp://camera1/stream rtsp://camera2/stream
//! ```
//!
//! All cameras share one classifier, which serves them in turn.

use std::error::Error;
use std::thread;

use gst::prelude::*;
use gstm2sd::core::backoff::Backoff;

/// Receives, decodes and analyses one camera; nothing is shown.
fn pipeline(url: &str) -> Result<gst::Pipeline, Box<dyn Error>> {
    let line = "rtspsrc name=camera latency=200 ! decodebin ! videoconvert ! \
                m2sdfilter draw=false mode=live ! fakesink sync=false";
    let pipeline = gst::parse::launch(line)?.downcast::<gst::Pipeline>().map_err(|_| "a bin")?;
    pipeline.by_name("camera").ok_or("no rtspsrc")?.set_property("location", url);
    Ok(pipeline)
}

/// Prints verdicts until the camera is lost; returns whether anything came, and why it ended.
fn watch(url: &str, pipeline: &gst::Pipeline) -> (bool, String) {
    let Some(bus) = pipeline.bus() else { return (false, "no bus".into()) };
    let mut came = false;
    // The error that this may return is on the bus, with its reason.
    let _ = pipeline.set_state(gst::State::Playing);
    for message in bus.iter_timed(None) {
        match message.view() {
            gst::MessageView::Eos(_) => return (came, "the stream ended".into()),
            gst::MessageView::Error(error) => return (came, error.error().to_string()),
            gst::MessageView::Warning(warning) => eprintln!("{url}: {}", warning.error()),
            gst::MessageView::AsyncDone(_) => came = true,
            gst::MessageView::Latency(_) => {
                // A new latency is wanted; a pipeline that refuses it keeps the old one.
                let _ = pipeline.recalculate_latency();
            }
            gst::MessageView::Element(element) => {
                let Some(verdict) = element.structure() else { continue };
                if verdict.name() != "m2sd-verdict" {
                    continue;
                }
                came = true;
                let track: u64 = verdict.get("track").unwrap_or_default();
                let label: &str = verdict.get("label").unwrap_or("?");
                let score: f64 = verdict.get("score").unwrap_or(f64::NAN);
                println!("{url} face {track}: {label} ({score:.3})");
            }
            _ => {}
        }
    }
    (came, "the bus was closed".into())
}

/// Watches one camera for ever.
fn run(url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut backoff = Backoff::default();
    loop {
        let pipeline = pipeline(url).map_err(|e| e.to_string())?;
        let (came, reason) = watch(url, &pipeline);
        pipeline.set_state(gst::State::Null)?;
        if came {
            backoff.succeeded();
        }
        let pause = backoff.failed();
        eprintln!("{url}: {reason}; next try in {} s", pause.as_secs());
        thread::sleep(pause);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        return Err("usage: rtsp URL…".into());
    }
    gst::init()?;
    gstm2sd::plugin_register_static()?;
    let cameras: Vec<_> = urls.into_iter().map(|url| thread::spawn(move || run(&url))).collect();
    for camera in cameras {
        camera.join().map_err(|_| "a camera's thread panicked")?.map_err(|e| e.to_string())?;
    }
    Ok(())
}
