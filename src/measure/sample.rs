//! Scores of videos whose class is known.
//!
//! A [`Sample`] holds every score with the video that it is of, sorted once, so that the bootstrap
//! can draw videos and still see all of their scores. A [`Tally`] is what the figures are computed
//! from: how many real and fake scores there are of each value. Both have at least one of each class:
//! with less no figure is defined, and there is no such value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::evidence::Probability;

/// What a video is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Nobody changed the face.
    Real,
    /// The face is forged.
    Fake,
}

impl Class {
    /// Both classes, in the order of pairs such as `[usize; 2]`.
    pub const BOTH: [Self; 2] = [Self::Real, Self::Fake];

    /// As in lists and tables: `real`, `fake`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Fake => "fake",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A label that is neither real nor fake.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the label {0:?} is unknown; expected real or fake, or 0 for real and 1 for fake")]
pub struct UnknownClass(pub String);

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        match text.trim().to_ascii_lowercase().as_str() {
            "real" | "0" => Ok(Self::Real),
            "fake" | "1" => Ok(Self::Fake),
            _ => Err(UnknownClass(text.to_owned())),
        }
    }
}

/// A video that was scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// The file, as its list names it.
    pub file: String,
    /// What it is known to be.
    pub class: Class,
    /// Forgery kind, source: whatever its list says; may be empty.
    pub group: String,
}

/// Why scores are no sample.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum SampleError {
    #[error(
        "no {missing} video has a score; expected at least one real and one fake. Add {missing} \
         videos, or see why those that there are have no score"
    )]
    OneClass { missing: Class },
    #[error("a score is of video {video}, and there are {videos}")]
    NoSuchVideo { video: usize, videos: usize },
}

/// Scores P(fake) of videos, at least one of each class.
#[derive(Clone, Debug)]
pub struct Sample {
    videos: Vec<Video>,
    /// By score, ascending; each with its video's number.
    scores: Vec<(f64, usize)>,
    /// How many scores each video has.
    counts: Vec<u32>,
}

impl Sample {
    /// `scores` are pairs of a video's number and a score of it.
    ///
    /// # Errors
    /// When a class has no score, or a score no video.
    pub fn new(
        videos: Vec<Video>,
        scores: impl IntoIterator<Item = (usize, Probability)>,
    ) -> Result<Self, SampleError> {
        let mut counts = vec![0; videos.len()];
        let mut sorted = Vec::new();
        for (video, score) in scores {
            let Some(count) = counts.get_mut(video) else {
                return Err(SampleError::NoSuchVideo { video, videos: videos.len() });
            };
            *count += 1;
            sorted.push((score.get(), video));
        }
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for missing in Class::BOTH {
            let mut of_class = videos.iter().zip(&counts).filter(|(v, _)| v.class == missing);
            if of_class.all(|(_, count)| *count == 0) {
                return Err(SampleError::OneClass { missing });
            }
        }
        Ok(Self { videos, scores: sorted, counts })
    }

    /// The scores of the videos that are `wanted`.
    ///
    /// # Errors
    /// When a class has no score among them.
    pub fn subset(&self, wanted: impl Fn(&Video) -> bool) -> Result<Self, SampleError> {
        let mut numbers = vec![None; self.videos.len()];
        let mut videos = Vec::new();
        for (number, video) in numbers.iter_mut().zip(&self.videos) {
            if wanted(video) {
                *number = Some(videos.len());
                videos.push(video.clone());
            }
        }
        let scores = self.scores.iter().filter_map(|(score, video)| {
            let number = numbers.get(*video).copied().flatten()?;
            Some((number, Probability::new(*score).ok()?))
        });
        Self::new(videos, scores)
    }

    /// The videos that scores refer to by number, scored or not.
    pub fn videos(&self) -> &[Video] {
        &self.videos
    }

    /// Each score with its video, from the lowest score on.
    pub fn scores(&self) -> impl Iterator<Item = (f64, &Video)> {
        self.scores.iter().filter_map(|(score, video)| Some((*score, self.videos.get(*video)?)))
    }

    /// The numbers of the videos of a class that have a score.
    pub fn scored(&self, class: Class) -> Vec<usize> {
        let videos = self.videos.iter().zip(&self.counts).enumerate();
        let scored = videos.filter(|(_, (video, count))| video.class == class && **count > 0);
        scored.map(|(number, _)| number).collect()
    }

    /// Every score counts once.
    pub fn tally(&self) -> Tally {
        self.tally_by(|_| 1.0)
    }

    /// Every video counts once, however many scores it has: scores of one video are not
    /// independent.
    pub fn tally_of_videos(&self) -> Tally {
        self.tally_by(|video| {
            self.counts.get(video).map_or(0.0, |count| 1.0 / f64::from((*count).max(1)))
        })
    }

    /// Every score counts as often as its video was drawn; `None` where that leaves a class without
    /// any.
    pub(super) fn tally_of_drawn(&self, times: &[u32]) -> Option<Tally> {
        let tally = self.tally_by(|video| times.get(video).map_or(0.0, |n| f64::from(*n)));
        (tally.real > 0.0 && tally.fake > 0.0).then_some(tally)
    }

    fn tally_by(&self, weight: impl Fn(usize) -> f64) -> Tally {
        let mut tally = Tally { steps: Vec::new(), real: 0.0, fake: 0.0 };
        for (score, video) in &self.scores {
            let Some(class) = self.videos.get(*video).map(|video| video.class) else { continue };
            tally.count(*score, class, weight(*video));
        }
        tally
    }
}

/// The scores of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// P(fake).
    pub score: f64,
    /// How many real scores have this value; fractions where videos are weighted.
    pub real: f64,
    /// How many fake scores have it.
    pub fake: f64,
}

impl Step {
    /// How many scores have this value.
    pub fn both(&self) -> f64 {
        self.real + self.fake
    }
}

/// How many scores there are of each value, of either class some.
#[derive(Clone, Debug)]
pub struct Tally {
    steps: Vec<Step>,
    real: f64,
    fake: f64,
}

impl Tally {
    /// `score` is not less than those before.
    fn count(&mut self, score: f64, class: Class, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        let is_new = self.steps.last().is_none_or(|last| last.score < score);
        if is_new {
            self.steps.push(Step { score, real: 0.0, fake: 0.0 });
        }
        if let Some(step) = self.steps.last_mut() {
            match class {
                Class::Real => (step.real, self.real) = (step.real + weight, self.real + weight),
                Class::Fake => (step.fake, self.fake) = (step.fake + weight, self.fake + weight),
            }
        }
    }

    /// From the lowest score to the highest.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The number of real scores, above 0.
    pub fn real(&self) -> f64 {
        self.real
    }

    /// The number of fake scores, above 0.
    pub fn fake(&self) -> f64 {
        self.fake
    }
}

/// `ln(p / (1 - p))`, kept finite at the ends: twelve digits of certainty, as
/// [`crate::core::evidence`] has it.
pub fn log_odds(score: f64) -> f64 {
    const TINY: f64 = 1e-12;
    let p = score.clamp(TINY, 1.0 - TINY);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample of one score a video.
    pub fn sample(scores: &[(Class, &str, f64)]) -> Result<Sample, SampleError> {
        let video = |(n, (class, group, _)): (usize, &(Class, &str, f64))| Video {
            file: n.to_string(),
            class: *class,
            group: (*group).to_owned(),
        };
        let videos = scores.iter().enumerate().map(video).collect();
        let scores = scores.iter().enumerate();
        Sample::new(videos, scores.map(|(n, (_, _, p))| (n, Probability::new(*p).unwrap())))
    }

    #[test]
    fn a_sample_has_both_classes() {
        use Class::{Fake, Real};
        let error = sample(&[(Real, "", 0.1), (Real, "", 0.9)]).unwrap_err();
        assert_eq!(error, SampleError::OneClass { missing: Fake });
        let both = sample(&[(Real, "a", 0.1), (Fake, "a", 0.9), (Fake, "b", 0.9)]).unwrap();
        assert!(both.subset(|video| video.group == "b").is_err());
        let tally = both.tally();
        assert_eq!((tally.real(), tally.fake(), tally.steps().len()), (1.0, 2.0, 2));
        let stray = [(1, Probability::HALF)];
        assert!(matches!(Sample::new(vec![], stray), Err(SampleError::NoSuchVideo { .. })));
    }

    #[test]
    fn a_video_counts_once_however_many_clips_it_has() {
        let video = |class| Video { file: String::new(), class, group: String::new() };
        let videos = vec![video(Class::Real), video(Class::Fake)];
        let p = |value| Probability::new(value).unwrap();
        let scores = [(0, p(0.5)), (0, p(0.5)), (0, p(0.1)), (0, p(0.2)), (1, p(0.5))];
        let sample = Sample::new(videos, scores).unwrap();
        let tally = sample.tally_of_videos();
        assert_eq!((tally.real(), tally.fake()), (1.0, 1.0));
        assert_eq!(tally.steps().last(), Some(&Step { score: 0.5, real: 0.5, fake: 1.0 }));
    }

    #[test]
    fn labels_are_read() {
        assert!(["real", " REAL", "0"].iter().all(|label| label.parse() == Ok(Class::Real)));
        assert_eq!("1".parse(), Ok(Class::Fake));
        assert!("2".parse::<Class>().unwrap_err().to_string().contains("expected real or fake"));
    }
}
