//! Where the time goes: the duration of each step of a frame's and a clip's way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use glib::value::ToSendValue;

use crate::core::histogram::Histogram;
use crate::core::percentile::percentile;

/// Samples that a percentile is taken over.
const RECENT: usize = 256;

/// Durations of one kind: the newest of them, and how often which came.
#[derive(Debug, Default)]
pub struct Times {
    pub recent: Recent,
    all: Histogram,
}

impl Times {
    pub fn add(&mut self, value: Duration) {
        self.recent.add(value);
        self.all.add(value);
    }

    /// `counts`, of each bucket alone, the `ends` of all buckets but the last, and the sum, in
    /// milliseconds.
    pub fn histogram(&self) -> gst::Structure {
        let ends = Histogram::ENDS.map(|end| (end * 1e3).to_send_value());
        let counts = self.all.counts().iter().map(ToSendValue::to_send_value);
        gst::Structure::builder("histogram")
            .field("ends-ms", gst::Array::from_values(ends))
            .field("counts", gst::Array::from_values(counts))
            .field("sum-ms", self.all.sum().as_secs_f64() * 1e3)
            .build()
    }
}

/// The newest durations of one kind.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<Duration>);

impl Recent {
    pub fn add(&mut self, value: Duration) {
        if self.0.len() == RECENT {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// In milliseconds; 0 before the first sample. `fraction` is in 0..=1.
    pub fn percentile_ms(&self, fraction: f64) -> f64 {
        percentile(self.0.iter().map(|d| d.as_secs_f64() * 1e3), fraction).unwrap_or(0.0)
    }
}

/// One step. `Detect`, `Landmarks` and `Classify` are runs of a network and nothing else, so that
/// what remains is this crate's own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The frame to packed RGB; nothing for a format that is read where it lies.
    Convert,
    /// What the detector reads: the frame scaled, normalised, as planes.
    Prepare,
    Detect,
    /// The detector's output to faces.
    Decode,
    /// What the aligner reads: the faces of a frame.
    LandmarkCrop,
    Landmarks,
    Track,
    /// The surroundings of the faces of a frame, copied.
    Crop,
    /// The crops of a clip, aligned.
    Warp,
    /// The aligned clip as what the classifier reads.
    Normalise,
    /// Clips that share a run have its whole time each.
    Classify,
    /// Metadata and drawing.
    Overlay,
    /// Downstream's own time.
    Push,
}

impl Stage {
    const NAMES: [(Self, &'static str); 13] = [
        (Self::Convert, "convert"),
        (Self::Prepare, "prepare"),
        (Self::Detect, "detect"),
        (Self::Decode, "decode"),
        (Self::LandmarkCrop, "landmark-crop"),
        (Self::Landmarks, "landmarks"),
        (Self::Track, "track"),
        (Self::Crop, "crop"),
        (Self::Warp, "warp"),
        (Self::Normalise, "normalise"),
        (Self::Classify, "classify"),
        (Self::Overlay, "overlay"),
        (Self::Push, "push"),
    ];
}

#[derive(Debug, Default)]
struct Timing {
    count: u64,
    total: Duration,
    recent: Recent,
}

/// The durations of all stages, shared by the threads that pass through them.
///
/// Lock order: a leaf; held for an addition only.
#[derive(Clone, Debug, Default)]
pub struct Stages(Arc<Mutex<[Timing; Stage::NAMES.len()]>>);

impl Stages {
    fn lock(&self) -> MutexGuard<'_, [Timing; Stage::NAMES.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn reset(&self) {
        *self.lock() = Default::default();
    }

    pub fn add(&self, stage: Stage, took: Duration) {
        if let Some(timing) = self.lock().get_mut(stage as usize) {
            timing.count += 1;
            timing.total += took;
            timing.recent.add(took);
        }
    }

    /// Does `work` and notes how long it took.
    pub fn time<R>(&self, stage: Stage, work: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = work();
        self.add(stage, started.elapsed());
        result
    }

    /// One structure for each stage, by its name.
    pub fn structure(&self) -> gst::Structure {
        let timings = self.lock();
        let stages = Stage::NAMES.iter().zip(timings.iter());
        let whole = gst::Structure::builder("stages");
        let whole = stages.fold(whole, |whole, ((_, name), timing)| {
            let stage = gst::Structure::builder(*name)
                .field("count", timing.count)
                .field("total-ms", timing.total.as_secs_f64() * 1e3)
                .field("p50-ms", timing.recent.percentile_ms(0.5))
                .field("p95-ms", timing.recent.percentile_ms(0.95));
            whole.field(*name, stage.build())
        });
        whole.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_in_the_place_of_its_name() {
        for (place, (stage, _)) in Stage::NAMES.into_iter().enumerate() {
            assert_eq!(stage as usize, place, "{stage:?}");
        }
    }

    #[test]
    fn percentiles_are_of_the_newest_samples_and_totals_of_all() {
        gst::init().unwrap();
        let stages = Stages::default();
        let ms = Duration::from_millis;
        stages.add(Stage::Warp, ms(1000));
        for _ in 0..RECENT {
            stages.add(Stage::Warp, ms(2));
        }
        let warp: gst::Structure = stages.structure().get("warp").unwrap();
        assert_eq!(warp.get("count"), Ok(1 + RECENT as u64));
        assert_eq!(warp.get("p95-ms"), Ok(2.0));
        assert_eq!(warp.get("total-ms"), Ok(1000.0 + 2.0 * RECENT as f64));
        stages.reset();
        let warp: gst::Structure = stages.structure().get("warp").unwrap();
        assert_eq!((warp.get("count"), warp.get("p50-ms")), (Ok(0u64), Ok(0.0)));
    }
}
