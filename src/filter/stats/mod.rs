//! What the `stats` property tells.

pub mod stages;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glib::value::ToSendValue;

use crate::core::track::TrackId;
use crate::core::window::FrameNumber;
use crate::filter::stats::stages::{Stages, Times};
use crate::infer::EngineInfo;

#[derive(Debug, Default)]
struct Counters {
    frames_in: u64,
    frames_out: u64,
    frames_analysed: u64,
    faces: u64,
    clips_scored: u64,
    clips_skipped: u64,
    clips_failed: u64,
    detect: Times,
    classify: Times,
    delivery: Times,
    classifier: RunsOn,
    detector: RunsOn,
    /// The newest clip of each track that is on: its last frame, and frames since the clip before.
    strides: BTreeMap<TrackId, (FrameNumber, Option<u64>)>,
}

/// Who runs a network, and what it computes in; empty where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunsOn {
    provider: &'static str,
    precision: &'static str,
}

impl From<&EngineInfo> for RunsOn {
    fn from(info: &EngineInfo) -> Self {
        Self { provider: info.provider.as_str(), precision: info.precision.as_str() }
    }
}

/// The element's counters since it left READY.
///
/// Lock order: a leaf; held for a few additions only.
#[derive(Debug, Default)]
pub struct Stats {
    counters: Mutex<Counters>,
    pub stages: Stages,
}

/// How a clip ended.
#[derive(Clone, Copy, Debug)]
pub enum ClipEnd {
    /// With the time that the engine took.
    Scored(Duration),
    /// The engine was busy.
    Skipped,
    Failed,
}

impl Stats {
    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn reset(&self) {
        *self.lock() = Counters::default();
        self.stages.reset();
    }

    pub fn frame_in(&self) {
        self.lock().frames_in += 1;
    }

    /// A frame left, this long after it came.
    pub fn frame_out(&self, after: Duration) {
        let mut counters = self.lock();
        counters.frames_out += 1;
        counters.delivery.add(after);
    }

    /// Detection ran on a frame: how long, and how many faces it has.
    pub fn frame_analysed(&self, detect: Duration, faces: usize) {
        let mut counters = self.lock();
        counters.frames_analysed += 1;
        counters.faces += faces as u64;
        counters.detect.add(detect);
    }

    pub fn clip(&self, end: ClipEnd) {
        let mut counters = self.lock();
        match end {
            ClipEnd::Scored(took) => {
                counters.clips_scored += 1;
                counters.classify.add(took);
            }
            ClipEnd::Skipped => counters.clips_skipped += 1,
            ClipEnd::Failed => counters.clips_failed += 1,
        }
    }

    /// A clip of this track, ending with this frame, goes to the classifier.
    pub fn clip_begins(&self, track: TrackId, last: FrameNumber) {
        let mut counters = self.lock();
        let entry = counters.strides.entry(track);
        entry
            .and_modify(|(before, stride)| {
                *stride = Some(last.saturating_sub(*before));
                *before = last;
            })
            .or_insert((last, None));
    }

    pub fn track_ends(&self, track: TrackId) {
        self.lock().strides.remove(&track);
    }

    pub fn set_classifier(&self, runs_on: RunsOn) {
        self.lock().classifier = runs_on;
    }

    pub fn set_detector(&self, runs_on: RunsOn) {
        self.lock().detector = runs_on;
    }

    /// The counters with the depths of the queues, which the caller knows.
    pub fn structure(&self, frames_waiting: usize, clips_waiting: usize) -> gst::Structure {
        let stages = self.stages.structure();
        let c = self.lock();
        // Tracks with one clip so far have no stride yet.
        let strides = c.strides.iter().filter_map(|(track, (_, stride))| {
            let name = gst::Structure::builder("track").field("track", track.0);
            Some(name.field("clip-stride", (*stride)?).build().to_send_value())
        });
        gst::Structure::builder("m2sd-stats")
            .field("frames-in", c.frames_in)
            .field("frames-out", c.frames_out)
            .field("frames-analysed", c.frames_analysed)
            .field("frames-waiting", frames_waiting as u64)
            .field("faces", c.faces)
            .field("clips-scored", c.clips_scored)
            .field("clips-skipped", c.clips_skipped)
            .field("clips-failed", c.clips_failed)
            .field("clips-waiting", clips_waiting as u64)
            .field("detect-p50-ms", c.detect.recent.percentile_ms(0.5))
            .field("detect-p95-ms", c.detect.recent.percentile_ms(0.95))
            .field("classify-p50-ms", c.classify.recent.percentile_ms(0.5))
            .field("classify-p95-ms", c.classify.recent.percentile_ms(0.95))
            .field("latency-p50-ms", c.delivery.recent.percentile_ms(0.5))
            .field("latency-p95-ms", c.delivery.recent.percentile_ms(0.95))
            .field("detect-times", c.detect.histogram())
            .field("classify-times", c.classify.histogram())
            .field("latency-times", c.delivery.histogram())
            .field("provider", c.classifier.provider)
            .field("precision", c.classifier.precision)
            .field("detect-provider", c.detector.provider)
            .field("detect-precision", c.detector.precision)
            .field("tracks", gst::Array::from_values(strides))
            .field("stages", stages)
            .build()
    }
}
