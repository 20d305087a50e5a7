//! The wall clock of a camera's stream, fed by its own frames.

use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;

use crate::events::{TimeSource, UtcTime};
use crate::publish::WallClock;

/// Knows when frames were seen.
#[derive(Debug, Default)]
pub struct StreamClock {
    /// Lock order: a leaf.
    clock: Mutex<WallClock>,
}

impl StreamClock {
    /// Looks at what leaves a pad that carries reference timestamps.
    pub fn follow(self: &Arc<Self>, pad: &gst::Pad) {
        let this = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(buffer) = info.buffer()
                && buffer.meta::<gst::ReferenceTimestampMeta>().is_some()
                && let Some(time) = running_time(pad, buffer)
            {
                this.lock().observe(buffer, time);
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WallClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a frame of this running time was seen, nanoseconds.
    pub fn utc(
        &self,
        running_time: Option<u64>,
        pipeline: &gst::Pipeline,
    ) -> (UtcTime, TimeSource) {
        // A copy: asking the pipeline for its time takes locks of its own.
        let clock = self.lock().clone();
        clock.utc(running_time, pipeline)
    }
}

fn running_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    segment.to_running_time(buffer.pts()?)
}
