//! The clips of one track, in the order of their time.

use std::collections::BTreeMap;

use super::{ClipId, Probability, Score};
use crate::core::span::Span;
use crate::core::window::FrameNumber;

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Pending,
    Scored { fake: Probability, span: Span },
    Failed,
}

/// What became of a track's clips, by their last frame: those that frames to come may speak of.
#[derive(Debug, Default)]
pub(super) struct TrackClips {
    by_last: BTreeMap<ClipId, Outcome>,
    /// Scored clips that are earlier than all in `by_last`.
    forgotten: u32,
}

impl TrackClips {
    pub fn expect(&mut self, clip: ClipId) {
        self.by_last.insert(clip, Outcome::Pending);
    }

    pub fn settle(&mut self, clip: ClipId, scored: Option<(Probability, Span)>) {
        if let Some(outcome) = self.by_last.get_mut(&clip) {
            let scored = scored.map(|(fake, span)| Outcome::Scored { fake, span });
            *outcome = scored.unwrap_or(Outcome::Failed);
        }
    }

    /// Whether every clip that ends before `frame` has come back.
    pub fn are_settled_before(&self, frame: FrameNumber) -> bool {
        let mut before = self.by_last.range(..ClipId::first_ending_at(frame));
        before.all(|(_, outcome)| !matches!(outcome, Outcome::Pending))
    }

    /// The latest scored clip that ends before `frame`, with the number of those up to it.
    pub fn score_before(&self, frame: FrameNumber) -> Option<Score> {
        self.newest_in(self.by_last.range(..ClipId::first_ending_at(frame)))
    }

    /// The latest scored clip, with the number of those up to it.
    pub fn newest(&self) -> Option<Score> {
        self.newest_in(self.by_last.range(..))
    }

    fn newest_in<'a>(
        &self,
        clips: impl Iterator<Item = (&'a ClipId, &'a Outcome)>,
    ) -> Option<Score> {
        let (mut newest, mut count) = (None, self.forgotten);
        for (_, outcome) in clips {
            if let Outcome::Scored { fake, span } = *outcome {
                count += 1;
                newest = Some((fake, span));
            }
        }
        newest.map(|(fake, span)| Score { fake, span, clips: count })
    }

    /// Forgets what no frame after `frame` can speak of: clips before the latest scored one that
    /// ends before it.
    pub fn forget_before(&mut self, frame: FrameNumber) {
        let before = self.by_last.range(..ClipId::first_ending_at(frame));
        let is_scored = |outcome: &Outcome| matches!(outcome, Outcome::Scored { .. });
        let Some(newest) =
            before.rev().find(|(_, outcome)| is_scored(outcome)).map(|(clip, _)| *clip)
        else {
            return;
        };
        let later = self.by_last.split_off(&newest);
        // One that is pending has to come back yet, and counts when it does.
        let (pending, settled): (Vec<_>, Vec<_>) = std::mem::replace(&mut self.by_last, later)
            .into_iter()
            .partition(|(_, outcome)| matches!(outcome, Outcome::Pending));
        self.forgotten += settled.iter().filter(|(_, outcome)| is_scored(outcome)).count() as u32;
        self.by_last.extend(pending);
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_last.len()
    }
}
