//! Detection on a thread of its own.
//!
//! Where detection is slower than a frame may wait, the frame passes with the faces of before and
//! detection goes on: its result serves the frames that come then. One frame is being detected at
//! a time; nothing queues up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::face_analyzer::{AnalysisError, DetectedFace, FaceAnalyzer};
use super::format::StreamFormat;
use crate::core::window::FrameNumber;
use crate::filter::debug::CAT;
use crate::filter::engines::loading::FaceEngines;
use crate::filter::generation::Generation;
use crate::filter::settings::Settings;
use crate::filter::stats::RunsOn;
use crate::filter::stats::stages::Stages;
use crate::infer::{CancelToken, CountedThread};

/// A frame to find faces on.
pub struct DetectionJob {
    pub buffer: gst::Buffer,
    pub frame: FrameNumber,
    pub format: Arc<StreamFormat>,
    pub generation: Generation,
    /// Ends the run as soon as the provider can.
    pub cancel: CancelToken,
}

/// What came of a [`DetectionJob`].
pub struct Detections {
    pub faces: Result<Vec<DetectedFace>, AnalysisError>,
    /// The frame that they are on.
    pub frame: FrameNumber,
    /// The format that the faces' places are of.
    pub format: Arc<StreamFormat>,
    pub generation: Generation,
    pub cancelled: bool,
    pub took: Duration,
}

/// How long the end of the thread is waited for, after its run has been cancelled. A provider that
/// computes a model in one step notices at its end; one that never does is left behind.
const LAST_RUN: Duration = Duration::from_secs(2);

/// The detection thread. See the module's text.
pub struct FaceDetector {
    runs_on: RunsOn,
    jobs: Option<SyncSender<DetectionJob>>,
    results: Receiver<Detections>,
    /// What ends the run in flight.
    in_flight: Option<CancelToken>,
    thread: Option<JoinHandle<()>>,
}

impl FaceDetector {
    /// # Errors
    /// When the system has no more threads.
    pub fn start(
        engines: FaceEngines,
        settings: Settings,
        stages: Stages,
    ) -> std::io::Result<Self> {
        let runs_on = engines.detector.info().into();
        let (jobs, incoming) = sync_channel::<DetectionJob>(1);
        let (outgoing, results) = sync_channel(1);
        let worker = Worker { engines, settings, stages, analyzer: None };
        let counted = CountedThread::new();
        let thread = thread::Builder::new().name("m2sd-detect".into()).spawn(move || {
            let _counted = counted;
            worker.serve(&incoming, &outgoing);
            // The models are gone before whoever waits for the end of results hears of it.
            drop(outgoing);
        })?;
        Ok(Self { runs_on, jobs: Some(jobs), results, in_flight: None, thread: Some(thread) })
    }

    /// Who runs the detector.
    pub fn runs_on(&self) -> RunsOn {
        self.runs_on
    }

    /// Whether a frame is being detected.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Begins with a frame; the one before must have come back.
    pub fn begin(&mut self, job: DetectionJob) {
        let cancel = job.cancel.clone();
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_ok()
        {
            self.in_flight = Some(cancel);
        }
    }

    /// The result of the frame that is being detected, if it comes within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<Detections> {
        self.in_flight.as_ref()?;
        let result = self.results.recv_timeout(patience);
        if !matches!(result, Err(RecvTimeoutError::Timeout)) {
            self.in_flight = None;
        }
        result.ok()
    }
}

impl Drop for FaceDetector {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(cancel) = &self.in_flight {
            cancel.cancel();
        }
        let until = Instant::now() + LAST_RUN;
        loop {
            match self.results.recv_timeout(until.saturating_duration_since(Instant::now())) {
                // The one in flight; the thread ends after it.
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let _panicked = self.thread.take().map(JoinHandle::join);
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    gst::warning!(
                        CAT,
                        "A detection cannot be stopped and has not ended {LAST_RUN:?} after that \
                         was tried: its thread and its model are left behind"
                    );
                    return;
                }
            }
        }
    }
}

struct Worker {
    engines: FaceEngines,
    settings: Settings,
    stages: Stages,
    analyzer: Option<(Arc<StreamFormat>, FaceAnalyzer)>,
}

impl Worker {
    fn serve(mut self, incoming: &Receiver<DetectionJob>, outgoing: &SyncSender<Detections>) {
        for job in incoming {
            if outgoing.send(self.run(job)).is_err() {
                return;
            }
        }
    }

    fn run(&mut self, job: DetectionJob) -> Detections {
        let started = Instant::now();
        let found = catch_unwind(AssertUnwindSafe(|| self.detect(&job)));
        let DetectionJob { buffer, frame, format, generation, cancel } = job;
        // Whoever waits may want to write to it.
        drop(buffer);
        Detections {
            faces: found.unwrap_or(Err(AnalysisError::Panicked)),
            frame,
            format,
            generation,
            cancelled: cancel.is_cancelled(),
            took: started.elapsed(),
        }
    }

    fn detect(&mut self, job: &DetectionJob) -> Result<Vec<DetectedFace>, AnalysisError> {
        let analyzer = match &mut self.analyzer {
            Some((format, analyzer)) if Arc::ptr_eq(format, &job.format) => analyzer,
            other => {
                let format = Arc::clone(&job.format);
                let stages = self.stages.clone();
                let new =
                    FaceAnalyzer::new(Arc::clone(&format), &self.engines, &self.settings, stages)?;
                &mut other.insert((format, new)).1
            }
        };
        analyzer.process(&job.buffer, &mut self.engines, &job.cancel)
    }
}
