//! When a verdict of fake becomes an alert.
//!
//! A verdict already needs evidence of several clips. It becomes an alert when it *holds*: when one more
//! clip, which shares no frame with those of the verdict and is good enough to count, is above the
//! threshold as well; or when the face goes away, or its stream ends, while the verdict stands. A face
//! is alerted once.
//!
//! Faces get new numbers. In a stream that goes on, a face where another was alerted is the same one, as long
//! as that was seen a short while ago. When a camera has been connected to again or another worker has taken
//! it over, nobody knows how far it has moved: as many faces as had been alerted are the same ones.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::body::{Alert, Classifier, Clip, FaceBox, Judgement, TrackEnd, Verdict};
use super::{Body, UtcTime};

/// How long after an alert's face was seen last a face at its place is the same one.
pub const DEFAULT_REPEAT_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// The overlap (intersection over union) of boxes from which two faces are at the same place.
const SAME_PLACE: f64 = 0.3;

/// Where a face was that has been alerted, and when it was seen last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerted {
    /// Its newest box.
    pub face: FaceBox,
    /// When it was seen last.
    pub seen: UtcTime,
}

/// A verdict of fake that stands.
#[derive(Clone, Debug)]
struct Standing {
    since: u64,
    verdict: Box<Verdict>,
    /// Where the face is known to be now.
    face: FaceBox,
    told: bool,
}

/// Makes alerts of what one camera tells. Times come with what is told; it has no clock.
#[derive(Clone, Debug)]
pub struct AlertRule {
    repeat_after: SignedDuration,
    standing: BTreeMap<u64, Standing>,
    alerted: Vec<Alerted>,
    /// How many of these, the first ones, are of a stream before this one, and may be anywhere by now.
    adrift: usize,
}

impl Default for AlertRule {
    fn default() -> Self {
        Self::new(DEFAULT_REPEAT_AFTER, Vec::new())
    }
}

impl AlertRule {
    /// With what another process, or this one before, has alerted.
    pub fn new(repeat_after: SignedDuration, alerted: Vec<Alerted>) -> Self {
        let adrift = alerted.len();
        Self { repeat_after, standing: BTreeMap::new(), alerted, adrift }
    }

    /// What has been alerted and may be seen again: what the next holder of the camera must know.
    pub fn alerted(&self) -> &[Alerted] {
        &self.alerted
    }

    /// Takes what is told of a face at this time; the alert that it makes, without a recording.
    pub fn take(&mut self, body: &Body, running_time: Option<u64>, time: UtcTime) -> Option<Alert> {
        match body {
            Body::Verdict(verdict) => {
                self.verdict(verdict, running_time);
                None
            }
            Body::Clip(clip) => self.clip(clip, time),
            Body::TrackEnd(end) => self.track_end(end, time),
            _ => None,
        }
    }

    /// The stream is over, its tracks were not ended one by one: what stands then is alerted.
    pub fn stream_ended(&mut self, time: UtcTime) -> Vec<Alert> {
        let standing = std::mem::take(&mut self.standing);
        let alerts = standing.into_values().filter_map(|mut one| self.alert(&mut one, time));
        let alerts = alerts.collect();
        self.adrift = self.alerted.len();
        alerts
    }

    fn verdict(&mut self, verdict: &Verdict, running_time: Option<u64>) {
        if verdict.judgement.label != "fake" {
            self.standing.remove(&verdict.track);
            return;
        }
        let since = running_time.or(verdict.judgement.end).unwrap_or_default();
        self.standing.entry(verdict.track).or_insert_with(|| Standing {
            since,
            verdict: Box::new(verdict.clone()),
            face: verdict.face,
            told: false,
        });
    }

    fn clip(&mut self, clip: &Clip, time: UtcTime) -> Option<Alert> {
        let mut standing = self.standing.remove(&clip.track)?;
        standing.face = clip.face;
        let alert = if standing.told {
            self.remember(clip.face, time);
            None
        } else if standing.is_confirmed_by(clip) {
            self.alert(&mut standing, time)
        } else {
            None
        };
        self.standing.insert(clip.track, standing);
        alert
    }

    fn track_end(&mut self, end: &TrackEnd, time: UtcTime) -> Option<Alert> {
        let mut standing = self.standing.remove(&end.track)?;
        if standing.told {
            self.remember(standing.face, time);
            return None;
        }
        self.alert(&mut standing, time)
    }

    /// `None` where this face has been alerted under another number.
    fn alert(&mut self, standing: &mut Standing, time: UtcTime) -> Option<Alert> {
        if std::mem::replace(&mut standing.told, true) {
            return None;
        }
        let repeated = self.remember(standing.face, time);
        let Verdict { track, judgement, classifier, .. } = &*standing.verdict;
        (!repeated).then(|| Alert {
            track: *track,
            since: standing.since,
            judgement: Judgement::clone(judgement),
            face: standing.face,
            classifier: Option::<Classifier>::clone(classifier),
            recording: None,
        })
    }

    /// Notes an alerted face; whether it had been noted a short while ago.
    fn remember(&mut self, face: FaceBox, time: UtcTime) -> bool {
        let oldest = time.0.checked_sub(self.repeat_after).map_or(time, UtcTime);
        let is_recent = |alerted: &Alerted| alerted.seen >= oldest;
        self.adrift = self.alerted.iter().take(self.adrift).filter(|one| is_recent(one)).count();
        self.alerted.retain(is_recent);
        let here = self.alerted.iter().position(|one| overlap(&one.face, &face) >= SAME_PLACE);
        let same = here.or_else(|| self.adrift.checked_sub(1));
        let mut seen = time;
        if let Some(same) = same {
            seen = seen.max(self.alerted.remove(same).seen);
            self.adrift -= usize::from(same < self.adrift);
        }
        self.alerted.push(Alerted { face, seen });
        same.is_some()
    }
}

impl Standing {
    /// A clip of the same judge that shares no frame with the verdict's, counts, and says fake.
    fn is_confirmed_by(&self, clip: &Clip) -> bool {
        let judge = self.verdict.classifier.as_ref();
        let same_judge = clip.fused_score.is_some()
            || judge.is_none_or(|judge| judge.model_name == clip.classifier.model_name);
        let threshold = judge.and_then(|judge| judge.threshold);
        let score = clip.fused_score.unwrap_or(clip.score);
        same_judge
            && self.verdict.judgement.end.is_none_or(|end| clip.start >= end)
            && clip.sufficient != Some(false)
            && threshold.is_some_and(|threshold| score > threshold)
    }
}

/// Intersection over union.
fn overlap(a: &FaceBox, b: &FaceBox) -> f64 {
    let side = |a: f64, a_length: f64, b: f64, b_length: f64| {
        ((a + a_length).min(b + b_length) - a.max(b)).max(0.0)
    };
    let shared = side(a.x, a.width, b.x, b.width) * side(a.y, a.height, b.y, b.height);
    let all = a.width * a.height + b.width * b.height - shared;
    if all > 0.0 { shared / all } else { 0.0 }
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
