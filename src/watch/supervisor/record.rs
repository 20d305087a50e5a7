//! What is known of a camera, for everybody but its supervisor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::machine::Change;
use crate::core::histogram::Histogram;
use crate::events::UtcTime;
use crate::events::body::{CameraState, VideoFormat};
use crate::filter::M2sdFilter;
use crate::watch::config::{CameraSettings, shown};
use crate::watch::pipeline::CameraPipeline;
use crate::watch::pipeline::traffic::Traffic;
use crate::watch::pipeline::view::View;
use crate::watch::status::{CameraFigures, CameraStatus};

/// Written by a camera's supervisor, read by everybody.
pub struct CameraRecord {
    /// Lock order: a leaf, but for the element's own leaves.
    inner: Mutex<Inner>,
    /// Its newest frame.
    pub view: Arc<View>,
    started: AtomicBool,
    analysis_fails: AtomicBool,
}

struct Inner {
    settings: Arc<CameraSettings>,
    state: CameraState,
    since: UtcTime,
    reason: Option<String>,
    /// Of pipelines that are over.
    totals: CameraFigures,
    present: Option<Present>,
    /// When the supervisor turned last.
    turned: Instant,
}

/// The pipeline of now.
struct Present {
    filter: M2sdFilter,
    traffic: Arc<Traffic>,
}

impl CameraRecord {
    /// Of a camera that is not started yet.
    pub fn new(settings: Arc<CameraSettings>) -> Self {
        let inner = Inner {
            settings,
            state: CameraState::Connecting,
            since: UtcTime::now(),
            reason: None,
            totals: CameraFigures::default(),
            present: None,
            turned: Instant::now(),
        };
        Self {
            inner: Mutex::new(inner),
            view: Arc::default(),
            started: AtomicBool::new(false),
            analysis_fails: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it does now.
    pub fn status(&self) -> CameraStatus {
        let inner = self.lock();
        let (faces, last_frame) = self.view.newest();
        let mut figures = inner.totals.clone();
        if let Some(present) = &inner.present {
            add(&mut figures, &figures_of(present));
        }
        CameraStatus {
            id: inner.settings.id.clone(),
            name: inner.settings.name.clone(),
            uri: shown(&inner.settings.uri),
            state: inner.state,
            since: inner.since,
            reason: inner.reason.clone(),
            video: inner.present.as_ref().and_then(|present| present.traffic.video()),
            last_frame,
            figures,
            faces,
        }
    }

    /// What it does.
    pub fn state(&self) -> CameraState {
        self.lock().state
    }

    /// What holds for it.
    pub fn settings(&self) -> Arc<CameraSettings> {
        Arc::clone(&self.lock().settings)
    }

    /// Its element, while there is one.
    pub fn filter(&self) -> Option<M2sdFilter> {
        self.lock().present.as_ref().map(|present| present.filter.clone())
    }

    /// Whether it has been tried, and, where frames come, has been analysed; never while its models are
    /// missing.
    pub fn is_ready(&self) -> bool {
        let status = self.status();
        let waits = status.state == CameraState::Online && status.figures.frames_analysed == 0;
        let fails = self.analysis_fails.load(Ordering::Relaxed);
        self.started.load(Ordering::Relaxed) && !waits && !fails
    }

    /// Whether its last error is of the analysis and not of the camera.
    pub(super) fn set_analysis_fails(&self, fails: bool) {
        self.analysis_fails.store(fails, Ordering::Relaxed);
    }

    /// How long its supervisor has not turned.
    pub fn quiet(&self) -> Duration {
        self.lock().turned.elapsed()
    }

    pub(super) fn turn(&self) {
        self.lock().turned = Instant::now();
    }

    pub(super) fn set_settings(&self, settings: Arc<CameraSettings>) {
        self.lock().settings = settings;
    }

    pub(super) fn set_state(&self, change: &Change) {
        if change.state == CameraState::Online {
            self.set_analysis_fails(false);
        }
        if change.state != CameraState::Connecting {
            self.started.store(true, Ordering::Relaxed);
        }
        let mut inner = self.lock();
        if inner.state != change.state {
            inner.since = UtcTime::now();
        }
        // While it is tried again, what was wrong is still what is known.
        if change.state != CameraState::Connecting || change.reason.is_some() {
            inner.reason.clone_from(&change.reason);
        }
        inner.state = change.state;
    }

    pub(super) fn begin(&self, pipeline: &CameraPipeline) {
        let traffic = Arc::clone(pipeline.traffic());
        let present = Present { filter: pipeline.filter().clone(), traffic };
        self.lock().present = Some(present);
    }

    /// The pipeline is over: its counters are part of the totals.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        if let Some(present) = inner.present.take() {
            let mut figures = figures_of(&present);
            (figures.frames_waiting, figures.clips_waiting) = (0, 0);
            add(&mut inner.totals, &figures);
        }
        drop(inner);
        self.view.forget_faces();
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut CameraFigures)) {
        count(&mut self.lock().totals);
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.lock().totals.reconnects
    }

    pub(super) fn video(&self) -> Option<VideoFormat> {
        self.lock().present.as_ref().and_then(|present| present.traffic.video())
    }
}

/// What the element and its source have counted.
fn figures_of(present: &Present) -> CameraFigures {
    let stats: gst::Structure = present.filter.property("stats");
    let count = |name| stats.get::<u64>(name).unwrap_or_default();
    let time = |name| stats.get::<f64>(name).unwrap_or_default();
    let times = |name| stats.get::<gst::Structure>(name).ok().as_ref().and_then(histogram);
    CameraFigures {
        frames_in: count("frames-in"),
        frames_out: count("frames-out"),
        frames_analysed: count("frames-analysed"),
        frames_waiting: count("frames-waiting"),
        bytes_in: present.traffic.bytes(),
        clips_scored: count("clips-scored"),
        clips_skipped: count("clips-skipped"),
        clips_failed: count("clips-failed"),
        clips_waiting: count("clips-waiting"),
        latency_p50_ms: time("latency-p50-ms"),
        latency_p95_ms: time("latency-p95-ms"),
        classify_p95_ms: time("classify-p95-ms"),
        latency: times("latency-times").unwrap_or_default(),
        detect: times("detect-times").unwrap_or_default(),
        classify: times("classify-times").unwrap_or_default(),
        ..CameraFigures::default()
    }
}

fn histogram(times: &gst::Structure) -> Option<Histogram> {
    let counts = times.get::<gst::Array>("counts").ok()?;
    let counts: Result<Vec<u64>, _> = counts.iter().map(|count| count.get()).collect();
    let sum = Duration::try_from_secs_f64(times.get::<f64>("sum-ms").ok()? / 1e3);
    Histogram::new(&counts.ok()?, sum.ok()?)
}

/// Adds what is counted, and takes the times of the newer.
fn add(total: &mut CameraFigures, newer: &CameraFigures) {
    total.frames_in += newer.frames_in;
    total.frames_out += newer.frames_out;
    total.frames_analysed += newer.frames_analysed;
    total.frames_waiting += newer.frames_waiting;
    total.bytes_in += newer.bytes_in;
    total.clips_scored += newer.clips_scored;
    total.clips_skipped += newer.clips_skipped;
    total.clips_failed += newer.clips_failed;
    total.clips_waiting += newer.clips_waiting;
    total.reconnects += newer.reconnects;
    total.abandoned += newer.abandoned;
    total.alerts += newer.alerts;
    total.latency_p50_ms = newer.latency_p50_ms;
    total.latency_p95_ms = newer.latency_p95_ms;
    total.classify_p95_ms = newer.classify_p95_ms;
    total.latency.merge(&newer.latency);
    total.detect.merge(&newer.detect);
    total.classify.merge(&newer.classify);
}
