//! The evidence of one face, and the verdict that it bears (docs/method.md, "Verdicts").
//!
//! Clips that overlap show the same frames, and clips in one moment the same expression: their scores
//! are averaged to one *observation*, which begins with a clip that shares no frame with the
//! observation before it, and lasts for half a second at least. Observations are what is counted; the
//! newest, which more clips may join, for as much of one as it has clips.
//!
//! The evidence is the mean distance of the observations from the threshold, in log odds. It decides
//! where it is clear of the threshold by more than it may be off by chance, given how much the
//! observations of this face differ from one to the next. The mean goes back to where the present
//! verdict began to hold, so that a face whose scores jitter becomes more and more certain to be
//! uncertain. Where the newest observations by themselves clearly contradict what is said, something
//! has changed in the picture, and those before them are put aside.
//!
//! A verdict and its number cannot disagree: `fake` holds while the evidence is above the threshold,
//! `real` while it is below.

use std::collections::VecDeque;
use std::sync::Arc;

use super::criteria::Criteria;
use super::label::{Doubt, Insufficiency, Label};
use super::{Probability, Score, Shortfall};
use crate::core::quality::FaceQuality;
use crate::core::span::Span;

/// The shortest time of an observation.
const OBSERVATION_NS: u64 = 500_000_000;
/// Observations that are remembered; it takes fewer to be certain of anything.
const MOST: usize = 64;
/// A clip counts for so many log odds at most: a network that has saturated is not surer than that.
const MOST_DISTANCE: f64 = 9.0;
/// How far from the threshold evidence must be to say something, in log odds, however certain it is.
const MARGIN: f64 = 0.2;
/// So many standard errors decide: one in two thousand is off by more, were they normal.
const DECIDES: f64 = 3.5;
/// So many of the newest observations alone contradict the rest: there are many ways to pick them.
const CONTRADICTS: f64 = 4.5;
/// The number of observations that the spread that is assumed before they show it counts for.
const SPREAD_COUNTS: f64 = 4.0;
/// A verdict that was left asks for twice the observations for so long.
const MEMORY_NS: u64 = 60_000_000_000;
/// A verdict outlives a face that cannot be seen well enough for so long.
const HOLD_NS: u64 = 5_000_000_000;

/// A clip that has a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredClip {
    /// P(fake) of the clip.
    pub fake: Probability,
    /// The running time that it shows.
    pub span: Span,
    /// `None`: not measured, which counts as sufficient.
    pub quality: Option<FaceQuality>,
}

/// Clips that are not independent of one another, as one.
#[derive(Clone, Copy, Debug)]
struct Observation {
    /// Of the distances, each as far as it counts.
    sum: f64,
    /// Of the distances as they are.
    whole_sum: f64,
    clips: u32,
    span: Span,
    /// A clip that begins later is not part of it.
    until_ns: u64,
}

impl Observation {
    fn new(distance: f64, span: Span) -> Self {
        let until_ns = span.end_ns.max(span.start_ns.saturating_add(OBSERVATION_NS));
        let mut new = Self { sum: 0.0, whole_sum: 0.0, clips: 0, span, until_ns };
        new.add(distance, span);
        new
    }

    fn add(&mut self, distance: f64, span: Span) {
        self.sum += distance.clamp(-MOST_DISTANCE, MOST_DISTANCE);
        self.whole_sum += distance;
        self.clips += 1;
        self.span = self.span.union(span);
    }

    fn whole_distance(&self) -> f64 {
        self.whole_sum / f64::from(self.clips)
    }

    fn distance(&self) -> f64 {
        self.sum / f64::from(self.clips)
    }
}

/// What observations say together.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    count: f64,
    distance: f64,
    /// Of the distances as they are.
    whole_distance: f64,
    span: Span,
    clips: u32,
}

impl Evidence {
    /// Each with what it counts for.
    fn of<'a>(observations: impl Iterator<Item = (f64, &'a Observation)>) -> Option<Self> {
        let mut all: Option<Self> = None;
        for (weight, one) in observations {
            let nothing =
                Self { count: 0.0, distance: 0.0, whole_distance: 0.0, span: one.span, clips: 0 };
            let before = all.unwrap_or(nothing);
            let count = before.count + weight;
            let mean = |before: f64, one: f64| before + (one - before) * weight / count;
            all = Some(Self {
                count,
                distance: mean(before.distance, one.distance()),
                whole_distance: mean(before.whole_distance, one.whole_distance()),
                span: before.span.union(one.span),
                clips: before.clips.saturating_add(one.clips),
            });
        }
        all
    }

    /// What is told: as it is, where what counts is on the same side of the threshold.
    fn told_distance(&self) -> f64 {
        let agree = self.whole_distance.signum() == self.distance.signum();
        if agree { self.whole_distance } else { self.distance }
    }

    /// The verdict, if the mean is clear of the threshold by so many standard errors.
    fn verdict(&self, spread: f64, errors: f64) -> Option<Label> {
        let certain = self.distance.abs() * self.count.sqrt() >= errors * spread;
        let clear = certain && self.distance.abs() > MARGIN;
        clear.then_some(if self.distance > 0.0 { Label::Fake } else { Label::Real })
    }
}

/// The evidence of one face.
///
/// ```
/// use std::sync::Arc;
///
/// use gstm2sd::core::evidence::{
///     Criteria, Insufficiency, Label, PointChoice, Probability, ScoredClip, TrackEvidence,
/// };
/// use gstm2sd::core::modelinfo::{ModelInfo, Training};
/// use gstm2sd::core::span::Span;
///
/// let half = PointChoice::Threshold(Probability::HALF);
/// let criteria = Criteria::new(&ModelInfo::default(), Training::Trained, 224, &half).unwrap();
/// let mut evidence = TrackEvidence::new(Arc::new(criteria));
/// let fake = Probability::new(0.95).unwrap();
/// let labels = [0, 1, 2].map(|second| {
///     let span = Span { start_ns: second * 1_000_000_000, end_ns: (second + 1) * 1_000_000_000 };
///     evidence.add(&ScoredClip { fake, span, quality: None });
///     evidence.label()
/// });
/// let few = Label::Insufficient(Insufficiency::FewClips);
/// assert_eq!(labels, [few, few, Label::Fake]);
/// ```
#[derive(Clone, Debug)]
pub struct TrackEvidence {
    criteria: Arc<Criteria>,
    observations: VecDeque<Observation>,
    /// Those from here on count.
    from: usize,
    label: Label,
    shortfall: Option<Shortfall>,
    /// When verdicts were left, within [`MEMORY_NS`].
    left_ns: VecDeque<u64>,
}

impl TrackEvidence {
    /// A face without a clip yet: [`Label::NO_CLIP`].
    pub fn new(criteria: Arc<Criteria>) -> Self {
        Self {
            criteria,
            observations: VecDeque::new(),
            from: 0,
            label: Label::NO_CLIP,
            shortfall: None,
            left_ns: VecDeque::new(),
        }
    }

    /// By what it is judged.
    pub fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// What the evidence says of the face so far.
    pub fn label(&self) -> Label {
        self.label
    }

    /// What is missing for a verdict, where that is a matter of more or less.
    pub fn shortfall(&self) -> Option<Shortfall> {
        self.shortfall
    }

    /// What the label speaks of; `None` where there is no verdict to speak of.
    pub fn score(&self) -> Option<Score> {
        if !self.label.is_verdict() && self.label != Label::Uncertain(Doubt::Close) {
            return None;
        }
        let evidence = self.evidence()?;
        let threshold = self.criteria.point.as_ref()?.threshold.bounded_logit();
        let fake = Probability::of_logit(evidence.told_distance() + threshold);
        Some(Score { fake, span: evidence.span, clips: evidence.clips })
    }

    /// Takes the next clip, in the order of their times.
    pub fn add(&mut self, clip: &ScoredClip) {
        if let Some(reason) = Insufficiency::of(self.criteria.training) {
            self.label = Label::Insufficient(reason);
            return;
        }
        let checked = clip.quality.map_or(Ok(()), |face| self.criteria.sufficiency.check(&face));
        if let Err(shortfall) = checked {
            return self.add_insufficient(shortfall, clip.span.end_ns);
        }
        self.observe(self.criteria.distance_in_log_odds(clip.fake), clip.span);
        self.decide(clip.span.end_ns);
    }

    /// A clip that counts for nothing. What was said before holds on for a while.
    fn add_insufficient(&mut self, shortfall: Shortfall, now_ns: u64) {
        let newest_ns = self.observations.back().map(|newest| newest.span.end_ns);
        let holds = newest_ns.is_some_and(|newest| now_ns.saturating_sub(newest) < HOLD_NS);
        if holds && !matches!(self.label, Label::Insufficient(_)) {
            return;
        }
        if !holds {
            self.observations.clear();
            self.from = 0;
        }
        self.label = Label::Insufficient(shortfall.what);
        self.shortfall = Some(shortfall);
    }

    fn observe(&mut self, distance: f64, span: Span) {
        match self.observations.back_mut() {
            Some(newest) if span.start_ns < newest.until_ns => newest.add(distance, span),
            _ => {
                self.observations.push_back(Observation::new(distance, span));
                if self.observations.len() > MOST {
                    self.observations.pop_front();
                    self.from = self.from.saturating_sub(1);
                }
            }
        }
    }

    fn decide(&mut self, now_ns: u64) {
        while self.left_ns.front().is_some_and(|left| now_ns.saturating_sub(*left) > MEMORY_NS) {
            self.left_ns.pop_front();
        }
        let Some(evidence) = self.evidence() else { return };
        self.shortfall = self.shortfall_of(&evidence);
        if let Some(Shortfall { what, .. }) = self.shortfall {
            self.label = Label::Insufficient(what);
            return;
        }
        if self.criteria.point.is_none() {
            self.label = Label::Uncertain(Doubt::NoOperatingPoint);
            return;
        }
        let spread = self.spread();
        let mut label = self.label_by(&evidence, spread);
        if let Some((from, contrary)) = self.contradiction(label, spread) {
            (self.from, label) = (from, contrary);
        }
        if self.label.is_verdict() && self.label != label {
            self.left_ns.push_back(now_ns);
        }
        self.label = label;
    }

    /// The observations that count.
    fn evidence(&self) -> Option<Evidence> {
        self.evidence_from(self.from)
    }

    fn evidence_from(&self, from: usize) -> Option<Evidence> {
        let last = self.observations.len().checked_sub(1)?;
        let usual = last.checked_sub(1).and_then(|before| self.observations.get(before));
        let newest = self.observations.back()?;
        let part = |usual: &Observation| f64::from(newest.clips) / f64::from(usual.clips);
        let weight = usual.map_or(1.0, |usual| part(usual).min(1.0));
        let all = self.observations.iter().enumerate().skip(from.min(last));
        Evidence::of(all.map(|(n, one)| (if n == last { weight } else { 1.0 }, one)))
    }

    /// What there is too little of.
    fn shortfall_of(&self, evidence: &Evidence) -> Option<Shortfall> {
        let needs = &self.criteria.sufficiency;
        let (count, seconds) = (evidence.count.floor() as f32, evidence.span.seconds());
        if evidence.count < f64::from(needs.clips) {
            let (what, needed) = (Insufficiency::FewClips, needs.clips as f32);
            return Some(Shortfall { what, found: count, needed });
        }
        let (what, needed) = (Insufficiency::TooShort, needs.seconds as f32);
        (seconds < needs.seconds).then_some(Shortfall { what, found: seconds as f32, needed })
    }

    /// How much observations of this face differ by chance, in log odds: from the differences of
    /// successive ones (von Neumann, 1941) without the largest, which may be a change in the picture.
    fn spread(&self) -> f64 {
        let pairs = self.observations.iter().zip(self.observations.iter().skip(1));
        let halves = pairs.map(|(a, b)| (a.distance() - b.distance()).powi(2) / 2.0);
        let (mut count, mut sum, mut largest) = (0.0, 0.0, 0.0f64);
        for half in halves {
            (count, sum, largest) = (count + 1.0, sum + half, largest.max(half));
        }
        let (count, sum) = ((count - 1.0f64).max(0.0), sum - largest);
        let assumed = SPREAD_COUNTS * self.criteria.sufficiency.spread.powi(2);
        ((assumed + sum) / (SPREAD_COUNTS + count)).sqrt()
    }

    /// Observations that a verdict needs: of a face that has lost one lately, twice as many.
    fn needed(&self) -> usize {
        let doublings = self.left_ns.len().min(4) as u32;
        (self.criteria.sufficiency.clips as usize) << doublings
    }

    /// What all that counts says: a verdict holds while the evidence is on its side.
    fn label_by(&self, evidence: &Evidence, spread: f64) -> Label {
        let holds = match self.label {
            Label::Fake => evidence.distance > 0.0,
            Label::Real => evidence.distance < 0.0,
            _ => false,
        };
        if holds {
            return self.label;
        }
        let enough = evidence.count >= self.needed() as f64;
        let verdict = evidence.verdict(spread, DECIDES).filter(|_| enough);
        verdict.unwrap_or(Label::Uncertain(Doubt::Close))
    }

    /// Where the newest observations alone say something else, and what: the fewest that do.
    fn contradiction(&self, label: Label, spread: f64) -> Option<(usize, Label)> {
        let needs = &self.criteria.sufficiency;
        let last = self.observations.len().checked_sub(self.needed())?;
        (self.from + 1..=last).rev().find_map(|from| {
            let newest = self.evidence_from(from)?;
            let verdict = newest.verdict(spread, CONTRADICTS)?;
            let enough =
                newest.count >= self.needed() as f64 && newest.span.seconds() >= needs.seconds;
            (verdict != label && enough).then_some((from, verdict))
        })
    }
}

#[cfg(test)]
#[path = "track_evidence_tests.rs"]
mod tests;
