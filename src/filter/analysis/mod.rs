//! The analysis thread: what comes out of the inbox is looked at and goes on to the outbox.
//!
//! Until the networks are loaded, `live` passes frames through and `complete` waits. When they
//! fail later, frames pass in both.

mod scoring;
#[cfg(test)]
mod tests;
mod worker;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use glib::subclass::prelude::*;
use gst::prelude::*;

use super::audio::WaitingClips;
use super::flow;
use super::imp::CAT;
use super::inbox::{Input, MAX_BUFFERS as INBOX_FRAMES};
use super::outbox::{Frame, FrameFace, Generation, Output, Stale};
use super::pixels::{self, Pixels};
use super::scene::{FaceSample, Scene, Seen};
use super::session::Engines;
use super::settings::{Delivery, OnError, Settings};
use super::shared::Shared;
use super::stages::Stages;
use super::stats::ClipEnd;
use super::supply::{Loader, News, Supply};
use crate::core::geometry::Size;
use crate::core::schedule::Newest;
use crate::core::track::{TrackId, TrackParams, Tracker};
use crate::core::window::{
    ClipWindow, Sample, ShortTrack, Span, WindowEvent, WindowParams, Windows,
};
use crate::infer::CancelToken;
pub use worker::Worker;

/// What belongs to the caps that hold, once the engines are there.
struct Stream {
    scene: Scene,
    windows: Windows<FaceSample>,
    /// Live mode: the clips that nobody had time for yet.
    line: Newest<ClipWindow<FaceSample>>,
}

/// Why tracks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The face is gone, or the pictures to come do not continue those before.
    Cut,
    /// Nothing follows, or whoever feeds the element waits for what it holds.
    Stream,
}

struct Analysis {
    element: glib::WeakRef<super::M2sdFilter>,
    shared: Arc<Shared>,
    settings: Settings,
    cancel: CancelToken,
    supply: Supply,
    generation: Generation,
    /// Frames of this run so far.
    frames: u64,
    /// The running time at which the newest frame ended.
    end_ns: u64,
    /// Outlives caps and flushes, so that no two faces of a run have the same number.
    tracker: Tracker,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    pixels: Option<Pixels>,
    stream: Option<Stream>,
    /// Started with the first clip that has sound.
    waiting: Option<WaitingClips>,
}

impl Analysis {
    /// Starts the loading of the networks.
    fn new(
        element: &super::M2sdFilter,
        settings: Settings,
        cancel: CancelToken,
        loader: Loader,
    ) -> std::io::Result<Self> {
        Ok(Self {
            element: element.downgrade(),
            shared: Arc::clone(&element.imp().shared),
            supply: Supply::start(element, settings.clone(), cancel.clone(), loader)?,
            settings,
            cancel,
            generation: Generation::default(),
            frames: 0,
            end_ns: 0,
            tracker: Tracker::new(TrackParams::default()),
            segment: None,
            pixels: None,
            stream: None,
            waiting: None,
        })
    }

    fn run(&mut self) {
        while let Some((generation, input)) = self.shared.inbox.pop() {
            if generation != self.generation {
                self.begin_generation(generation);
            }
            let passed = match input {
                Input::Frame { buffer, arrived } => self.frame(buffer, arrived),
                Input::Event(event) => self.event(event),
                Input::Query(query) => {
                    if query.closes_windows {
                        self.close_windows(Ending::Stream);
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
        for track in self.tracker.end_all() {
            self.shared.stats.track_ends(track);
        }
        if let Some(engines) = self.supply.ready() {
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
        self.shared.fail_explained();
    }

    fn event(&mut self, event: gst::Event) -> Result<(), Stale> {
        match event.view() {
            gst::EventView::Caps(caps) => {
                self.close_windows(Ending::Cut);
                self.stream = None;
                match Pixels::for_caps(caps.caps(), self.shared.stats.stages.clone()) {
                    Ok(pixels) => self.pixels = Some(pixels),
                    Err(error) => self.fail(&error.to_string()),
                }
            }
            gst::EventView::Segment(segment) => {
                self.close_windows(Ending::Cut);
                self.segment = segment.segment().clone().downcast().ok();
            }
            gst::EventView::Eos(_) => self.close_windows(Ending::Stream),
            gst::EventView::StreamStart(_) | gst::EventView::Gap(_) => {
                self.close_windows(Ending::Cut);
            }
            _ => {}
        }
        self.pass(Output::Event(event))
    }

    fn frame(&mut self, buffer: gst::Buffer, arrived: Instant) -> Result<(), Stale> {
        let number = self.frames;
        self.frames += 1;
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            self.close_windows(Ending::Cut);
        }
        self.tend_engines();
        let faces = match self.look(&buffer) {
            None => Arc::default(),
            Some(seen) => self.gather(seen, number, &buffer),
        };
        self.serve_line();
        let buffer = self.keepable(buffer);
        self.pass(Output::Frame(Frame { number, buffer, faces, arrived }))
    }

    /// A frame that may wait for its clips. One from a pool with fewer buffers than may wait is
    /// copied: upstream would wait for it, and it for the frames that upstream cannot send.
    fn keepable(&mut self, buffer: gst::Buffer) -> gst::Buffer {
        let traits = self.shared.traits();
        let waits = traits.delivery == Delivery::Complete;
        let few = |limit: u32| (limit as usize) < traits.outbox_frames() + INBOX_FRAMES;
        if waits && pixels::pool_limit(&buffer).is_some_and(few) {
            // Without memory for a copy, the frame itself has to do.
            let copy = self.pixels.as_mut().and_then(|pixels| pixels.copy(&buffer).ok());
            return copy.unwrap_or(buffer);
        }
        buffer
    }

    /// Takes the engines when they are loaded; in complete mode, waits for them at the start.
    fn tend_engines(&mut self) {
        if let Some(error) = self.shared.take_clip_failures() {
            self.broke(&error);
        }
        let (shared, generation) = (&self.shared, self.generation);
        let waits = shared.traits().delivery == Delivery::Complete;
        match self.supply.advance(|| waits && shared.outbox.is_current(generation)) {
            News::None => {}
            News::Ready => self.engines_ready(),
            // The element is being stopped.
            News::NotLoaded { .. } if self.cancel.is_cancelled() => {}
            News::NotLoaded { error, first } => {
                if first || self.settings.on_error == OnError::Fail {
                    if let Some(element) = self.element.upgrade() {
                        element.imp().post_session_error(&error);
                    }
                    self.shared.fail_explained();
                } else {
                    gst::warning!(CAT, "The networks did not load again: {error}");
                }
            }
        }
    }

    fn engines_ready(&mut self) {
        let Some(engines) = self.supply.ready() else { return };
        let spec = engines.clips.submitter.pool().spec();
        gst::info!(CAT, "Classifier {} on {}", engines.classifier.name, spec.info.provider);
        if spec.sidecar.trained.is_none() {
            gst::warning!(
                CAT,
                "No sidecar says whether {} was trained; a face is fake above {}",
                engines.classifier.name,
                engines.threshold.get()
            );
        }
        self.shared.stats.set_provider(spec.info.provider.as_str());
        self.shared.set_classifier(engines.classifier.clone());
        let frames = spec.frames;
        let latency_changed = self.shared.set_traits(|traits| traits.clip_frames = frames);
        if latency_changed && let Some(element) = self.element.upgrade() {
            element.imp().post_latency();
        }
    }

    /// A network failed while running: frames pass unscored until it is loaded again.
    fn broke(&mut self, error: &str) {
        if self.settings.on_error == OnError::Fail {
            return self.fail(error);
        }
        self.close_windows(Ending::Cut);
        self.stream = None;
        let pause = self.supply.broke().as_secs();
        if let Some(element) = self.element.upgrade() {
            let text = format!("{error}. Frames pass unscored; next try in {pause} s");
            gst::element_warning!(element, gst::StreamError::Failed, ("{text}"));
        }
    }

    /// Looks at a frame, if the engines are there and the frame can be read.
    fn look(&mut self, buffer: &gst::BufferRef) -> Option<Seen> {
        let engines = self.supply.engines()?;
        let pixels = self.pixels.as_mut()?;
        let size = Size::new(pixels.info().width(), pixels.info().height())?;
        // What the caps promise sizes the detector's input: the first frame must hold it.
        if self.stream.is_none()
            && let Err(error) = pixels.with_view(buffer, |_| ())
        {
            self.fail(&error.to_string());
            return None;
        }
        let delivery = self.shared.traits().delivery;
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                self.shared.outbox.configure(
                    delivery,
                    self.shared.traits().outbox_frames(),
                    engines.threshold,
                );
                let stages = self.shared.stats.stages.clone();
                none.insert(Stream::new(size, engines, &self.settings, delivery, stages)?)
            }
        };
        let hurry = delivery == Delivery::Live && self.shared.inbox.depth() > 0;
        let cancel = &self.cancel;
        let tracker = &mut self.tracker;
        let looked = pixels
            .with_view(buffer, |view| stream.scene.look(&view, engines, tracker, cancel, hurry));
        match looked {
            Ok(Ok(seen)) => {
                if seen.detected.is_some() {
                    self.supply.worked();
                }
                return Some(seen);
            }
            // The element is being stopped.
            Ok(Err(_)) if self.cancel.is_cancelled() => {}
            Ok(Err(error)) => self.broke(&error.to_string()),
            Err(error) => self.fail(&error.to_string()),
        }
        None
    }

    /// Files a frame's faces with the score board and the windows; returns them.
    fn gather(&mut self, seen: Seen, number: u64, buffer: &gst::BufferRef) -> Arc<[FrameFace]> {
        let Seen { faces, samples, ended, detected } = seen;
        if let Some(took) = detected {
            self.shared.stats.frame_analysed(took, faces.len());
        }
        for track in ended {
            self.close_track(track, Ending::Cut);
        }
        let Some(span) = self.place(buffer) else { return faces };
        for (track, payload) in samples {
            self.shared.outbox.face_seen(self.generation, track, number);
            let sample = Sample { frame: number, span, payload };
            let Some(stream) = &mut self.stream else { continue };
            let events = stream.windows.push(track, sample);
            self.handle(events);
        }
        faces
    }

    /// The running time that a frame covers: a frame without a timestamp follows the one before.
    /// `None` for a frame outside of the segment.
    fn place(&mut self, buffer: &gst::BufferRef) -> Option<Span> {
        let span = if buffer.pts().is_some() {
            flow::span(buffer, self.segment.as_ref())?
        } else {
            let duration = self.shared.traits().frame_duration.unwrap_or_default();
            Span { start_ns: self.end_ns, end_ns: self.end_ns + duration.nseconds() }
        };
        self.end_ns = span.end_ns;
        Some(span)
    }

    /// Ends a track's windows. Short ones are padded and waiting clips are scored where the stream
    /// can wait for that: in complete mode, and at its end.
    fn close_track(&mut self, track: TrackId, ending: Ending) {
        let live = self.shared.traits().delivery == Delivery::Live;
        let in_passing = live && ending == Ending::Cut;
        let short = if in_passing { ShortTrack::Drop } else { ShortTrack::Pad };
        let Some(stream) = &mut self.stream else { return };
        let events = stream.windows.close(track, short);
        self.handle(events);
        match self.stream.as_mut().and_then(|stream| stream.line.forget(track)) {
            Some(_) if in_passing => self.shared.stats.clip(ClipEnd::Skipped),
            Some(clip) => self.score(clip),
            None => {}
        }
        self.shared.stats.track_ends(track);
        // Stale after a flush, when there is nothing to forget either.
        let _ = self.pass(Output::TrackEnd(track));
    }

    /// The faces to come are not those seen so far.
    fn close_windows(&mut self, ending: Ending) {
        let Some(stream) = &mut self.stream else { return };
        stream.scene.cut();
        for track in self.tracker.end_all() {
            self.close_track(track, ending);
        }
    }

    fn handle(&mut self, events: Vec<WindowEvent<FaceSample>>) {
        for event in events {
            match event {
                WindowEvent::Clip(clip) => self.line_up(clip),
                WindowEvent::FrameClosed { track, frame } => {
                    self.shared.outbox.frame_closed(self.generation, track, frame);
                }
                WindowEvent::Insufficient { track } => {
                    gst::debug!(CAT, "Track {track} was too short for a clip");
                }
            }
        }
    }
}

impl Drop for Analysis {
    /// Nobody waits for the clips any more: one that waits for room must not hold up those who
    /// wait for this thread.
    fn drop(&mut self) {
        if let Some(engines) = self.supply.ready() {
            engines.clips.submitter.flush();
        }
    }
}

impl Stream {
    /// `None` when the classifier's clip has no frames, which loading has ruled out.
    fn new(
        size: Size,
        engines: &Engines,
        settings: &Settings,
        delivery: Delivery,
        stages: Stages,
    ) -> Option<Self> {
        let frames = engines.clips.submitter.pool().spec().frames;
        let params = WindowParams {
            frames: NonZeroUsize::new(frames)?,
            stride: NonZeroUsize::new(settings.clip_stride(delivery, frames))?,
        };
        let scene = Scene::new(size, engines, settings, delivery, stages);
        Some(Self { scene, windows: Windows::new(params), line: Newest::default() })
    }
}
