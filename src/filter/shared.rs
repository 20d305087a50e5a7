//! What the three threads of one element share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::filter::analysis::clip_observer::ClipObserver;
use crate::filter::audio::AudioHistory;
use crate::filter::input::negotiation::LatencyParams;
use crate::filter::input::queue::InputQueue;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::output::queue::OutputQueue;
use crate::filter::stats::Stats;
use crate::infer::{CancelToken, Canceller};

/// One run that fails may be its clip's fault; so many in a row are the model's.
const MAX_FAILED_RUNS: u32 = 3;

/// What the classifier said of a clip.
#[derive(Debug)]
pub enum ClipAnswer {
    Scored,
    /// It ran, and what came out is no probability.
    WithoutScore,
    /// It did not run.
    Failed(String),
}

/// What the classifier's answers say of it.
#[derive(Default)]
struct ClipHealth {
    /// Runs that failed, in a row, and the last error.
    failed_runs: u32,
    error: String,
    /// A clip was scored since that was last asked.
    scored: bool,
}

/// What the models are doing.
#[derive(Clone, Default)]
struct Work {
    detection: CancelToken,
    clips: Vec<Canceller>,
}

/// Why upstream's buffers are refused.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    flow: gst::FlowError,
    /// An error message of the element has said so already.
    explained: bool,
}

/// What the three threads of one element share.
#[derive(Default)]
pub struct Shared {
    pub input: InputQueue,
    pub output: OutputQueue,
    pub stats: Stats,
    /// What is heard beside the pictures.
    pub audio: AudioHistory,
    /// What latency and buffering depend on. A leaf lock, held for a copy only.
    latency_params: Mutex<LatencyParams>,
    /// Who scores, once it is loaded. A leaf lock, held for a copy only.
    classifier: Mutex<Option<Arc<ClassifierName>>>,
    /// Who sees the clips; decided once, before the first.
    clip_observer: OnceLock<Box<ClipObserver>>,
    /// How the classifier does. A leaf lock.
    clip_health: Mutex<ClipHealth>,
    /// What a flush or a stop cancels. A leaf lock, held for a copy only.
    work: Mutex<Work>,
    /// The caps whose event has left the element. A leaf lock, held for a copy only.
    delivered_caps: Mutex<Option<gst::Caps>>,
    /// Why nothing more is taken. A leaf lock, held for a copy only.
    refusal: Mutex<Option<Refusal>>,
    /// Upstream's EOS until it has left. Who takes it sees to it that the end is heard of. A leaf
    /// lock, held for a move only.
    eos: Mutex<Option<gst::Event>>,
}

impl Shared {
    pub fn latency_params(&self) -> LatencyParams {
        *self.latency_params.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what the latency depends on and tells whether that changed it.
    pub fn change_latency_params(&self, change: impl FnOnce(&mut LatencyParams)) -> bool {
        let mut params = self.latency_params.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = |params: &LatencyParams| params.latency(gst::ClockTime::ZERO);
        let before = latency(&params);
        change(&mut params);
        latency(&params) != before
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A detection begins; a flush or a stop cancels it through this.
    pub fn begin_detection(&self) -> CancelToken {
        let mut work = self.work();
        if work.detection.is_cancelled() {
            work.detection = CancelToken::new();
        }
        work.detection.clone()
    }

    /// Whose clips a flush or a stop drops and cancels.
    pub fn set_clip_cancellers(&self, cancellers: Vec<Canceller>) {
        self.work().clips = cancellers;
    }

    /// Cancels what the models are doing, from whatever thread: the analysis thread may be waiting
    /// for just that. To be called after the generation was raised, so that nothing of before
    /// begins later.
    fn cancel_work(&self) {
        let Work { detection, clips } = self.work().clone();
        detection.cancel();
        self.audio.interrupt();
        clips.iter().for_each(Canceller::flush);
    }

    pub fn set_classifier(&self, name: Option<Arc<ClassifierName>>) {
        *self.classifier.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    pub fn classifier(&self) -> Option<Arc<ClassifierName>> {
        self.classifier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has `observer` see every clip. Only the first call counts.
    pub fn set_clip_observer(&self, observer: Box<ClipObserver>) {
        // The method's own documentation says what becomes of a second one.
        let _second = self.clip_observer.set(observer);
    }

    pub fn clip_observer(&self) -> Option<&ClipObserver> {
        self.clip_observer.get().map(Box::as_ref)
    }

    /// The classifier answered. A score ends a row of failures; a clip without one says nothing of
    /// the engine.
    pub fn clip_answered(&self, answer: ClipAnswer) {
        let mut health = self.clip_health();
        match answer {
            ClipAnswer::Scored => *health = ClipHealth { scored: true, ..ClipHealth::default() },
            ClipAnswer::WithoutScore => {}
            ClipAnswer::Failed(error) => {
                health.failed_runs += 1;
                health.error = error;
            }
        }
    }

    fn clip_health(&self) -> MutexGuard<'_, ClipHealth> {
        self.clip_health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a clip was scored since this was last asked.
    pub fn take_clip_scored(&self) -> bool {
        std::mem::take(&mut self.clip_health().scored)
    }

    /// The last error, if the classifier failed often enough in a row to be given up.
    pub fn take_clip_failures(&self) -> Option<String> {
        let mut health = self.clip_health();
        (health.failed_runs >= MAX_FAILED_RUNS).then(|| std::mem::take(&mut *health).error)
    }

    pub fn set_delivered_caps(&self, caps: Option<gst::Caps>) {
        *self.delivered_caps.lock().unwrap_or_else(PoisonError::into_inner) = caps;
    }

    pub fn delivered_caps(&self) -> Option<gst::Caps> {
        self.delivered_caps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, refusal: Option<Refusal>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    fn refusal(&self) -> Option<Refusal> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What upstream is to hear.
    pub fn flow(&self) -> Option<gst::FlowError> {
        self.refusal().map(|refusal| refusal.flow)
    }

    /// Whether an error message has said why nothing more is taken.
    pub fn is_explained(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.explained)
    }

    pub fn set_eos(&self, eos: Option<gst::Event>) {
        *self.eos.lock().unwrap_or_else(PoisonError::into_inner) = eos;
    }

    pub fn take_eos(&self) -> Option<gst::Event> {
        self.eos.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn start(&self) {
        self.stats.reset();
        self.refuse(None);
        *self.clip_health() = ClipHealth::default();
        self.set_eos(None);
        self.set_delivered_caps(None);
        self.set_classifier(None);
        self.change_latency_params(|params| *params = LatencyParams::default());
        self.input.start();
        self.output.open();
    }

    pub fn stop(&self) {
        self.input.stop();
        self.output.flush();
        self.cancel_work();
    }

    /// Downstream takes nothing more: upstream hears it on its next buffer.
    pub fn fail(&self, flow: gst::FlowError) {
        self.end(Refusal { flow, explained: false });
    }

    /// The element itself takes nothing more, and has posted why.
    pub fn fail_explained(&self) {
        self.end(Refusal { flow: gst::FlowError::Error, explained: true });
    }

    fn end(&self, refusal: Refusal) {
        self.refuse(Some(refusal));
        self.input.flush_start();
        self.output.flush();
        self.cancel_work();
    }

    pub fn flush_start(&self) {
        self.input.flush_start();
        self.output.flush();
        self.cancel_work();
    }

    pub fn flush_stop(&self) {
        self.refuse(None);
        self.set_eos(None);
        self.input.flush_stop();
        self.output.open();
    }
}
