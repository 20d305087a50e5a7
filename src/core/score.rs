//! Scores of faces and frames, and the verdict on a face (REFERENCE §6).
//!
//! A clip's score is P(fake). A frame's score is the mean over the clips that contain it, kept for
//! each track; a clip that contains a frame twice (reflection) counts twice, as in the reference.

use std::collections::BTreeMap;

use thiserror::Error;

use super::track::TrackId;
use super::window::{FrameNumber, Span};

/// A number in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f64);

#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("{0} is not a probability: expected a number from 0 to 1")]
pub struct NotAProbability(pub f64);

impl Probability {
    pub const HALF: Self = Self(0.5);

    pub fn new(value: f64) -> Result<Self, NotAProbability> {
        (0.0..=1.0).contains(&value).then_some(Self(value)).ok_or(NotAProbability(value))
    }

    /// Softmax of `logits`, index 0: P(fake). NaN and infinite logits are refused.
    pub fn fake_from_logits(logits: [f32; 2]) -> Result<Self, NotAProbability> {
        let difference = f64::from(logits[1]) - f64::from(logits[0]);
        Self::new(1.0 / (1.0 + difference.exp()))
    }

    pub fn get(self) -> f64 {
        self.0
    }

    /// `ln(p / (1 - p))`, kept finite at the ends.
    fn logit(self) -> f64 {
        const TINY: f64 = 1e-12;
        let p = self.0.clamp(TINY, 1.0 - TINY);
        (p / (1.0 - p)).ln()
    }
}

/// FTCN's constant, inherited by M2SD; not calibrated for it.
pub const REFERENCE_THRESHOLD: f64 = 0.002584857167676091;

/// What is known about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    Real,
    Fake,
    /// Scored, but too close to the threshold to say.
    Uncertain,
    /// Not scored: the face has not been seen for a whole clip yet.
    Insufficient,
}

impl Label {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Fake => "fake",
            Self::Uncertain => "uncertain",
            Self::Insufficient => "insufficient",
        }
    }

    /// The number under which the label goes in metadata. 0 is fake, as in the network's output.
    pub fn id(self) -> i32 {
        match self {
            Self::Fake => 0,
            Self::Real => 1,
            Self::Uncertain => 2,
            Self::Insufficient => 3,
        }
    }
}

/// Turns a sequence of scores into a label that does not flicker.
///
/// Distances are measured in log odds, since thresholds may lie as low as 0.0026. A score farther
/// than [`Verdict::MARGIN`] from the threshold decides. A closer one leaves a decided label as it
/// is; if [`Verdict::PATIENCE`] scores in a row are that close, the label becomes uncertain.
#[derive(Clone, Debug)]
pub struct Verdict {
    threshold_logit: f64,
    label: Label,
    close_calls: u32,
}

impl Verdict {
    /// In log odds; about ±5 percentage points around 0.5, ±20 % of a very small threshold.
    pub const MARGIN: f64 = 0.2;
    /// Undecided scores in a row that turn a decided label into an uncertain one.
    pub const PATIENCE: u32 = 16;

    pub fn new(threshold: Probability) -> Self {
        Self { threshold_logit: threshold.logit(), label: Label::Insufficient, close_calls: 0 }
    }

    pub fn label(&self) -> Label {
        self.label
    }

    /// Takes the next score and returns the label that now holds.
    pub fn update(&mut self, score: Probability) -> Label {
        let distance = score.logit() - self.threshold_logit;
        if distance.abs() > Self::MARGIN {
            self.close_calls = 0;
            self.label = if distance > 0.0 { Label::Fake } else { Label::Real };
        } else {
            self.close_calls += 1;
            let undecided = self.label == Label::Insufficient;
            if undecided || self.close_calls >= Self::PATIENCE {
                self.label = Label::Uncertain;
            }
        }
        self.label
    }
}

/// A score and the running time that it speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub fake: Probability,
    pub span: Span,
    /// Clips that the face was scored in: those in the mean, or so far.
    pub clips: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
    span: Option<Span>,
}

impl Mean {
    fn add(&mut self, fake: Probability, span: Span) {
        self.sum += fake.get();
        self.count += 1;
        self.span = Some(self.span.map_or(span, |s| s.union(span)));
    }

    fn score(&self) -> Option<Score> {
        let mean = self.sum / f64::from(self.count);
        // Rounding can carry a mean of ones past 1.
        let fake = Probability::new(mean.clamp(0.0, 1.0)).ok()?;
        Some(Score { fake, span: self.span?, clips: self.count })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct FrameScore {
    mean: Mean,
    clips_under_way: u32,
    closed: bool,
}

#[derive(Debug, Default)]
struct TrackScore {
    newest: Option<Score>,
    frames: BTreeMap<FrameNumber, FrameScore>,
}

/// The scores of all tracks of a stream, while their frames wait and while they are on screen.
///
/// [`ScoreBoard::expect`] announces a clip, [`ScoreBoard::settle`] brings its result. A frame is
/// settled when it was closed (no further clip will contain it) and no clip of it is under way.
#[derive(Debug, Default)]
pub struct ScoreBoard {
    tracks: BTreeMap<TrackId, TrackScore>,
}

impl ScoreBoard {
    /// A face of `track` is on `frame`, and clips may follow.
    pub fn open(&mut self, track: TrackId, frame: FrameNumber) {
        self.tracks.entry(track).or_default().frames.entry(frame).or_default();
    }

    /// No clip but those announced contains `frame`.
    pub fn close(&mut self, track: TrackId, frame: FrameNumber) {
        self.for_frames(track, &[frame], |f| f.closed = true);
    }

    /// A clip of these frames (repetitions included) is being scored.
    pub fn expect(&mut self, track: TrackId, frames: &[FrameNumber]) {
        self.for_frames(track, frames, |f| f.clips_under_way += 1);
    }

    /// A clip announced by [`Self::expect`] has its score, or `None` if it failed.
    pub fn settle(
        &mut self,
        track: TrackId,
        frames: &[FrameNumber],
        span: Span,
        fake: Option<Probability>,
    ) {
        self.for_frames(track, frames, |f| {
            f.clips_under_way = f.clips_under_way.saturating_sub(1);
            if let Some(fake) = fake {
                f.mean.add(fake, span);
            }
        });
        if let (Some(fake), Some(state)) = (fake, self.tracks.get_mut(&track)) {
            let clips = state.newest.map_or(0, |s| s.clips).saturating_add(1);
            state.newest = Some(Score { fake, span, clips });
        }
    }

    fn for_frames(
        &mut self,
        track: TrackId,
        frames: &[FrameNumber],
        mut change: impl FnMut(&mut FrameScore),
    ) {
        let Some(state) = self.tracks.get_mut(&track) else { return };
        for frame in frames {
            // Frames that have left (live mode) have no entry any more.
            if let Some(score) = state.frames.get_mut(frame) {
                change(score);
            }
        }
    }

    /// Whether nothing more can change the frame's score.
    pub fn is_settled(&self, track: TrackId, frame: FrameNumber) -> bool {
        let entry = self.tracks.get(&track).and_then(|t| t.frames.get(&frame));
        entry.is_none_or(|f| f.closed && f.clips_under_way == 0)
    }

    /// The mean over the clips that contain the frame.
    pub fn frame_score(&self, track: TrackId, frame: FrameNumber) -> Option<Score> {
        self.tracks.get(&track)?.frames.get(&frame)?.mean.score()
    }

    /// The track's newest clip, with the number of clips that the track has had.
    pub fn newest_score(&self, track: TrackId) -> Option<Score> {
        self.tracks.get(&track)?.newest
    }

    /// Forgets a frame that has left.
    pub fn forget_frame(&mut self, track: TrackId, frame: FrameNumber) {
        if let Some(state) = self.tracks.get_mut(&track) {
            state.frames.remove(&frame);
        }
    }

    /// Forgets a track of which no frame will leave any more.
    pub fn forget_track(&mut self, track: TrackId) {
        self.tracks.remove(&track);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACK: TrackId = TrackId(1);
    const SPAN: Span = Span { start_ns: 0, end_ns: 10 };

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    #[test]
    fn probabilities_are_checked() {
        assert!(Probability::new(1.1).is_err());
        assert!(Probability::new(f64::NAN).is_err());
        assert!(Probability::fake_from_logits([f32::NAN, 0.0]).is_err());
        let fake = Probability::fake_from_logits([1.8147783, -0.35765025]).unwrap();
        assert!((fake.get() - 0.8977461457).abs() < 1e-7);
        assert_eq!(Probability::fake_from_logits([-1e30, 1e30]).unwrap().get(), 0.0);
    }

    #[test]
    fn a_frame_score_is_the_mean_of_its_clips_counting_repetitions() {
        let mut board = ScoreBoard::default();
        [0, 1].into_iter().for_each(|f| board.open(TRACK, f));
        board.expect(TRACK, &[0, 1, 0]);
        board.expect(TRACK, &[1]);
        board.close(TRACK, 0);
        board.settle(TRACK, &[0, 1, 0], SPAN, Some(p(0.5)));
        assert!(board.is_settled(TRACK, 0) && !board.is_settled(TRACK, 1));
        board.settle(TRACK, &[1], SPAN, Some(p(1.0)));
        assert!(!board.is_settled(TRACK, 1), "not closed");
        board.close(TRACK, 1);
        assert!(board.is_settled(TRACK, 1));
        assert_eq!(board.frame_score(TRACK, 0).unwrap().clips, 2);
        assert_eq!(board.frame_score(TRACK, 1).unwrap().fake, p(0.75));
        assert_eq!(board.newest_score(TRACK), Some(Score { fake: p(1.0), span: SPAN, clips: 2 }));
    }

    #[test]
    fn a_failed_clip_settles_without_a_score() {
        let mut board = ScoreBoard::default();
        board.open(TRACK, 0);
        board.expect(TRACK, &[0]);
        board.close(TRACK, 0);
        board.settle(TRACK, &[0], SPAN, None);
        assert!(board.is_settled(TRACK, 0));
        assert_eq!(board.frame_score(TRACK, 0), None);
        board.forget_track(TRACK);
        assert!(board.is_settled(TRACK, 0));
    }

    #[test]
    fn a_verdict_holds_near_the_threshold_and_changes_far_from_it() {
        let mut verdict = Verdict::new(p(0.5));
        assert_eq!(verdict.label(), Label::Insufficient);
        assert_eq!(verdict.update(p(0.51)), Label::Uncertain);
        assert_eq!(verdict.update(p(0.6)), Label::Fake);
        assert_eq!(verdict.update(p(0.48)), Label::Fake);
        assert_eq!(verdict.update(p(0.4)), Label::Real);
        for _ in 1..Verdict::PATIENCE {
            assert_eq!(verdict.update(p(0.5)), Label::Real);
        }
        assert_eq!(verdict.update(p(0.5)), Label::Uncertain);

        let mut reference = Verdict::new(p(REFERENCE_THRESHOLD));
        assert_eq!(reference.update(p(0.01)), Label::Fake);
        assert_eq!(reference.update(p(0.0)), Label::Real);
    }
}
