//! `m2sdfilter` inside a program: frames go in through an `appsrc`, come out of an `appsink`, and
//! their scores are read from the metadata.
//!
//! ```sh
//! cargo run --example embed --features examples -- clip.mp4
//! ```
//!
//! A program that already has frames pushes them into the `appsrc`; here they are decoded first.

use std::error::Error;

use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta;

/// A face as this program wants it.
struct Face {
    track: Option<i32>,
    label: String,
    /// P(fake); `None` until a clip of the face has been scored.
    score: Option<f64>,
}

/// The faces that the element found on a frame.
fn faces(buffer: &gst::BufferRef) -> Vec<Face> {
    let rois = buffer.iter_meta::<VideoRegionOfInterestMeta>();
    let faces = rois.filter(|roi| roi.roi_type() == "face").map(|roi| {
        let verdict = roi.param("m2sd");
        Face {
            track: roi.param("object_id").and_then(|s| s.get("id").ok()),
            label: verdict.and_then(|s| s.get("label").ok()).unwrap_or_default(),
            score: verdict.and_then(|s| s.get("score").ok()),
        }
    });
    faces.collect()
}

/// Where the program's frames come from: here, a decoder.
fn decoder(file: &str) -> Result<(gst::Pipeline, gst_app::AppSink), Box<dyn Error>> {
    let line = "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=I420 ! \
                appsink name=frames sync=false max-buffers=4";
    let pipeline = gst::parse::launch(line)?.downcast::<gst::Pipeline>().map_err(|_| "a bin")?;
    pipeline.by_name("file").ok_or("no filesrc")?.set_property("location", file);
    let frames = pipeline.by_name("frames").and_downcast().ok_or("no appsink")?;
    Ok((pipeline, frames))
}

/// The element between two ends that the program holds.
fn analyser() -> Result<(gst::Pipeline, gst_app::AppSrc, gst_app::AppSink), Box<dyn Error>> {
    let line = "appsrc name=in format=time block=true max-buffers=4 ! m2sdfilter draw=false ! \
                appsink name=out sync=false";
    let pipeline = gst::parse::launch(line)?.downcast::<gst::Pipeline>().map_err(|_| "a bin")?;
    let source = pipeline.by_name("in").and_downcast().ok_or("no appsrc")?;
    let sink = pipeline.by_name("out").and_downcast().ok_or("no appsink")?;
    Ok((pipeline, source, sink))
}

/// The error on a pipeline's bus, if there is one.
fn check(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().to_string().into()),
        _ => Ok(()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: embed VIDEO")?;
    gst::init()?;
    gstm2sd::plugin_register_static()?;
    let (decoder, frames) = decoder(&file)?;
    let (analyser, source, sink) = analyser()?;

    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(|sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let Some(buffer) = sample.buffer() else { return Ok(gst::FlowSuccess::Ok) };
                for face in faces(buffer) {
                    let time = buffer.pts().unwrap_or_default();
                    let score = face.score.map_or("-".into(), |s| format!("{s:.3}"));
                    println!("{time:.2} face {:?}: {} {score}", face.track, face.label);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    // The errors that these may return are on the bus, with their reasons.
    let _ = analyser.set_state(gst::State::Playing);
    check(&analyser)?;
    let _ = decoder.set_state(gst::State::Playing);
    while let Ok(sample) = frames.pull_sample() {
        if source.push_sample(&sample).is_err() {
            break;
        }
    }
    check(&decoder)?;
    source.end_of_stream()?;
    let bus = analyser.bus().ok_or("no bus")?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    if let Some(message) = bus.timed_pop_filtered(None, &ends)
        && let gst::MessageView::Error(error) = message.view()
    {
        return Err(error.error().to_string().into());
    }
    analyser.set_state(gst::State::Null)?;
    decoder.set_state(gst::State::Null)?;
    Ok(())
}
