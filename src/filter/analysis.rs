//! The analysis thread: what comes out of the inbox is looked at and goes on to the outbox.
//!
//! The networks load on a thread of their own. Until they are there, `live` passes frames through
//! and `complete` waits.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use glib::subclass::prelude::*;
use gst::prelude::*;

use super::audio::WaitingClips;
use super::clips::{PendingClip, Submission};
use super::flow::{self, Shared};
use super::imp::CAT;
use super::inbox::Input;
use super::outbox::{Frame, FrameFace, Generation, Output, Stale};
use super::pixels::Pixels;
use super::scene::{FaceSample, Scene, Seen};
use super::session::{self, Engines, ModelFiles, SessionError};
use super::settings::{Delivery, Settings};
use crate::core::geometry::Size;
use crate::core::track::TrackId;
use crate::core::window::{ClipWindow, Sample, ShortTrack, WindowEvent, WindowParams, Windows};
use crate::infer::CancelToken;

/// Clips that may wait for their sound in live mode: they hold what was cut out of frames.
const MAX_WAITING_FOR_SOUND: usize = 32;

/// The running analysis thread. Dropping it waits for the thread, which [`Shared::stop`] ends.
pub struct Worker {
    cancel: CancelToken,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub fn start(element: &super::M2sdFilter, settings: Settings) -> std::io::Result<Self> {
        let (loaded, engines) = sync_channel(1);
        let files = ModelFiles::find(&settings);
        let load_settings = settings.clone();
        thread::Builder::new().name("m2sd-load".into()).spawn(move || {
            let result = files.and_then(|files| Engines::load(&files, &load_settings));
            // The element may have been stopped meanwhile.
            let _ = loaded.send(result);
        })?;

        let cancel = CancelToken::new();
        let mut analysis = Analysis {
            element: element.downgrade(),
            shared: Arc::clone(&element.imp().shared),
            settings,
            cancel: cancel.clone(),
            engines: Loading::Under(engines),
            generation: Generation::default(),
            frames: 0,
            segment: None,
            pixels: None,
            stream: None,
            waiting: None,
        };
        let thread = thread::Builder::new().name("m2sd-analysis".into()).spawn(move || {
            let run = std::panic::AssertUnwindSafe(|| analysis.run());
            if std::panic::catch_unwind(run).is_err() {
                analysis.fail("The analysis thread panicked, please report this");
            }
        })?;
        Ok(Self { cancel, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.cancel.cancel();
        // The last reference to the element may be dropped on the thread itself.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _panicked = thread.join();
        }
    }
}

enum Loading {
    Under(Receiver<Result<Engines, SessionError>>),
    Done(Box<Engines>),
    /// The error has been posted.
    Failed,
}

/// What belongs to the caps that hold, once the engines are there.
struct Stream {
    scene: Scene,
    windows: Windows<FaceSample>,
}

struct Analysis {
    element: glib::WeakRef<super::M2sdFilter>,
    shared: Arc<Shared>,
    settings: Settings,
    cancel: CancelToken,
    engines: Loading,
    generation: Generation,
    /// Frames of this run so far.
    frames: u64,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    pixels: Option<Pixels>,
    stream: Option<Stream>,
    /// Started with the first clip that has sound.
    waiting: Option<WaitingClips>,
}

impl Analysis {
    fn run(&mut self) {
        while let Some((generation, input)) = self.shared.inbox.pop() {
            if generation != self.generation {
                self.begin_generation(generation);
            }
            let passed = match input {
                Input::Buffer(buffer) => self.frame(buffer),
                Input::Event(event) => self.event(event),
                Input::Query(query) => {
                    if query.closes_windows {
                        self.close_windows(ShortTrack::Pad);
                    }
                    self.pass(Output::Query(query))
                }
            };
            if passed.is_err() {
                gst::debug!(CAT, "Flushed while analysing");
            }
        }
    }

    /// A flush came: what was known of faces is about another place of the stream.
    fn begin_generation(&mut self, generation: Generation) {
        self.generation = generation;
        self.stream = None;
        if let Loading::Done(engines) = &self.engines {
            // Also ends the waiting for sound and for room, so that stale clips go.
            self.shared.audio.interrupt();
            engines.clips.submitter.flush();
        }
    }

    fn pass(&self, output: Output) -> Result<(), Stale> {
        self.shared.outbox.push(self.generation, output)
    }

    /// Posts an element error and makes upstream stop.
    fn fail(&self, text: &str) {
        if let Some(element) = self.element.upgrade() {
            gst::element_error!(element, gst::StreamError::Failed, ("{text}"));
        }
        self.shared.fail(gst::FlowError::Error);
    }

    fn event(&mut self, event: gst::Event) -> Result<(), Stale> {
        match event.view() {
            gst::EventView::Caps(caps) => {
                self.close_windows(self.short_track());
                self.stream = None;
                match Pixels::for_caps(caps.caps()) {
                    Ok(pixels) => self.pixels = Some(pixels),
                    Err(error) => self.fail(&error.to_string()),
                }
            }
            gst::EventView::Segment(segment) => {
                self.close_windows(self.short_track());
                self.segment = segment.segment().clone().downcast().ok();
            }
            gst::EventView::Eos(_) => self.close_windows(ShortTrack::Pad),
            gst::EventView::StreamStart(_) | gst::EventView::Gap(_) => {
                self.close_windows(self.short_track());
            }
            _ => {}
        }
        self.pass(Output::Event(event))
    }

    /// What becomes of tracks that a break in the stream cuts short.
    fn short_track(&self) -> ShortTrack {
        match self.shared.traits().delivery {
            Delivery::Complete => ShortTrack::Pad,
            Delivery::Live => ShortTrack::Drop,
        }
    }

    fn frame(&mut self, buffer: gst::Buffer) -> Result<(), Stale> {
        let taken = Instant::now();
        let number = self.frames;
        self.frames += 1;
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            self.close_windows(self.short_track());
        }
        self.await_engines();
        let faces = match self.look(&buffer) {
            None => Vec::new(),
            Some(seen) => self.gather(seen, number, &buffer),
        };
        self.pass(Output::Frame(Frame { number, buffer, faces, taken }))
    }

    /// Takes the engines when they are loaded; in complete mode, waits for them.
    fn await_engines(&mut self) {
        let Loading::Under(loading) = &self.engines else { return };
        let result = match self.shared.traits().delivery {
            Delivery::Complete => loading.recv().map_err(|_| TryRecvError::Disconnected),
            Delivery::Live => loading.try_recv(),
        };
        match result {
            Ok(Ok(engines)) => self.engines_loaded(engines),
            Ok(Err(error)) => {
                self.engines = Loading::Failed;
                if let Some(element) = self.element.upgrade() {
                    element.imp().post_session_error(&error);
                }
                self.shared.fail(gst::FlowError::Error);
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                self.engines = Loading::Failed;
                self.fail("Loading the networks ended without a result, please report this");
            }
        }
    }

    fn engines_loaded(&mut self, engines: Engines) {
        let spec = engines.clips.submitter.pool().spec();
        gst::info!(CAT, "Classifier {} on {}", engines.classifier.name, spec.info.provider);
        self.shared.stats.set_provider(&spec.info.provider.to_string());
        self.shared.set_classifier(engines.classifier.clone());
        let frames = spec.frames;
        let latency_changed = self.shared.set_traits(|traits| traits.clip_frames = frames);
        self.engines = Loading::Done(Box::new(engines));
        if latency_changed && let Some(element) = self.element.upgrade() {
            element.imp().post_latency();
        }
    }

    /// Looks at a frame, if the engines are there and the frame can be read.
    fn look(&mut self, buffer: &gst::BufferRef) -> Option<Seen> {
        let Loading::Done(engines) = &mut self.engines else { return None };
        let pixels = self.pixels.as_mut()?;
        let size = Size::new(pixels.info().width(), pixels.info().height())?;
        let delivery = self.shared.traits().delivery;
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                self.shared.outbox.configure(
                    delivery,
                    self.shared.traits().outbox_frames(),
                    engines.threshold,
                );
                none.insert(Stream::new(size, engines, &self.settings, delivery)?)
            }
        };
        let hurry = delivery == Delivery::Live && self.shared.inbox.depth() > 0;
        let cancel = &self.cancel;
        let looked =
            pixels.with_view(buffer, |view| stream.scene.look(&view, engines, cancel, hurry));
        match looked.map_err(|e| e.to_string()).and_then(|seen| seen.map_err(|e| e.to_string())) {
            Ok(seen) => Some(seen),
            Err(error) => {
                if !self.cancel.is_cancelled() {
                    self.fail(&error);
                }
                None
            }
        }
    }

    /// Files a frame's faces with the score board and the windows; returns them.
    fn gather(&mut self, seen: Seen, number: u64, buffer: &gst::BufferRef) -> Vec<FrameFace> {
        let Seen { faces, samples, ended, detected } = seen;
        if let Some(took) = detected {
            self.shared.stats.frame_analysed(took, faces.len());
        }
        for track in ended {
            self.close_track(track, self.short_track());
        }
        let Some(span) = flow::span(buffer, self.segment.as_ref()) else { return faces };
        for (track, payload) in samples {
            self.shared.outbox.face_seen(self.generation, track, number);
            let sample = Sample { frame: number, span, payload };
            let Some(stream) = &mut self.stream else { continue };
            let events = stream.windows.push(track, sample);
            self.handle(events);
        }
        faces
    }

    fn close_track(&mut self, track: TrackId, short: ShortTrack) {
        if let Some(stream) = &mut self.stream {
            let events = stream.windows.close(track, short);
            self.handle(events);
            // Stale after a flush, when there is nothing to forget either.
            let _ = self.pass(Output::TrackEnd(track));
        }
    }

    /// The faces to come are not those seen so far.
    fn close_windows(&mut self, short: ShortTrack) {
        let Some(stream) = &mut self.stream else { return };
        for track in stream.scene.cut() {
            self.close_track(track, short);
        }
    }

    fn handle(&mut self, events: Vec<WindowEvent<FaceSample>>) {
        for event in events {
            match event {
                WindowEvent::Clip(clip) => self.score(clip),
                WindowEvent::FrameClosed { track, frame } => {
                    self.shared.outbox.frame_closed(self.generation, track, frame);
                }
                WindowEvent::Insufficient { track } => {
                    gst::debug!(CAT, "Track {track} was too short for a clip");
                }
            }
        }
    }

    /// Sends a clip to the classifier, when its sound is there. In live mode a clip that would
    /// have to wait for the classifier is skipped.
    fn score(&mut self, clip: ClipWindow<FaceSample>) {
        let Loading::Done(engines) = &self.engines else { return };
        let announced = PendingClip::announce(&self.element, &self.shared, self.generation, &clip);
        let Some(pending) = announced else { return };
        let live = self.shared.traits().delivery == Delivery::Live;
        let submitter = &engines.clips.submitter;
        if live && submitter.waiting() >= session::WAITING_CLIPS {
            return;
        }
        let engines = Arc::clone(&engines.clips);
        self.send_with_sound(Submission { clip, pending, engines, live });
    }

    /// Sends a clip on: at once where nothing is to be heard, else when its sound is there.
    fn send_with_sound(&mut self, submission: Submission) {
        if !self.shared.audio.is_attached() {
            return submission.send(None);
        }
        let waiting = match &self.waiting {
            Some(waiting) => waiting,
            None => match WaitingClips::start(&self.shared) {
                Ok(started) => self.waiting.insert(started),
                Err(error) => {
                    gst::warning!(CAT, "Clips do not wait for their sound: {error}");
                    let sound = self.shared.audio.clip(submission.pending.span());
                    return submission.send(sound);
                }
            },
        };
        if submission.live && waiting.depth() >= MAX_WAITING_FOR_SOUND {
            return;
        }
        let budget = gst::ClockTime::from_nseconds(self.settings.max_latency);
        let patience = self.shared.traits().patience(budget);
        let span = submission.pending.span();
        let send = Box::new(move |sound| submission.send(sound));
        waiting.push(span, patience, self.generation, send);
    }
}

impl Drop for Analysis {
    /// Nobody waits for the clips any more: one that waits for room must not hold up those who
    /// wait for this thread.
    fn drop(&mut self) {
        if let Loading::Done(engines) = &self.engines {
            engines.clips.submitter.flush();
        }
    }
}

impl Stream {
    /// `None` when the classifier's clip has no frames, which loading has ruled out.
    fn new(size: Size, engines: &Engines, settings: &Settings, delivery: Delivery) -> Option<Self> {
        let frames = engines.clips.submitter.pool().spec().frames;
        let params = WindowParams {
            frames: NonZeroUsize::new(frames)?,
            stride: NonZeroUsize::new(settings.clip_stride(delivery, frames))?,
        };
        let scene = Scene::new(size, engines, settings, delivery);
        Some(Self { scene, windows: Windows::new(params) })
    }
}
