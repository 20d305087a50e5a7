//! Clips on their way from the windows to the classifier.

use std::sync::Arc;

use super::Analysis;
use crate::core::window::ClipWindow;
use crate::filter::audio::WaitingClips;
use crate::filter::clips::{PendingClip, Submission};
use crate::filter::imp::CAT;
use crate::filter::scene::FaceSample;
use crate::filter::settings::Delivery;
use crate::filter::stats::ClipEnd;

/// Clips that may wait for their sound in live mode, beside those that wait for the classifier:
/// sound comes a little later than pictures, and the classifier should not idle meanwhile.
const WAITING_FOR_SOUND: usize = 4;

impl Analysis {
    /// In complete mode every clip is scored, and the stream waits; in live mode a clip waits in
    /// line, and the newest of each face is what counts.
    pub(super) fn line_up(&mut self, clip: ClipWindow<FaceSample>) {
        if self.shared.traits().delivery == Delivery::Complete {
            return self.score(clip);
        }
        if let Some(stream) = &mut self.stream
            && stream.line.offer(clip.track, clip).is_some()
        {
            self.shared.stats.clip(ClipEnd::Skipped);
        }
    }

    /// Live mode: gives the classifier what it has room for, the longest unserved face first.
    pub(super) fn serve_line(&mut self) {
        while self.has_room() {
            let next = self.stream.as_mut().and_then(|stream| stream.line.serve());
            let Some(clip) = next else { break };
            self.score(clip);
        }
    }

    fn has_room(&self) -> bool {
        let room = self.settings.batch_size as usize;
        let for_sound = self.waiting.as_ref().map_or(0, WaitingClips::depth);
        for_sound < WAITING_FOR_SOUND
            && self.supply.ready().is_some_and(|e| e.clips.submitter.waiting() < room)
    }

    /// Sends a clip to the classifier, waiting for room; when its sound is there.
    pub(super) fn score(&mut self, clip: ClipWindow<FaceSample>) {
        let Some(engines) = self.supply.ready() else { return };
        let announced = PendingClip::announce(&self.element, &self.shared, self.generation, &clip);
        let Some(pending) = announced else { return };
        let engines = Arc::clone(&engines.clips);
        self.send_with_sound(Submission { clip, pending, engines });
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
        let patience = self.shared.traits().patience(budget);
        let span = submission.pending.span();
        let send = Box::new(move |sound| submission.send(sound));
        waiting.push(span, patience, self.generation, send);
    }
}
