//! A frame's way through the analysis thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Analysis;
use super::face_analyzer::AnalysisError;
use super::face_detector::{DetectionJob, Detections};
use super::stream::{Readability, moved};
use super::tracks::TrackEnd;
use crate::core::align::CROP_SCALE;
use crate::core::span::Span;
use crate::core::window::{FrameNumber, Sample};
use crate::filter::debug::CAT;
use crate::filter::generation::Stale;
use crate::filter::input::queue::MAX_BUFFERS as INPUT_FRAMES;
use crate::filter::output::frame::{Frame, FrameFace, Unanalysed};
use crate::filter::output::queue::Output;
use crate::filter::running_time;
use crate::filter::settings::Delivery;
use crate::filter::stats::stages::Stage;

/// How often a wait for a detection looks whether anyone still waits.
const GLANCE: Duration = Duration::from_millis(20);

impl Analysis {
    pub(super) fn frame(&mut self, buffer: gst::Buffer, arrived: Instant) -> Result<(), Stale> {
        let number = self.present;
        let span = self.place(&buffer);
        let interval_ns = self.interval_ns(span, arrived);
        self.pressure.frame_after(interval_ns);
        if let Some(span) = span {
            let offset_ns = running_time::stream_offset_ns(&buffer, self.segment.as_ref());
            if let Some(found) = self.continuity.frame(span, offset_ns) {
                gst::debug!(CAT, "Frame {number} does not continue those before: {found:?}");
                self.end_tracks(TrackEnd::Break(found));
            }
        }
        let span = span.map(|span| self.continuity.shown(span));
        self.tend_models();
        if let Some(fps) = self.clips.as_ref().and_then(|clips| clips.sampler.slow_fps()) {
            self.tell_slow(fps);
        }

        let started = Instant::now();
        let (faces, unanalysed) = match self.analyse(&buffer, number, span) {
            Ok(faces) => (faces, None),
            Err(reason) => (Arc::default(), Some(reason)),
        };
        self.serve_line();
        let buffer = self.keepable(buffer);
        self.pressure.worked(nanoseconds(started.elapsed()));
        self.present += 1;
        self.pass(Output::Frame(Frame { number, buffer, faces, unanalysed, arrived }))
    }

    /// The running time that a frame covers: a frame without a timestamp follows the one before.
    /// `None` for a frame outside of the segment.
    fn place(&self, buffer: &gst::BufferRef) -> Option<Span> {
        if buffer.pts().is_some() {
            return running_time::span(buffer, self.segment.as_ref());
        }
        let length = self.shared.latency_params().frame_duration.unwrap_or_default();
        let start_ns = self.continuity.end_ns().unwrap_or(0);
        Some(Span { start_ns, end_ns: start_ns.saturating_add(length.nseconds()) })
    }

    /// The time from the frame before to this one: the stream's own, where it has one.
    fn interval_ns(&mut self, span: Option<Span>, arrived: Instant) -> u64 {
        let now = (span.map(|span| span.start_ns), arrived);
        let Some((start_ns, arrived)) = self.newest.replace(now) else { return 0 };
        let step_ns = match (start_ns, now.0) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => 0,
        };
        match step_ns {
            0 => nanoseconds(now.1.saturating_duration_since(arrived)),
            step_ns => step_ns,
        }
    }

    /// Finds the faces of a frame, or those that hold on it, and has clips made of them.
    fn analyse(
        &mut self,
        buffer: &gst::Buffer,
        number: FrameNumber,
        span: Option<Span>,
    ) -> Result<Arc<[FrameFace]>, Unanalysed> {
        if self.supervisor.faces.get().is_none() || self.stream.is_none() {
            return Err(Unanalysed::NoModels);
        }
        self.check_readable(buffer)?;
        self.detect(buffer, number, span.map_or(0, |span| span.start_ns))?;
        let stream = self.stream.as_mut().ok_or(Unanalysed::NoModels)?;
        let takes = match (span, &mut self.clips) {
            (Some(span), Some(clips)) => clips.sampler.takes(span.start_ns),
            _ => false,
        };
        let samples = if takes || stream.has_unmeasured_faces() {
            let crop_scale = self.clips.as_ref().map(|clips| clips.params.crop_scale);
            stream.samples(buffer, crop_scale.unwrap_or(CROP_SCALE)).map_err(|error| {
                gst::warning!(CAT, "Frame {number} cannot be read: {error}");
                Unanalysed::Unreadable
            })?
        } else {
            Vec::new()
        };
        let faces = stream.shown_on(number);
        let (Some(span), Some(clips)) = (span, &mut self.clips) else { return Ok(faces) };
        if !takes {
            for track in stream.followed() {
                self.shared.output.face_seen(self.generation, track, number);
                clips.windows.leave_out(track, number);
            }
            return Ok(faces);
        }
        for (track, payload) in samples {
            self.shared.output.face_seen(self.generation, track, number);
            let Some(clips) = &mut self.clips else { continue };
            let events = clips.windows.push(track, Sample::new(number, span, payload));
            self.handle(events);
        }
        Ok(faces)
    }

    /// A buffer that does not hold what its caps promise passes, with a warning; a stream of which
    /// no frame ever did is an error.
    fn check_readable(&mut self, buffer: &gst::BufferRef) -> Result<(), Unanalysed> {
        let stream = self.stream.as_mut().ok_or(Unanalysed::NoModels)?;
        let (readability, error) = stream.readability(buffer);
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        match readability {
            Readability::Readable => return Ok(()),
            Readability::Unreadable { first: true } => {
                self.warn(&format!("{text}. The frame passes without being analysed"));
            }
            Readability::Unreadable { first: false } => gst::debug!(CAT, "{text}"),
            Readability::Hopeless => self.fail(&text),
        }
        Err(Unanalysed::Unreadable)
    }

    /// Takes the result of a detection that has ended, and begins one where it is due. In complete
    /// mode it is waited for; in live mode for as long as the frame may wait, then it goes on
    /// beside the stream.
    fn detect(
        &mut self,
        buffer: &gst::Buffer,
        frame: FrameNumber,
        time_ns: u64,
    ) -> Result<(), Unanalysed> {
        let live = self.delivery() == Delivery::Live;
        let (late_ns, budget_ns) = (self.pressure.late_ns(), self.settings.max_latency);
        let patience = live.then(|| Duration::from_nanos(budget_ns.saturating_sub(late_ns)));
        self.await_detection(live.then_some(Duration::ZERO))?;

        let Some(stream) = &mut self.stream else { return Ok(()) };
        // Half of what a frame may wait is left for its own detection.
        let tolerance_ns = if live { budget_ns / 2 } else { u64::MAX };
        let is_due = stream.schedule.is_due(time_ns, late_ns, tolerance_ns);
        let Some(detector) = self.supervisor.faces.get_mut() else { return Ok(()) };
        if !is_due || detector.is_busy() {
            return Ok(());
        }
        stream.schedule.begun(time_ns);
        detector.begin(DetectionJob {
            buffer: buffer.clone(),
            frame,
            format: Arc::clone(&stream.format),
            generation: self.generation,
            cancel: self.shared.begin_detection(),
        });
        self.await_detection(patience)
    }

    /// Waits for the detection under way, if there is one: `patience`, or until it ends or nobody
    /// wants it any more.
    fn await_detection(&mut self, patience: Option<Duration>) -> Result<(), Unanalysed> {
        loop {
            let Some(detector) = self.supervisor.faces.get_mut() else { return Ok(()) };
            if !detector.is_busy() {
                return Ok(());
            }
            let found = detector.wait(patience.unwrap_or(GLANCE));
            if let Some(detections) = found {
                return self.take_detections(detections);
            }
            let wanted = self.shared.output.is_current(self.generation);
            if patience.is_some() || !wanted || self.cancel.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// These faces hold from now on.
    fn take_detections(&mut self, detections: Detections) -> Result<(), Unanalysed> {
        let Detections { faces, frame, format, generation, cancelled, took } = detections;
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if generation != self.generation {
            return Ok(());
        }
        let faces = match faces {
            Ok(faces) => moved(faces, &format, &stream.format),
            // The element is being stopped or flushed.
            Err(_) if cancelled => return Ok(()),
            Err(AnalysisError::Pixels(error)) => {
                gst::warning!(CAT, "A frame cannot be read: {error}");
                return Err(Unanalysed::Unreadable);
            }
            Err(error) => {
                self.face_models_failed(&error.to_string());
                return Err(Unanalysed::NoModels);
            }
        };
        self.supervisor.faces.mark_working();
        self.shared.stats.frame_analysed(took, faces.len());
        let tracker = &mut self.tracker;
        let update = self.shared.stats.stages.time(Stage::Track, || tracker.update(&faces));
        stream.show(frame, faces, update.tracks);
        for track in update.ended {
            self.end_track(track, TrackEnd::Left);
        }
        Ok(())
    }

    /// A frame that may wait for its clips. One from a pool with fewer buffers than may wait is
    /// copied: upstream would wait for it, and it for the frames that upstream cannot send.
    fn keepable(&mut self, buffer: gst::Buffer) -> gst::Buffer {
        let params = self.shared.latency_params();
        let waits = params.delivery == Delivery::Complete;
        let few = |limit: u32| (limit as usize) < params.output_frames() + INPUT_FRAMES;
        if waits && super::pixels::pool_limit(&buffer).is_some_and(few) {
            // Without memory for a copy, the frame itself has to do.
            let stream = self.stream.as_mut();
            let copy = stream.and_then(|stream| stream.pixels.copy(&buffer).ok());
            return copy.unwrap_or(buffer);
        }
        buffer
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
