//! What comes through a camera's pipeline.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use crate::events::body::VideoFormat;

/// Counted from the start of one pipeline.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes: AtomicU64,
    frames: AtomicU64,
    /// Lock order: leaves.
    video: Mutex<Option<VideoFormat>>,
    codec: Mutex<Option<String>>,
}

impl Traffic {
    /// Bytes that came from the source.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Decoded frames.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// What the newest frames are.
    pub fn video(&self) -> Option<VideoFormat> {
        self.video.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts the bytes that leave a pad of the source.
    pub fn count_bytes(self: &Arc<Self>, pad: &gst::Pad) {
        let this = Arc::clone(self);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(mask, move |_, info| {
            let bytes = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => buffer.size(),
                Some(gst::PadProbeData::BufferList(list)) => list.iter().map(|b| b.size()).sum(),
                _ => 0,
            };
            this.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
    }

    /// Counts the decoded frames that leave a pad, and looks at their caps.
    pub fn count_frames(self: &Arc<Self>, pad: &gst::Pad) {
        let this = Arc::clone(self);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |_, info| {
            match &info.data {
                Some(gst::PadProbeData::Buffer(_)) => {
                    this.frames.fetch_add(1, Ordering::Relaxed);
                }
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::Caps(caps) = event.view() {
                        this.set_video(caps.caps());
                    }
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Remembers what the video is compressed with.
    pub fn set_codec(&self, name: &str) {
        let mut codec = self.codec.lock().unwrap_or_else(PoisonError::into_inner);
        *codec = Some(name.to_owned());
    }

    fn set_video(&self, caps: &gst::CapsRef) {
        let codec = self.codec.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(caps) = caps.structure(0) else { return };
        let side = |name| caps.get::<i32>(name).ok().and_then(|px| u32::try_from(px).ok());
        let (Some(width), Some(height)) = (side("width"), side("height")) else { return };
        let rate = caps.get::<gst::Fraction>("framerate").ok();
        let rate = rate.map_or(0.0, |rate| f64::from(rate.numer()) / f64::from(rate.denom()));
        let video = VideoFormat { width, height, frame_rate: rate, codec };
        *self.video.lock().unwrap_or_else(PoisonError::into_inner) = Some(video);
    }
}
