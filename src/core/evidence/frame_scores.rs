//! The scores of frames: means over clips, whatever order these come back in.

use std::collections::BTreeMap;

use super::Probability;
use crate::core::span::Span;
use crate::core::window::FrameNumber;

/// A score and the running time that it speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The mean P(fake) of its clips.
    pub fake: Probability,
    /// What the clips show, from the earliest to the latest.
    pub span: Span,
    /// Clips that the face was scored in: those in the mean, or so far.
    pub clips: u32,
}

/// A mean of probabilities that does not depend on the order in which they are added: they are
/// summed as whole multiples of 2^-64, of which a double holds as many digits as of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: u128,
    count: u32,
    span: Option<Span>,
}

/// 2^64.
const ONE: f64 = 18_446_744_073_709_551_616.0;

impl Mean {
    pub fn add(&mut self, fake: Probability, span: Span) {
        self.sum += (fake.get() * ONE) as u128;
        self.count += 1;
        self.span = Some(self.span.map_or(span, |s| s.union(span)));
    }

    /// `None` before the first.
    pub fn fake(&self) -> Option<Probability> {
        let mean = self.sum as f64 / ONE / f64::from(self.count);
        // Rounding can carry a mean of ones past 1; of nothing, it is NaN.
        Probability::new(mean.clamp(0.0, 1.0)).ok()
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn score(&self) -> Option<Score> {
        Some(Score { fake: self.fake()?, span: self.span?, clips: self.count })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct FrameScore {
    mean: Mean,
    clips_under_way: u32,
    closed: bool,
}

/// The frames of one track that have not left yet.
#[derive(Debug, Default)]
pub(super) struct FrameScores(BTreeMap<FrameNumber, FrameScore>);

impl FrameScores {
    /// The track is on this frame, and clips may follow.
    pub fn open(&mut self, frame: FrameNumber) {
        self.0.entry(frame).or_default();
    }

    /// No clip but those announced counts for this frame.
    pub fn close(&mut self, frame: FrameNumber) {
        if let Some(score) = self.0.get_mut(&frame) {
            score.closed = true;
        }
    }

    /// A clip is being scored. Returns those of its frames, repetitions included, whose score it
    /// enters: frames that were closed may have left already, so it does not enter theirs,
    /// whether they have or not.
    pub fn expect(&mut self, mut frames: Vec<FrameNumber>) -> Vec<FrameNumber> {
        frames.retain(|frame| match self.0.get_mut(frame) {
            Some(score) if !score.closed => {
                score.clips_under_way += 1;
                true
            }
            _ => false,
        });
        frames
    }

    /// A clip that [`Self::expect`] returned these frames for has its score, or none.
    pub fn settle(&mut self, counted: &[FrameNumber], scored: Option<(Probability, Span)>) {
        for frame in counted {
            // Frames that have left (live mode) have no entry any more.
            let Some(score) = self.0.get_mut(frame) else { continue };
            score.clips_under_way = score.clips_under_way.saturating_sub(1);
            if let Some((fake, span)) = scored {
                score.mean.add(fake, span);
            }
        }
    }

    /// Whether nothing more can change the frame's mean.
    pub fn is_settled(&self, frame: FrameNumber) -> bool {
        self.0.get(&frame).is_none_or(|score| score.closed && score.clips_under_way == 0)
    }

    /// The mean over the frame's own clips.
    pub fn score(&self, frame: FrameNumber) -> Option<Score> {
        self.0.get(&frame)?.mean.score()
    }

    /// The frame has left.
    pub fn forget(&mut self, frame: FrameNumber) {
        self.0.remove(&frame);
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { start_ns: 0, end_ns: 10 };

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    #[test]
    fn a_mean_counts_repetitions_and_waits_for_all_that_count() {
        let mut frames = FrameScores::default();
        [0, 1].into_iter().for_each(|frame| frames.open(frame));
        let first = frames.expect(vec![0, 1, 0]);
        let second = frames.expect(vec![1]);
        frames.close(0);
        frames.settle(&first, Some((p(0.5), SPAN)));
        assert!(frames.is_settled(0) && !frames.is_settled(1));
        frames.settle(&second, Some((p(1.0), SPAN)));
        assert!(!frames.is_settled(1), "not closed");
        frames.close(1);
        assert!(frames.is_settled(1));
        assert_eq!(frames.score(0).unwrap().clips, 2);
        assert_eq!(frames.score(1).unwrap().fake, p(0.75));
    }

    #[test]
    fn a_closed_frame_takes_no_further_clip_whether_it_has_left_or_not() {
        let mut frames = FrameScores::default();
        [0, 1].into_iter().for_each(|frame| frames.open(frame));
        frames.close(0);
        assert_eq!(frames.expect(vec![0, 1]), [1]);
        assert!(frames.is_settled(0));
        frames.forget(0);
        assert_eq!(frames.expect(vec![0, 1]), [1]);
    }

    #[test]
    fn a_failed_clip_settles_without_a_score() {
        let mut frames = FrameScores::default();
        frames.open(0);
        let counted = frames.expect(vec![0]);
        frames.close(0);
        frames.settle(&counted, None);
        assert!(frames.is_settled(0));
        assert_eq!(frames.score(0), None);
    }

    proptest::proptest! {
        #[test]
        fn a_mean_does_not_depend_on_the_order(values in proptest::collection::vec(0f64..=1.0, 1..40)) {
            let mean = |values: &mut dyn Iterator<Item = &f64>| {
                let mut mean = Mean::default();
                values.for_each(|value| mean.add(p(*value), SPAN));
                mean.fake().unwrap().get()
            };
            let (forward, back) = (mean(&mut values.iter()), mean(&mut values.iter().rev()));
            proptest::prop_assert_eq!(forward.to_bits(), back.to_bits());
            let plain = values.iter().sum::<f64>() / values.len() as f64;
            proptest::prop_assert!((forward - plain).abs() < 1e-14);
        }
    }
}
