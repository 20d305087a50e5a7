//! Clips on their way from the windows to the classifier.

use std::sync::Arc;

use super::clips::{PendingClip, Submission, clip_quality};
use super::{Analysis, FaceSample};
use crate::core::latest_wins::LatestWinsQueue;
use crate::core::sampling::{FrameSampler, Sampling};
use crate::core::window::{ClipWindow, WindowEvent, WindowParams, Windows};
use crate::filter::audio::WaitingClips;
use crate::filter::debug::CAT;
use crate::filter::settings::Delivery;
use crate::filter::stats::ClipEnd;

/// Clips that may wait for their sound in live mode, beside those that wait for the classifier:
/// sound comes a little later than pictures, and the classifier should not idle meanwhile.
const WAITING_FOR_SOUND: usize = 4;

/// How clips are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClipParams {
    pub window: WindowParams,
    pub sampling: Sampling,
    /// The side of what is copied around a face, in sides of its box.
    pub crop_scale: f64,
}

/// The clips of all faces that are not full yet, or not with the classifier.
pub(super) struct ClipAssembly {
    pub params: ClipParams,
    /// Which frames clips are made of.
    pub sampler: FrameSampler,
    pub windows: Windows<FaceSample>,
    /// Live mode: the clips that nobody had time for yet.
    pub line: LatestWinsQueue<ClipWindow<FaceSample>>,
}

impl ClipAssembly {
    pub fn new(params: ClipParams) -> Self {
        let (sampler, windows) = (FrameSampler::new(params.sampling), Windows::new(params.window));
        Self { params, sampler, windows, line: LatestWinsQueue::default() }
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        *self = Self::new(self.params);
    }
}

impl Analysis {
    pub(super) fn handle(&mut self, events: Vec<WindowEvent<FaceSample>>) {
        for event in events {
            match event {
                WindowEvent::Clip(clip) => self.line_up(clip),
                WindowEvent::FrameClosed { track, frame } => {
                    self.shared.output.frame_closed(self.generation, track, frame);
                }
                WindowEvent::Insufficient { track } => {
                    gst::debug!(CAT, "Track {track} was too short for a clip");
                }
            }
        }
    }

    /// In complete mode every clip is scored, and the stream waits; in live mode a clip waits in
    /// line, and the newest of each face is what counts.
    fn line_up(&mut self, clip: ClipWindow<FaceSample>) {
        if self.delivery() == Delivery::Complete {
            return self.score(clip);
        }
        let criteria = self.supervisor.clips.get().map(|engine| Arc::clone(&engine.criteria));
        let quality = clip_quality(&clip);
        let fails = |face| criteria.is_some_and(|needs| needs.sufficiency.check(&face).is_err());
        let counts = !quality.is_some_and(fails);
        if let Some(clips) = &mut self.clips
            && clips.line.offer(clip.track, counts, clip).is_some()
        {
            self.shared.stats.clip(ClipEnd::Skipped);
        }
    }

    /// Live mode: gives the classifier what it has room for, the longest unserved face first, of those
    /// that it can judge.
    pub(super) fn serve_line(&mut self) {
        while self.has_room() {
            let next = self.clips.as_mut().and_then(|clips| clips.line.serve());
            let Some(clip) = next else { break };
            self.score(clip);
        }
    }

    /// Drops the clips that nobody had time for.
    pub(super) fn drop_waiting_clips(&mut self) {
        while self.clips.as_mut().and_then(|clips| clips.line.serve()).is_some() {
            self.shared.stats.clip(ClipEnd::Skipped);
        }
    }

    fn has_room(&self) -> bool {
        let room = self.settings.batch_size as usize;
        let for_sound = self.waiting.as_ref().map_or(0, WaitingClips::depth);
        let engine = self.supervisor.clips.get();
        for_sound < WAITING_FOR_SOUND && engine.is_some_and(|engine| engine.waiting() < room)
    }

    /// Sends a clip to the classifier, waiting for room; when its sound is there. Without a
    /// classifier it fails.
    pub(super) fn score(&mut self, clip: ClipWindow<FaceSample>) {
        let Some(pending) =
            PendingClip::announce(&self.shared, self.generation, &clip, self.present)
        else {
            return;
        };
        let Some(engine) = self.supervisor.clips.get().map(Arc::clone) else {
            return pending.fail();
        };
        let tickets = Arc::clone(&self.tickets);
        self.send_with_sound(Submission { clip, pending, engine, tickets });
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
        let budget = gst::ClockTime::from_nseconds(self.settings.max_latency);
        let patience = self.shared.latency_params().patience(budget);
        let span = submission.pending.span();
        let send = Box::new(move |sound| submission.send(sound));
        waiting.push(span, patience, self.generation, send);
    }
}
