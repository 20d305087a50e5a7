//! Watches RTSP cameras: one line for each verdict, and reconnects with growing pauses.
//!
//! ```sh
//! cargo run --release --example rtsp --features examples -- rtsp://camera1/stream rtsp://camera2/stream
//! ```
//!
//! All cameras share one classifier, which serves them in turn. They are told apart by number, since
//! addresses may hold passwords.

use std::error::Error;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

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
fn watch(camera: &str, pipeline: &gst::Pipeline) -> (bool, String) {
    let Some(bus) = pipeline.bus() else { return (false, "no bus".into()) };
    let mut came = false;
    // The error that this may return is on the bus, with its reason.
    let _ = pipeline.set_state(gst::State::Playing);
    for message in bus.iter_timed(None) {
        match message.view() {
            gst::MessageView::Eos(_) => return (came, "the stream ended".into()),
            gst::MessageView::Error(error) => return (came, error.error().to_string()),
            gst::MessageView::Warning(warning) => eprintln!("{camera}: {}", warning.error()),
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
                println!("{camera} face {track}: {label} ({score:.3})");
            }
            _ => {}
        }
    }
    (came, "the bus was closed".into())
}

/// Stops a pipeline, for ten seconds at most: rtspsrc of GStreamer 1.22 does not always stop, and is
/// then left to a thread of its own while the camera is tried again.
fn stop(camera: &str, pipeline: gst::Pipeline) {
    let (stopped, stops) = channel();
    thread::spawn(move || {
        // Nobody waits any more where it took too long.
        let _ = stopped.send(pipeline.set_state(gst::State::Null));
    });
    if stops.recv_timeout(Duration::from_secs(10)).is_err() {
        eprintln!("{camera}: the source does not stop: left alone");
    }
}

/// Watches one camera for ever.
fn run(camera: &str, url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut backoff = Backoff::default();
    loop {
        let pipeline = pipeline(url).map_err(|e| e.to_string())?;
        let (came, reason) = watch(camera, &pipeline);
        stop(camera, pipeline);
        if came {
            backoff.succeeded();
        }
        let pause = backoff.failed();
        eprintln!("{camera}: {reason}; next try in {} s", pause.as_secs());
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
    let cameras = urls.into_iter().zip(1..);
    let watch = |(url, n): (String, u32)| thread::spawn(move || run(&format!("camera {n}"), &url));
    let cameras: Vec<_> = cameras.map(watch).collect();
    for camera in cameras {
        camera.join().map_err(|_| "a camera's thread panicked")?.map_err(|e| e.to_string())?;
    }
    Ok(())
}
