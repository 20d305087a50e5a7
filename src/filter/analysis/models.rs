//! What the analysis does when models become ready, do not load, or fail.

use std::num::NonZeroUsize;
use std::sync::Arc;

use glib::subclass::prelude::*;

use super::Analysis;
use super::clip_assembly::{ClipAssembly, ClipParams};
use super::tracks::TrackEnd;
use crate::core::evidence::Judge;
use crate::core::modelinfo::{FrameRates, Training};
use crate::core::sampling::{self, Sampling};
use crate::core::window::WindowParams;
use crate::filter::debug::CAT;
use crate::filter::engines::error::SessionError;
use crate::filter::engines::finding::wants_no_classifier;
use crate::filter::engines::supervisor::LoadEvent;
use crate::filter::settings::{Delivery, OnError};
use crate::models::advice;

impl Analysis {
    /// Takes models that have loaded; in complete mode, waits for them at the start.
    pub(super) fn tend_models(&mut self) {
        if self.shared.take_clip_scored() {
            self.supervisor.clips.mark_working();
        }
        if let Some(error) = self.shared.take_clip_failures() {
            self.clip_models_failed(&error);
        }
        let waits = self.shared.latency_params().delivery == Delivery::Complete;
        let (shared, generation) = (Arc::clone(&self.shared), self.generation);
        let wait = || waits && shared.output.is_current(generation);
        let faces = self.supervisor.advance_faces(wait);
        if let (LoadEvent::Ready, Some(detector)) = (&faces, self.supervisor.faces.get()) {
            self.shared.stats.set_detector(detector.runs_on());
        }
        if let LoadEvent::NotLoaded { error, first } = faces {
            self.not_loaded(&error, first);
            if first {
                // What scores clips has not been tried then.
                return;
            }
        }
        match self.supervisor.advance_clips(wait) {
            LoadEvent::None => {}
            LoadEvent::Ready => self.clip_models_ready(),
            LoadEvent::Absent => self.runs_without_classifier(),
            LoadEvent::NotLoaded { error, first } => self.not_loaded(&error, first),
        }
    }

    fn not_loaded(&mut self, error: &SessionError, first: bool) {
        // The element is being stopped.
        if self.cancel.is_cancelled() {
            return;
        }
        if first || self.settings.on_error == OnError::Fail {
            if let Some(element) = self.element.upgrade() {
                element.imp().post_session_error(error);
            }
            self.shared.fail_explained();
        } else {
            gst::warning!(CAT, "The models did not load again: {error}");
        }
    }

    fn clip_models_ready(&mut self) {
        let Some(engine) = self.supervisor.clips.get().map(Arc::clone) else { return };
        for member in &engine.members {
            let info = &member.spec().info;
            gst::info!(CAT, "Classifier {} on {}", member.classifier.name, info.provider);
            if member.classifier.training() == Training::Unknown {
                self.warn_of_unknown_training(&info.model);
            }
        }
        if let Some(fusion) = &engine.fusion {
            gst::info!(CAT, "The scores of {} are {}", engine.classifier.name, fusion.rule());
        }
        // Of several, the first one's.
        if let Some(first) = engine.members.first() {
            self.shared.stats.set_classifier((&first.spec().info).into());
        }
        self.shared.set_classifier(Some(Arc::clone(&engine.classifier)));
        let (frames, rates) = (engine.frames(), self.clip_rates(engine.rates()));
        // From here on a flush reaches the clips; those of after it need a ticket of after it.
        self.shared.set_clip_cancellers(engine.cancellers());
        self.tickets = engine.tickets();
        self.change_clips(frames, rates);
        self.assemble_clips();
    }

    /// What the user can do about a classifier of which nobody says whether it was trained.
    fn warn_of_unknown_training(&self, classifier: &str) {
        self.warn(&format!(
            "Nobody says whether {classifier} was trained: it gives scores, and no verdicts. If you \
             trust it, import it with {}, or write training=trained into \
             {classifier}.modelinfo",
            advice::command("models import --training trained FILE")
        ));
    }

    /// Faces are followed and not judged, which is told where nobody has asked for it.
    fn runs_without_classifier(&self) {
        if wants_no_classifier(&self.settings) {
            gst::info!(CAT, "No classifier is wanted: faces are followed and not judged");
        } else {
            self.warn(&format!(
                "There is no classifier: faces are followed and not judged. Get M2SD with {}",
                advice::command("models fetch")
            ));
        }
        self.change_clips(0, None);
    }

    /// The rates of clips for a classifier that was trained on `trained`.
    fn clip_rates(&self, trained: Option<FrameRates>) -> Option<FrameRates> {
        // Looked at before the element started.
        self.settings.clip_fps().unwrap_or_default().rates(trained)
    }

    /// Clips have so many frames, at such a rate where that is not the stream's.
    fn change_clips(&self, frames: usize, rates: Option<FrameRates>) {
        let latency_changed = self.shared.change_latency_params(|params| {
            (params.clip_frames, params.clip_rates) = (frames, rates);
        });
        self.configure_output();
        if latency_changed && let Some(element) = self.element.upgrade() {
            element.imp().post_latency();
        }
    }

    /// Has clips made as the classifier and the mode want them.
    pub(super) fn assemble_clips(&mut self) {
        let Some(engine) = self.supervisor.clips.get() else { return };
        let (frames, crop_scale) = (engine.frames(), engine.crop_scale());
        let rates = self.clip_rates(engine.rates());
        let stride = self.settings.clip_stride(self.delivery(), frames);
        let (Some(frames), Some(stride)) = (NonZeroUsize::new(frames), NonZeroUsize::new(stride))
        else {
            // Loading has ruled out clips without frames.
            return;
        };
        let step = self.stream.as_ref().and_then(|stream| stream.format.frame_duration());
        let sampling = Sampling::of(rates, step.map(gst::ClockTime::nseconds));
        let window = WindowParams { frames, stride };
        let params = ClipParams { window, sampling, crop_scale };
        if self.clips.as_ref().is_none_or(|clips| clips.params != params) {
            self.close_windows();
            self.clips = Some(ClipAssembly::new(params));
        }
        if let (Some(rates), Some(step)) = (rates, step)
            && sampling::is_slow(rates, step.nseconds() as f64)
        {
            self.tell_slow(1e9 / step.nseconds() as f64);
        }
    }

    /// Says once that the stream has fewer frames than clips should have.
    pub(super) fn tell_slow(&mut self, fps: f64) {
        let engine = self.supervisor.clips.get();
        let Some(engine) = engine.map(Arc::clone) else { return };
        let Some(rates) = self.clip_rates(engine.rates()) else { return };
        if std::mem::replace(&mut self.told_slow, true) {
            return;
        }
        let FrameRates { lowest, highest } = rates;
        let wanted =
            if lowest < highest { format!("{lowest} to {highest}") } else { lowest.to_string() };
        self.warn(&format!(
            "The stream has {fps:.3} frames a second, and clips for {} want {wanted}. None can be made \
             up: a clip spans more time than wanted, and scores may say less. Give it a stream with \
             more frames, or set clip-fps=native to have it so without a word",
            engine.classifier.name
        ));
    }

    pub(super) fn configure_output(&self) {
        let mut params = self.shared.latency_params();
        // The pad may know of caps that have yet to come here.
        if let Some(stream) = &self.stream {
            params.frame_duration = stream.format.frame_duration();
        }
        let clips = &self.supervisor.clips;
        let judge = match clips.get() {
            Some(engine) => Judge::Classifier(Arc::clone(&engine.criteria)),
            None if clips.is_absent() => Judge::Nobody,
            None => Judge::Expected,
        };
        self.shared.output.configure(params.delivery, params.output_frames(), judge);
    }

    /// What finds faces failed while running: frames pass unanalysed until it is loaded again.
    pub(super) fn face_models_failed(&mut self, error: &str) {
        if self.settings.on_error == OnError::Fail {
            return self.fail(error);
        }
        self.end_tracks(TrackEnd::ModelsFailed);
        let pause = self.supervisor.faces.mark_failed().as_secs();
        self.warn(&format!(
            "Finding faces failed: {error}. Frames pass unanalysed; next try in {pause} s"
        ));
    }

    /// The classifier failed: faces are followed, and not scored until it is loaded again.
    fn clip_models_failed(&mut self, error: &str) {
        if self.supervisor.clips.get().is_none() {
            return;
        }
        if self.settings.on_error == OnError::Fail {
            return self.fail(error);
        }
        self.drop_waiting_clips();
        self.shared.set_clip_cancellers(Vec::new());
        let pause = self.supervisor.clips.mark_failed().as_secs();
        self.warn(&format!(
            "Scoring clips failed: {error}. Faces are followed and not scored; next try in {pause} s"
        ));
    }
}
