//! The models of a run, from loading to failing and loading again.
//!
//! Loading takes a second or more, with TensorRT minutes the first time, so it has a thread of its
//! own and is announced by Progress messages. What finds faces and what scores clips are two things:
//! one that fails while running is dropped and, after a pause that doubles, loaded again; the other
//! goes on.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use glib::subclass::prelude::*;
use gst::ProgressType;
use gst::prelude::*;

use super::error::SessionError;
use super::finding::ModelFiles;
use super::loading::{ClipEngine, FaceEngines};
use crate::core::backoff::Backoff;
use crate::filter::M2sdFilter;
use crate::filter::analysis::face_detector::FaceDetector;
use crate::filter::settings::Settings;
use crate::infer::{CancelToken, CountedThread, LoadStep, Loading};

/// What loading ended with; `None` for what the run does without.
type Loaded<E> = Result<Option<E>, SessionError>;

enum State<E> {
    Loading(Receiver<Loaded<E>>),
    /// The run does without it.
    Absent,
    Ready(E),
    /// Failed; to be loaded again then.
    Pausing(Instant),
    /// It never loaded, and the element has said so.
    Failed,
}

/// What [`Supervised::advance`] found.
pub enum LoadEvent {
    None,
    /// It has just become ready.
    Ready,
    /// The run does without it.
    Absent,
    /// It did not load. The first time of a run this ends it.
    NotLoaded {
        error: SessionError,
        first: bool,
    },
}

/// The threads that load. Whoever ends the run joins them when the analysis has ended: ONNX Runtime
/// must not be at work when a process exits.
///
/// Lock order: a leaf, held for a push or a take only.
#[derive(Clone, Default)]
pub struct Loader(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Loader {
    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, thread: JoinHandle<()>) {
        let mut threads = self.threads();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// Waits for the threads, outside of the lock. The last reference to the element may be dropped
    /// on one of them, which then just ends.
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            if thread.thread().id() != thread::current().id() {
                let _panicked = thread.join();
            }
        }
    }
}

/// One part of the models.
pub struct Supervised<E> {
    state: State<E>,
    /// Whether it has ever loaded in this run.
    loaded_before: bool,
    backoff: Backoff,
}

/// How often a wait for the models looks whether anyone still waits.
const GLANCE: Duration = Duration::from_millis(20);

impl<E> Supervised<E> {
    fn loading(receiver: Receiver<Loaded<E>>) -> Self {
        let state = State::Loading(receiver);
        Self { state, loaded_before: false, backoff: Backoff::default() }
    }

    pub fn get(&self) -> Option<&E> {
        match &self.state {
            State::Ready(engine) => Some(engine),
            _ => None,
        }
    }

    pub fn get_mut(&mut self) -> Option<&mut E> {
        match &mut self.state {
            State::Ready(engine) => Some(engine),
            _ => None,
        }
    }

    /// Whether the run does without it.
    pub fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    /// Whether it is time to load again.
    fn wants_load(&self) -> bool {
        matches!(self.state, State::Pausing(until) if Instant::now() >= until)
    }

    /// Looks whether loading has ended. The first load is waited for while `wait` says so.
    fn advance(&mut self, wait: impl Fn() -> bool) -> LoadEvent {
        let State::Loading(loading) = &self.state else { return LoadEvent::None };
        let first = !self.loaded_before;
        let result = loop {
            let patience = if first && wait() { GLANCE } else { Duration::ZERO };
            match loading.recv_timeout(patience) {
                Ok(result) => break result,
                Err(RecvTimeoutError::Timeout) if patience.is_zero() => return LoadEvent::None,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Err(SessionError::LoadPanicked),
            }
        };
        match result.and_then(|engine| match engine {
            // Its file may be on the way.
            None if !first => Err(SessionError::ClassifierGone),
            engine => Ok(engine),
        }) {
            Ok(None) => {
                self.state = State::Absent;
                LoadEvent::Absent
            }
            Ok(Some(engine)) => {
                self.loaded_before = true;
                self.state = State::Ready(engine);
                LoadEvent::Ready
            }
            Err(error) => {
                if first {
                    self.state = State::Failed;
                } else {
                    self.mark_failed();
                }
                LoadEvent::NotLoaded { error, first }
            }
        }
    }

    /// It failed while running; returns after how long it will be loaded again.
    pub fn mark_failed(&mut self) -> Duration {
        let pause = self.backoff.failed();
        self.state = State::Pausing(Instant::now() + pause);
        pause
    }

    /// It did what it should.
    pub fn mark_working(&mut self) {
        self.backoff.succeeded();
    }
}

/// The models of a run.
pub struct EngineSupervisor {
    element: glib::WeakRef<M2sdFilter>,
    settings: Settings,
    /// Of the run: nothing further is loaded after it.
    cancel: CancelToken,
    loader: Loader,
    pub faces: Supervised<FaceDetector>,
    pub clips: Supervised<Arc<ClipEngine>>,
}

/// Where loaded models go. The part that is not wanted has no sender.
struct Senders {
    faces: Option<SyncSender<Loaded<FaceDetector>>>,
    clips: Option<SyncSender<Loaded<Arc<ClipEngine>>>>,
}

impl EngineSupervisor {
    /// Starts loading.
    pub fn start(
        element: &M2sdFilter,
        settings: Settings,
        cancel: CancelToken,
        loader: Loader,
    ) -> std::io::Result<Self> {
        let (face_sender, faces) = sync_channel(1);
        let (clip_sender, clips) = sync_channel(1);
        let supervisor = Self {
            element: element.downgrade(),
            settings,
            cancel,
            loader,
            faces: Supervised::loading(faces),
            clips: Supervised::loading(clips),
        };
        let senders = Senders { faces: Some(face_sender), clips: Some(clip_sender) };
        supervisor.load(element, senders)?;
        Ok(supervisor)
    }

    /// Looks how the loading of what finds faces goes, and begins it again when it is time to.
    pub fn advance_faces(&mut self, wait: impl Fn() -> bool) -> LoadEvent {
        if self.faces.wants_load() {
            let (sender, receiver) = sync_channel(1);
            if self.reload(Senders { faces: Some(sender), clips: None }) {
                self.faces.state = State::Loading(receiver);
            } else {
                self.faces.mark_failed();
            }
        }
        self.faces.advance(wait)
    }

    /// As [`Self::advance_faces`], of what scores clips.
    pub fn advance_clips(&mut self, wait: impl Fn() -> bool) -> LoadEvent {
        if self.clips.wants_load() {
            let (sender, receiver) = sync_channel(1);
            if self.reload(Senders { faces: None, clips: Some(sender) }) {
                self.clips.state = State::Loading(receiver);
            } else {
                self.clips.mark_failed();
            }
        }
        self.clips.advance(wait)
    }

    fn reload(&self, senders: Senders) -> bool {
        self.element.upgrade().is_some_and(|element| self.load(&element, senders).is_ok())
    }

    /// Loads on a thread of its own.
    fn load(&self, element: &M2sdFilter, senders: Senders) -> std::io::Result<()> {
        let (settings, cancel) = (self.settings.clone(), self.cancel.clone());
        let weak = element.downgrade();
        let stages = element.imp().shared.stats.stages.clone();
        progress(element, ProgressType::Start, "Loading the models");
        let counted = CountedThread::new();
        let thread = thread::Builder::new().name("m2sd-load".into()).spawn(move || {
            let _counted = counted;
            let told = |step: LoadStep<'_>| {
                if let Some(element) = weak.upgrade() {
                    progress(&element, ProgressType::Continue, &step_text(step));
                }
            };
            let loading = Loading::new(&cancel, &told);
            let faces = |files: &ModelFiles| {
                let engines = FaceEngines::load(files, loading)?;
                let detector = FaceDetector::start(engines, settings.clone(), stages.clone());
                detector.map(Some).map_err(SessionError::Thread)
            };
            let clips = |files: &ModelFiles| {
                ClipEngine::load(files, &settings, loading).map(|engine| engine.map(Arc::new))
            };
            let outcome = senders.load(ModelFiles::find(&settings, &cancel), faces, clips);
            // Said here, since programs wait for it and frames may not come.
            if let Some(element) = weak.upgrade() {
                let (kind, text) = match outcome {
                    Ok(()) => (ProgressType::Complete, "Models loaded".to_owned()),
                    Err(_) if cancel.is_cancelled() => {
                        (ProgressType::Canceled, "Loading was cancelled".to_owned())
                    }
                    Err(text) => (ProgressType::Error, text),
                };
                progress(&element, kind, &text);
            }
        })?;
        self.loader.add(thread);
        Ok(())
    }
}

impl Senders {
    /// Loads what has a sender, what finds faces first: the stream need not wait for the rest.
    /// Returns the text of the error that ended it, which has been sent.
    fn load(
        self,
        files: Result<ModelFiles, SessionError>,
        faces: impl FnOnce(&ModelFiles) -> Loaded<FaceDetector>,
        clips: impl FnOnce(&ModelFiles) -> Loaded<Arc<ClipEngine>>,
    ) -> Result<(), String> {
        let files = match files {
            Ok(files) => files,
            Err(error) => {
                let text = error.to_string();
                match (self.faces, self.clips) {
                    (Some(faces), _) => send(&faces, Err(error)),
                    (None, Some(clips)) => send(&clips, Err(error)),
                    (None, None) => {}
                }
                return Err(text);
            }
        };
        if let Some(sender) = self.faces {
            let loaded = faces(&files);
            let text = loaded.as_ref().err().map(ToString::to_string);
            send(&sender, loaded);
            text.map_or(Ok(()), Err)?;
        }
        if let Some(sender) = self.clips {
            let loaded = clips(&files);
            let text = loaded.as_ref().err().map(ToString::to_string);
            send(&sender, loaded);
            text.map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}

fn send<E>(sender: &SyncSender<Loaded<E>>, loaded: Loaded<E>) {
    // The run may have ended meanwhile.
    let _ = sender.send(loaded);
}

fn step_text(step: LoadStep<'_>) -> String {
    match step {
        LoadStep::Building { model } => format!(
            "Building the TensorRT engine of {}: this takes minutes, once",
            model.file_name().unwrap_or_default().to_string_lossy()
        ),
    }
}

fn progress(element: &M2sdFilter, kind: ProgressType, text: &str) {
    let message = gst::message::Progress::builder(kind, "load", text).src(element).build();
    // Without a bus nobody asked to hear it.
    let _ = element.post_message(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_does_without_a_classifier_from_its_start_or_never() {
        let (sender, receiver) = sync_channel(1);
        let mut part = Supervised::<u8>::loading(receiver);
        sender.send(Ok(None)).unwrap();
        assert!(matches!(part.advance(|| true), LoadEvent::Absent));
        assert!(part.is_absent() && part.get().is_none());
        assert!(!part.wants_load());
        assert!(matches!(part.advance(|| true), LoadEvent::None));

        // One that was there and failed, and whose file is gone when it is loaded again.
        let (sender, receiver) = sync_channel(1);
        let mut part = Supervised::loading(receiver);
        sender.send(Ok(Some(7))).unwrap();
        assert!(matches!(part.advance(|| true), LoadEvent::Ready));
        part.mark_failed();
        let (sender, receiver) = sync_channel(1);
        part.state = State::Loading(receiver);
        sender.send(Ok(None)).unwrap();
        let event = part.advance(|| true);
        let gone = SessionError::ClassifierGone.to_string();
        assert!(
            matches!(event, LoadEvent::NotLoaded { error, first: false } if error.to_string() == gone)
        );
        assert!(!part.is_absent(), "it is tried again");
    }
}
