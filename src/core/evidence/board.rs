//! The scores of all tracks of a stream, and the label that holds on each frame.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::frame_scores::FrameScores;
use super::track_clips::TrackClips;
use super::track_evidence::{ScoredClip, TrackEvidence};
use super::{Judge, Judgement, Label, Probability, Score};
use crate::core::quality::FaceQuality;
use crate::core::span::Span;
use crate::core::track::TrackId;
use crate::core::window::FrameNumber;

/// A clip of a track, ordered by its last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClipId {
    last: FrameNumber,
    /// Clips with the same last frame (reflection) in the order of their announcement.
    number: u64,
}

impl ClipId {
    pub(super) fn first_ending_at(frame: FrameNumber) -> Self {
        Self { last: frame, number: 0 }
    }

    /// Its place in the order of announcement.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// A clip that is being scored.
#[derive(Debug)]
pub struct ExpectedClip {
    /// The face's track.
    pub track: TrackId,
    /// By which its score is delivered.
    pub id: ClipId,
    /// The running time that it shows.
    pub span: Span,
    /// The frame that was being analysed when it was announced: told of before that leaves, clips
    /// come in the order of their announcement.
    pub due: FrameNumber,
    /// The first frame that hears of it.
    first: FrameNumber,
    /// How its face is seen; `None`: not measured.
    quality: Option<FaceQuality>,
    /// The frames, repetitions included, whose mean it enters.
    counted: Vec<FrameNumber>,
}

/// Which score a frame shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameRule {
    /// The track's newest, whenever the frame leaves: for streams that do not wait.
    Newest,
    /// The mean over the clips that contain it; without any, the latest clip that ends before it.
    /// Depends on nothing but the clips' times and scores.
    Own,
}

#[derive(Debug)]
struct Track {
    frames: FrameScores,
    clips: TrackClips,
    /// Scored clips that no frame so far has heard of, with the first one that will.
    unheard: BTreeMap<ClipId, (FrameNumber, ScoredClip)>,
    /// `None`: there was no classifier when the track began.
    evidence: Option<TrackEvidence>,
    /// The label that was told last.
    told: Label,
}

impl Track {
    fn new(judge: &Judge) -> Self {
        let criteria = judge.criteria().map(Arc::clone);
        Self {
            frames: FrameScores::default(),
            clips: TrackClips::default(),
            unheard: BTreeMap::new(),
            evidence: criteria.map(TrackEvidence::new),
            told: judge.label_without_score(),
        }
    }

    /// Hears of the clips that begin up to `frame`.
    fn hear_up_to(&mut self, frame: FrameNumber) {
        while let Some(next) = self.unheard.first_entry()
            && next.get().0 <= frame
        {
            let (_, clip) = next.remove();
            if let Some(evidence) = &mut self.evidence {
                evidence.add(&clip);
            }
        }
    }

    fn score(&self, frame: FrameNumber, rule: FrameRule) -> Option<Score> {
        match rule {
            FrameRule::Newest => self.clips.newest(),
            FrameRule::Own => self.frames.score(frame).or_else(|| self.clips.score_before(frame)),
        }
    }

    fn is_settled(&self, frame: FrameNumber) -> bool {
        self.frames.is_settled(frame)
            && (self.frames.score(frame).is_some() || self.clips.are_settled_before(frame))
    }
}

/// The scores of all tracks of a stream, while their frames wait and while they are on screen, and
/// their labels.
///
/// [`VerdictBoard::expect`] announces a clip, [`VerdictBoard::settle`] brings its result. A frame is
/// settled when it was closed (no further clip will count for it) and every clip that its score
/// depends on has come back.
#[derive(Debug)]
pub struct VerdictBoard {
    rule: FrameRule,
    judge: Judge,
    tracks: BTreeMap<TrackId, Track>,
    /// Clips announced so far.
    announced: u64,
    /// Those that have not come back, by number, each with the frame before which it is due.
    under_way: BTreeMap<u64, FrameNumber>,
}

impl Default for VerdictBoard {
    fn default() -> Self {
        Self::new(FrameRule::Newest, Judge::Expected)
    }
}

impl VerdictBoard {
    /// A board without tracks. `judge` judges those to come, until [`Self::configure`] names another one.
    pub fn new(rule: FrameRule, judge: Judge) -> Self {
        Self { rule, judge, tracks: BTreeMap::new(), announced: 0, under_way: BTreeMap::new() }
    }

    /// Changes the rule, and who judges tracks to come.
    pub fn configure(&mut self, rule: FrameRule, judge: Judge) {
        (self.rule, self.judge) = (rule, judge);
    }

    fn track(&mut self, track: TrackId) -> &mut Track {
        let judge = &self.judge;
        self.tracks.entry(track).or_insert_with(|| Track::new(judge))
    }

    /// A face of `track` is on `frame`, and clips may follow.
    pub fn open(&mut self, track: TrackId, frame: FrameNumber) {
        self.track(track).frames.open(frame);
    }

    /// No clip but those announced counts for `frame`.
    pub fn close(&mut self, track: TrackId, frame: FrameNumber) {
        if let Some(state) = self.tracks.get_mut(&track) {
            state.frames.close(frame);
        }
    }

    /// A clip of these frames (repetitions included) is being scored, made while the frame `due` was
    /// analysed. `None` for one without frames.
    pub fn expect(
        &mut self,
        track: TrackId,
        frames: Vec<FrameNumber>,
        span: Span,
        due: FrameNumber,
        quality: Option<FaceQuality>,
    ) -> Option<ExpectedClip> {
        let last = *frames.iter().max()?;
        let id = ClipId { last, number: self.announced };
        self.announced += 1;
        self.under_way.insert(id.number, due);
        let state = self.track(track);
        state.clips.expect(id);
        let counted = state.frames.expect(frames);
        // Frames that are closed do not wait for it, and may have left: none of them hears of it.
        let first = counted.iter().min().copied().unwrap_or(due);
        Some(ExpectedClip { track, id, span, due, first, quality, counted })
    }

    /// A clip announced by [`Self::expect`] has its score, or `None` if it failed or was skipped.
    pub fn settle(&mut self, clip: &ExpectedClip, fake: Option<Probability>) {
        self.under_way.remove(&clip.id.number);
        let Some(state) = self.tracks.get_mut(&clip.track) else { return };
        let ExpectedClip { span, quality, .. } = *clip;
        let scored = fake.map(|fake| (fake, span));
        state.frames.settle(&clip.counted, scored);
        state.clips.settle(clip.id, scored);
        if let Some(fake) = fake {
            state.unheard.insert(clip.id, (clip.first, ScoredClip { fake, span, quality }));
        }
    }

    /// Clips that are being scored.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether every clip that was announced up to the analysis of `frame` has come back.
    pub fn are_settled_up_to(&self, frame: FrameNumber) -> bool {
        // Later ones are due later.
        self.under_way.first_key_value().is_none_or(|(_, due)| *due > frame)
    }

    /// Whether nothing more can change what [`Self::judge`] says of the frame.
    pub fn is_settled(&self, track: TrackId, frame: FrameNumber) -> bool {
        self.rule == FrameRule::Newest
            || self.tracks.get(&track).is_none_or(|state| state.is_settled(frame))
    }

    /// What is known of a face that no track follows.
    pub fn judge_stray(&self, quality: Option<&FaceQuality>) -> Judgement {
        Judgement::before_evidence(&self.judge, quality)
    }

    /// What is known of a track's face on a frame that leaves now, after all earlier ones.
    pub fn judge(
        &mut self,
        track: TrackId,
        frame: FrameNumber,
        quality: Option<&FaceQuality>,
    ) -> Judgement {
        let (rule, stray) = (self.rule, Judgement::before_evidence(&self.judge, quality));
        let Some(state) = self.tracks.get_mut(&track) else { return stray };
        let score = state.score(frame, rule);
        let now = match rule {
            FrameRule::Newest => FrameNumber::MAX,
            FrameRule::Own => frame,
        };
        state.frames.forget(frame);
        state.clips.forget_before(now);
        state.hear_up_to(now);
        let Some(evidence) = &state.evidence else { return stray };
        let mut judgement = Judgement::of(evidence, score, quality);
        let before = std::mem::replace(&mut state.told, judgement.label);
        judgement.before = (!before.is_told_as(judgement.label)).then_some(before);
        judgement
    }

    /// Forgets a track of which no frame will leave any more. Returns what held last; `None` where
    /// that is not known, as after [`Self::clear`].
    pub fn forget_track(&mut self, track: TrackId) -> Option<Judgement> {
        let unscored =
            (self.judge == Judge::Nobody).then(|| Judgement::without_score(Label::Unscored));
        let Some(mut state) = self.tracks.remove(&track) else { return unscored };
        state.hear_up_to(FrameNumber::MAX);
        let newest = state.clips.newest();
        state.evidence.map(|evidence| Judgement::of(&evidence, newest, None)).or(unscored)
    }

    /// Forgets everything, but not the rule and who judges: what is settled later is of before.
    pub fn clear(&mut self) {
        *self = Self::new(self.rule, self.judge.clone());
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
