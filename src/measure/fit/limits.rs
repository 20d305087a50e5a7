//! From which quality on a classifier can judge a face.
//!
//! For each number of quality the videos of the first half are split where their errors differ most.
//! The place is a limit if, on the second half, the videos beyond it err clearly more often than all:
//! a split can be found in any noise, and does not show again in other videos.

use std::collections::BTreeMap;

use strum::IntoEnumIterator;

use super::Halves;
use crate::core::modelinfo::{Rate, SufficiencyKeys};
use crate::core::percentile::percentile;
use crate::measure::{Class, QualityNumber, Scores, wilson};

/// On which side of a limit faces are bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those whose number is below the limit.
    Below,
    /// Those whose number is above it.
    Above,
}

/// A quality beyond which errors are clearly more frequent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Which number of quality.
    pub number: QualityNumber,
    /// On which side faces are bad.
    pub side: Side,
    /// The limit, in the number's unit.
    pub value: f64,
    /// The part of the second half's videos beyond the limit that are called what they are not.
    pub beyond: Rate,
    /// The same part of all of the second half's videos.
    pub overall: f64,
}

/// A video by one number.
#[derive(Clone, Copy)]
struct Seen {
    /// Rising from bad to good.
    quality: f64,
    is_wrong: bool,
}

/// The fewest videos beyond a limit, in either half.
const FEWEST_BEYOND: usize = 10;

impl QualityNumber {
    /// Where faces may be too bad by this number; a sidecar has no limit of blockiness.
    fn sides(self) -> &'static [Side] {
        match self {
            Self::EyeDistance | Self::Sharpness | Self::Contrast => &[Side::Below],
            Self::Pose | Self::Outside => &[Side::Above],
            Self::Brightness => &[Side::Below, Side::Above],
            Self::Blockiness => &[],
        }
    }
}

/// The limits that the data show, of scores that are called fake above `threshold`.
pub fn learn_limits(scores: &Scores, halves: &Halves, threshold: f64) -> Vec<Limit> {
    let mut limits = Vec::new();
    for number in QualityNumber::iter() {
        for side in number.sides() {
            limits.extend(learn(scores, halves, threshold, number, *side));
        }
    }
    limits
}

fn learn(
    scores: &Scores,
    halves: &Halves,
    threshold: f64,
    number: QualityNumber,
    side: Side,
) -> Option<Limit> {
    let qualities = video_qualities(scores, number);
    let [mut first, mut second] = [const { Vec::new() }; 2];
    for (video, score) in scores.video_scores() {
        let (Some(known), Some(quality)) = (scores.videos.get(video), qualities.get(&video)) else {
            continue;
        };
        let half = if halves.is_first(&known.file) { &mut first } else { &mut second };
        half.push(Seen {
            quality: if side == Side::Below { *quality } else { -quality },
            is_wrong: (score.get() > threshold) != (known.class == Class::Fake),
        });
    }
    let limit = best_split(first)?;
    let beyond: Vec<_> = second.iter().filter(|seen| seen.quality < limit).copied().collect();
    let (beyond, overall) = (errors(&beyond)?, errors(&second)?.value);
    let value = rounded(if side == Side::Below { limit } else { -limit });
    (beyond.low > overall).then_some(Limit { number, side, value, beyond, overall })
}

/// The median over each video's clips.
fn video_qualities(scores: &Scores, number: QualityNumber) -> BTreeMap<usize, f64> {
    let mut all: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for clip in &scores.clips {
        let quality = clip.quality.get(number as usize).copied().flatten();
        all.entry(clip.video).or_default().extend(quality);
    }
    all.into_iter().filter_map(|(video, each)| Some((video, percentile(each, 0.5)?))).collect()
}

/// `None` of too few.
fn errors(seen: &[Seen]) -> Option<Rate> {
    let wrong = seen.iter().filter(|seen| seen.is_wrong).count();
    let [wrong, all] = [wrong, seen.len()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    (seen.len() >= FEWEST_BEYOND).then(|| wilson(wrong, all))
}

/// The quality that parts the videos into the worst, at most half of all, and the others, so that two
/// rates of errors explain them best: the split of greatest likelihood. `None` where the worst do not
/// err more often.
fn best_split(mut seen: Vec<Seen>) -> Option<f64> {
    seen.sort_by(|a, b| a.quality.total_cmp(&b.quality));
    let all = seen.len() as f64;
    let wrong_in_all = seen.iter().filter(|seen| seen.is_wrong).count() as f64;
    let likelihood = |wrong: f64, of: f64| {
        let part = |n: f64| if n > 0.0 { n * (n / of).ln() } else { 0.0 };
        part(wrong) + part(of - wrong)
    };
    let mut best = None;
    let mut wrong = 0.0;
    for (n, pair) in seen.windows(2).enumerate() {
        let [last, next] = pair else { continue };
        wrong += f64::from(u8::from(last.is_wrong));
        let count = (n + 1) as f64;
        let is_place = last.quality < next.quality
            && n + 1 >= FEWEST_BEYOND
            && count <= all / 2.0
            && wrong / count > wrong_in_all / all;
        let gain = likelihood(wrong, count) + likelihood(wrong_in_all - wrong, all - count);
        if is_place && best.is_none_or(|(most, _)| gain > most) {
            best = Some((gain, f64::midpoint(last.quality, next.quality)));
        }
    }
    best.map(|(_, quality)| quality)
}

/// To three digits.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powf(2.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// What a sidecar says with these limits; about everything else it says what it said.
pub fn sufficiency(before: SufficiencyKeys, limits: &[Limit]) -> SufficiencyKeys {
    let mut keys = before;
    for limit in limits {
        let value = Some(limit.value);
        match (limit.number, limit.side) {
            (QualityNumber::EyeDistance, _) => keys.eye_distance_px = value,
            (QualityNumber::Sharpness, _) => keys.sharpness = value,
            (QualityNumber::Contrast, _) => keys.contrast = value,
            (QualityNumber::Pose, _) => keys.pose_deg = value,
            (QualityNumber::Outside, _) => keys.outside = value,
            (QualityNumber::Brightness, side) => {
                let (low, high) = keys.brightness.unwrap_or((0.0, 1.0));
                keys.brightness = Some(match side {
                    Side::Below => (limit.value, high),
                    Side::Above => (low, limit.value),
                });
            }
            (QualityNumber::Blockiness, _) => {}
        }
    }
    keys
}
