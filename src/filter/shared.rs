//! What the three threads of one element share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::audio::Tap;
use super::clips::ClipTap;
use super::inbox::Inbox;
use super::messages::ClassifierName;
use super::negotiate::StreamTraits;
use super::outbox::Outbox;
use super::stats::Stats;

/// One clip that cannot be scored is that clip's fault; so many in a row are the network's.
const FAILURES_IN_A_ROW: u32 = 3;

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
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub stats: Stats,
    /// What is heard beside the pictures.
    pub audio: Tap,
    /// What latency and buffering depend on. A leaf lock, held for a copy only.
    traits: Mutex<StreamTraits>,
    /// Who scores. A leaf lock, held for a copy only.
    classifier: Mutex<Arc<ClassifierName>>,
    /// Who sees the clips; decided once, before the first.
    clip_tap: OnceLock<Box<ClipTap>>,
    /// Clips in a row that the classifier failed on, and the last error. A leaf lock.
    clip_failures: Mutex<(u32, String)>,
    /// The caps whose event has left the element. A leaf lock, held for a copy only.
    delivered_caps: Mutex<Option<gst::Caps>>,
    /// Why nothing more is taken. A leaf lock, held for a copy only.
    refusal: Mutex<Option<Refusal>>,
    /// Upstream's EOS until it has left. Who takes it sees to it that the end is heard of. A leaf
    /// lock, held for a move only.
    eos: Mutex<Option<gst::Event>>,
}

impl Shared {
    pub fn traits(&self) -> StreamTraits {
        *self.traits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the traits and tells whether that changed the latency.
    pub fn set_traits(&self, change: impl FnOnce(&mut StreamTraits)) -> bool {
        let mut traits = self.traits.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = |traits: &StreamTraits| traits.latency(gst::ClockTime::ZERO);
        let before = latency(&traits);
        change(&mut traits);
        latency(&traits) != before
    }

    pub fn set_classifier(&self, name: ClassifierName) {
        *self.classifier.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(name);
    }

    pub fn classifier(&self) -> Arc<ClassifierName> {
        Arc::clone(&self.classifier.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has `tap` see every clip. Only the first call counts.
    pub fn set_clip_tap(&self, tap: Box<ClipTap>) {
        // The method's own documentation says what becomes of a second one.
        let _second = self.clip_tap.set(tap);
    }

    pub fn clip_tap(&self) -> Option<&ClipTap> {
        self.clip_tap.get().map(Box::as_ref)
    }

    /// The classifier answered: with an error, or with a score, which ends a row of failures.
    pub fn clip_answered(&self, error: Option<String>) {
        let mut failures = self.clip_failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures = match error {
            Some(error) => (failures.0 + 1, error),
            None => (0, String::new()),
        };
    }

    /// The last error, if the classifier failed often enough in a row to be given up.
    pub fn take_clip_failures(&self) -> Option<String> {
        let mut failures = self.clip_failures.lock().unwrap_or_else(PoisonError::into_inner);
        (failures.0 >= FAILURES_IN_A_ROW).then(|| std::mem::take(&mut *failures).1)
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
        self.clip_answered(None);
        self.set_eos(None);
        self.set_delivered_caps(None);
        self.set_traits(|traits| *traits = StreamTraits::default());
        self.inbox.start();
        self.outbox.open();
    }

    pub fn stop(&self) {
        self.inbox.stop();
        self.outbox.flush();
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
        self.inbox.flush_start();
        self.outbox.flush();
    }

    pub fn flush_start(&self) {
        self.inbox.flush_start();
        self.outbox.flush();
    }

    pub fn flush_stop(&self) {
        self.refuse(None);
        self.set_eos(None);
        self.inbox.flush_stop();
        self.outbox.open();
    }
}
