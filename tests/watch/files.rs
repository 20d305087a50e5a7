//! A short video.

use std::path::{Path, PathBuf};

use gst::prelude::*;

/// 20 frames at 10 a second, as MP4.
pub fn short_video(folder: &Path) -> PathBuf {
    super::support::init();
    let path = folder.join("short.mp4");
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers=20 ! video/x-raw,width=160,height=120,framerate=10/1 ! \
         x264enc tune=zerolatency key-int-max=10 ! h264parse ! mp4mux faststart=true ! filesink location=\"{}\"",
        path.display()
    ));
    let pipeline = pipeline.unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    path
}
