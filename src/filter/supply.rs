//! The networks of a run, from loading to breaking and loading again.
//!
//! Loading takes a second or more, so it has a thread of its own and is announced by Progress
//! messages. Networks that fail while running are dropped and, after a pause that doubles, loaded
//! again.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gst::ProgressType;
use gst::prelude::*;

use super::session::{Engines, ModelFiles, SessionError};
use super::settings::Settings;
use crate::core::backoff::Backoff;
use crate::infer::CancelToken;

enum State {
    Loading(Receiver<Result<Engines, SessionError>>),
    Ready(Box<Engines>),
    /// Broken; to be loaded again then.
    Pausing(Instant),
    /// They never loaded, and the element has said so.
    Failed,
}

/// What [`Supply::advance`] found.
pub enum News {
    None,
    /// The networks have just become ready.
    Ready,
    /// They did not load. The first time of a run this ends it.
    NotLoaded {
        error: SessionError,
        first: bool,
    },
}

/// The thread that loads. Whoever ends the run joins it when the analysis has ended: ONNX Runtime
/// must not be at work when a process exits.
///
/// Lock order: a leaf, held for a swap only.
#[derive(Clone, Default)]
pub struct Loader(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Loader {
    fn replace(&self, thread: Option<JoinHandle<()>>) -> Option<JoinHandle<()>> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), thread)
    }

    /// Waits for the thread, outside of the lock. The last reference to the element may be dropped
    /// on the thread itself, which then just ends.
    pub fn join(&self) {
        if let Some(thread) = self.replace(None)
            && thread.thread().id() != thread::current().id()
        {
            let _panicked = thread.join();
        }
    }
}

pub struct Supply {
    element: glib::WeakRef<super::M2sdFilter>,
    settings: Settings,
    /// Of the run: no further network is loaded after it.
    cancel: CancelToken,
    loader: Loader,
    state: State,
    /// Whether they have ever loaded in this run.
    loaded_before: bool,
    backoff: Backoff,
}

/// How often a wait for the networks looks whether anyone still waits.
const GLANCE: Duration = Duration::from_millis(20);

impl Supply {
    /// Starts loading.
    pub fn start(
        element: &super::M2sdFilter,
        settings: Settings,
        cancel: CancelToken,
        loader: Loader,
    ) -> std::io::Result<Self> {
        let mut supply = Self {
            element: element.downgrade(),
            settings,
            cancel,
            loader,
            state: State::Failed,
            loaded_before: false,
            backoff: Backoff::default(),
        };
        supply.load(element)?;
        Ok(supply)
    }

    pub fn engines(&mut self) -> Option<&mut Engines> {
        match &mut self.state {
            State::Ready(engines) => Some(engines),
            _ => None,
        }
    }

    pub fn ready(&self) -> Option<&Engines> {
        match &self.state {
            State::Ready(engines) => Some(engines),
            _ => None,
        }
    }

    /// Looks whether loading has ended, or should begin again. The first load is waited for while
    /// `wait` says so.
    pub fn advance(&mut self, wait: impl Fn() -> bool) -> News {
        if let State::Pausing(until) = self.state
            && Instant::now() >= until
        {
            let loading = self.element.upgrade().is_some_and(|e| self.load(&e).is_ok());
            if !loading {
                self.state = State::Pausing(Instant::now() + self.backoff.failed());
            }
        }
        let State::Loading(loading) = &self.state else { return News::None };
        let first = !self.loaded_before;
        let result = loop {
            let patience = if first && wait() { GLANCE } else { Duration::ZERO };
            match loading.recv_timeout(patience) {
                Ok(result) => break result,
                Err(RecvTimeoutError::Timeout) if patience.is_zero() => return News::None,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Err(SessionError::LoadPanicked),
            }
        };
        match result {
            Ok(engines) => {
                self.loaded_before = true;
                self.state = State::Ready(Box::new(engines));
                News::Ready
            }
            Err(error) if first => {
                self.state = State::Failed;
                News::NotLoaded { error, first }
            }
            Err(error) => {
                self.state = State::Pausing(Instant::now() + self.backoff.failed());
                News::NotLoaded { error, first }
            }
        }
    }

    /// Loads on a thread of its own.
    fn load(&mut self, element: &super::M2sdFilter) -> std::io::Result<()> {
        let (loaded, receiver) = sync_channel(1);
        let (settings, cancel) = (self.settings.clone(), self.cancel.clone());
        let weak = element.downgrade();
        progress(element, ProgressType::Start, "Loading the networks");
        let loader = thread::Builder::new().name("m2sd-load".into()).spawn(move || {
            let files = ModelFiles::find(&settings);
            let result = files.and_then(|files| Engines::load(&files, &settings, &cancel));
            // Said here, since programs wait for it and frames may not come.
            if let Some(element) = weak.upgrade() {
                let (kind, text) = match &result {
                    Ok(_) => (ProgressType::Complete, "Networks loaded".to_owned()),
                    Err(_) if cancel.is_cancelled() => {
                        (ProgressType::Canceled, "Loading was cancelled".to_owned())
                    }
                    Err(error) => (ProgressType::Error, error.to_string()),
                };
                progress(&element, kind, &text);
            }
            // The run may have ended meanwhile.
            let _ = loaded.send(result);
        })?;
        self.loader.replace(Some(loader));
        self.state = State::Loading(receiver);
        Ok(())
    }

    /// The networks failed while running; returns after how long they will be loaded again.
    pub fn broke(&mut self) -> Duration {
        let pause = self.backoff.failed();
        self.state = State::Pausing(Instant::now() + pause);
        pause
    }

    /// The networks did what they should.
    pub fn worked(&mut self) {
        self.backoff.succeeded();
    }
}

fn progress(element: &super::M2sdFilter, kind: ProgressType, text: &str) {
    let message = gst::message::Progress::builder(kind, "load", text).src(element).build();
    // Without a bus nobody asked to hear it.
    let _ = element.post_message(message);
}
