//! What is known about a face when its frame leaves.

use super::{Criteria, Insufficiency, Judge, Label, Probability, Score, Shortfall, TrackEvidence};
use crate::core::audio::Loudness;
use crate::core::quality::FaceQuality;

/// What is known about a face when its frame leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// What the face is called on this frame.
    pub label: Label,
    /// What is missing for a verdict, where that is a matter of more or less.
    pub shortfall: Option<Shortfall>,
    /// What the label speaks of: the evidence of the track, where it bears one; else the frame's own.
    pub score: Option<Score>,
    /// The frame's own.
    pub frame_score: Option<Score>,
    /// Of `score`: the natural logarithm of the likelihood ratio of fake against real. `None` without
    /// a calibration.
    pub llr: Option<f64>,
    /// How far the label is from the threshold, as a probability: 0.5 at the threshold, towards 1
    /// beyond it. 0 for labels that are no verdict.
    pub confidence: f64,
    /// The label that held before, where this frame changed it.
    pub before: Option<Label>,
    /// How loud the time was that the score speaks of; `None` without sound or a score.
    pub loudness: Option<Loudness>,
}

impl Judgement {
    /// Of a face that has no score.
    pub fn without_score(label: Label) -> Self {
        Self {
            label,
            shortfall: None,
            score: None,
            frame_score: None,
            llr: None,
            confidence: 0.0,
            before: None,
            loudness: None,
        }
    }

    /// Of a face that has no evidence yet, seen like this.
    pub(super) fn before_evidence(judge: &Judge, quality: Option<&FaceQuality>) -> Self {
        let label = judge.label_without_score();
        let mut judgement = Self::without_score(label);
        if let Some(criteria) = judge.criteria() {
            judgement.look_at(criteria, quality);
        }
        judgement
    }

    /// What the evidence says on a frame that has this score of its own.
    pub(super) fn of(
        evidence: &TrackEvidence,
        frame_score: Option<Score>,
        quality: Option<&FaceQuality>,
    ) -> Self {
        let criteria = evidence.criteria();
        let (label, score) = (evidence.label(), evidence.score().or(frame_score));
        let distance = score.and_then(|score| criteria.distance(score.fake));
        let certainty = |distance: f64| Probability::of_logit(distance.abs()).get();
        let confidence = distance.filter(|_| label.is_verdict()).map(certainty);
        let mut judgement = Self {
            label,
            shortfall: evidence.shortfall(),
            score,
            frame_score,
            llr: score.and_then(|score| criteria.llr(score.fake)),
            confidence: confidence.unwrap_or(0.0),
            before: None,
            loudness: None,
        };
        judgement.look_at(criteria, quality);
        judgement
    }

    /// Where time may bring a verdict, but not while the face is seen like this, that is the reason.
    fn look_at(&mut self, criteria: &Criteria, quality: Option<&FaceQuality>) {
        let Label::Insufficient(reason) = self.label else { return };
        let fails = quality.and_then(|face| criteria.sufficiency.check(face).err());
        // What nobody vouches for is not mended by a better picture.
        let vouched = Insufficiency::of(criteria.training).is_none();
        if let Some(shortfall) = fails.filter(|_| vouched && reason.is_a_matter_of_time()) {
            self.label = Label::Insufficient(shortfall.what);
            self.shortfall = Some(shortfall);
        }
    }
}
