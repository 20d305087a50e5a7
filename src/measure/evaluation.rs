//! All that is reported of one classifier on one set of videos, and its form in `metrics.json`.

use serde_json::{Map, Value, json};

use super::metrics::{
    AcrossGroups, Bootstrap, CoveragePoint, Decision, Figures, Measured, across_groups,
    area_under_risk, figures, own_reals, risk_coverage,
};
use super::{Class, Sample, SampleError, Scores, Video, log_odds};
use crate::core::evidence::Probability;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Each video by its highest track.
    Video,
    /// The same, as if every clip were sufficient: what is gained by keeping quiet.
    Ungated,
    /// Each track by the mean over its clips.
    Track,
    /// Each face on each frame, sufficient or not, by the mean over the clips that contain it.
    Frame,
}

impl Level {
    /// As in `metrics.json`: `video`, `video-ungated`, `track`, `frame`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Ungated => "video-ungated",
            Self::Track => "track",
            Self::Frame => "frame",
        }
    }
}

/// The fakes of a group against their own reals.
#[derive(Clone, Debug)]
pub struct GroupFigures {
    /// The group of the fakes, as the list of videos calls it.
    pub group: String,
    /// The group of the reals; `None`: all of them.
    pub reals: Option<String>,
    /// What was measured.
    pub figures: Figures,
}

/// The scores of a level and their figures, or why there are none.
pub type AtLevel = Result<(Sample, Figures), SampleError>;

/// What a classifier says of videos, measured.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The name of the classifier.
    pub classifier: String,
    /// What was done to the videos before, as in [`crate::measure::Row::degradation`].
    pub degradation: String,
    /// P(fake) above which the classifier calls a face fake; `None`: it has no operating point.
    pub threshold: Option<f64>,
    /// All videos, real and fake, scored or not.
    pub videos: [usize; 2],
    /// Videos without a score, and why they have none.
    pub abstentions: Vec<(Video, String)>,
    /// Every level, from videos to frames.
    pub levels: Vec<(Level, AtLevel)>,
    /// Each group of fakes on its own; empty where no class has more than one group.
    pub groups: Vec<GroupFigures>,
    /// `None`: one group of each class, or fewer.
    pub across: Option<AcrossGroups>,
    /// The risk-coverage curve; empty without a threshold.
    pub coverage: Vec<CoveragePoint>,
}

/// Which scores are evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The name of the classifier.
    pub classifier: &'a str,
    /// What was done to the videos before: [`crate::measure::NOT_DEGRADED`], or a kind and level.
    pub degradation: &'a str,
    /// P(fake) above which the classifier calls a face fake; `None`: it has no operating point.
    pub threshold: Option<f64>,
    /// What it said of the videos.
    pub scores: &'a Scores,
    /// Scores of faces on frames, with the number of their video among `scores.videos`.
    pub frames: &'a [(usize, Probability)],
}

impl Evaluation {
    /// Clips that count for no verdict count for [`Level::Ungated`] and [`Level::Frame`] only.
    pub fn of(subject: &Subject<'_>, bootstrap: Bootstrap) -> Self {
        let Subject { classifier, degradation, threshold, scores, frames } = *subject;
        let measured = |sample: Result<Sample, SampleError>| {
            sample.map(|sample| {
                let figures = figures(&sample, threshold, bootstrap);
                (sample, figures)
            })
        };
        let ungated = measured(scores.of_videos());
        let scores = &scores.sufficient();
        let frames = Sample::new(scores.videos.clone(), frames.iter().copied());
        let videos = measured(scores.of_videos());
        let (groups, across) = match &videos {
            Ok((sample, _)) => (group_figures(sample, threshold, bootstrap), across_groups(sample)),
            Err(_) => (Vec::new(), None),
        };
        let abstentions = scores.abstentions.iter().filter_map(|abstention| {
            Some((scores.videos.get(abstention.video)?.clone(), abstention.reason.clone()))
        });
        let count = |class| scores.videos.iter().filter(|video| video.class == class).count();
        Self {
            classifier: classifier.to_owned(),
            degradation: degradation.to_owned(),
            threshold,
            videos: Class::BOTH.map(count),
            abstentions: abstentions.collect(),
            coverage: threshold.map(|at| coverage(scores, at)).unwrap_or_default(),
            levels: vec![
                (Level::Video, videos),
                (Level::Ungated, ungated),
                (Level::Track, measured(scores.of_tracks())),
                (Level::Frame, measured(frames)),
            ],
            groups,
            across,
        }
    }

    /// `None`: the level was not measured, or there are no scores of both classes.
    pub fn level(&self, level: Level) -> Option<&(Sample, Figures)> {
        let found = self.levels.iter().find(|(of, _)| *of == level);
        found.and_then(|(_, measured)| measured.as_ref().ok())
    }

    /// The part of all videos that have no score.
    pub fn abstention_rate(&self) -> f64 {
        self.abstentions.len() as f64 / self.videos.iter().sum::<usize>().max(1) as f64
    }

    /// Its entry in `metrics.json`.
    pub fn json(&self) -> Value {
        let levels = self.levels.iter().map(|(level, measured)| {
            let value = match measured {
                Ok((_, figures)) => figures_json(figures),
                Err(error) => json!({ "error": error.to_string() }),
            };
            (level.as_str().to_owned(), value)
        });
        let groups = self.groups.iter().map(|of| {
            json!({ "fake": of.group, "real": of.reals, "figures": figures_json(&of.figures) })
        });
        let abstentions = self.abstentions.iter().map(
            |(video, reason)| json!({ "file": video.file, "label": video.class, "reason": reason }),
        );
        json!({
            "classifier": self.classifier,
            "degradation": self.degradation,
            "threshold": self.threshold,
            "videos": by_class(self.videos),
            "abstention-rate": self.abstention_rate(),
            "abstentions": abstentions.collect::<Vec<_>>(),
            "levels": levels.collect::<Map<_, _>>(),
            "groups": groups.collect::<Vec<_>>(),
            "across-groups": self.across,
            "risk-coverage": self.coverage,
            "area-under-risk-coverage": area_under_risk(&self.coverage),
        })
    }
}

fn by_class([real, fake]: [usize; 2]) -> Value {
    json!({ "real": real, "fake": fake })
}

fn figures_json(figures: &Figures) -> Value {
    let mut values = Map::new();
    values.insert("videos".into(), by_class(figures.videos));
    values.insert("scores".into(), by_class(figures.scores));
    for (figure, Measured { value, low, high }) in &figures.each {
        let measured = json!({ "value": value, "low": low, "high": high });
        values.insert(figure.key().into(), measured);
    }
    Value::Object(values)
}

/// Of each fake group, where there is more than one group.
fn group_figures(
    sample: &Sample,
    threshold: Option<f64>,
    bootstrap: Bootstrap,
) -> Vec<GroupFigures> {
    let names: std::collections::BTreeSet<_> =
        sample.scores().map(|(_, video)| (video.class, video.group.as_str())).collect();
    if names.len() <= 2 {
        return Vec::new();
    }
    let fakes = names.iter().filter(|(class, _)| *class == Class::Fake);
    let of_fake = fakes.filter_map(|(_, group)| {
        let reals = own_reals(sample, group);
        let pair = sample.subset(|video| match video.class {
            Class::Fake => video.group == *group,
            Class::Real => reals.is_none_or(|own| video.group == own),
        });
        Some(GroupFigures {
            group: (*group).to_owned(),
            reals: reals.map(str::to_owned),
            figures: figures(&pair.ok()?, threshold, bootstrap),
        })
    });
    of_fake.collect()
}

fn coverage(scores: &Scores, threshold: f64) -> Vec<CoveragePoint> {
    let decisions: Vec<_> = scores
        .video_scores()
        .into_iter()
        .filter_map(|(video, score)| {
            let score = score.get();
            let is_fake = scores.videos.get(video)?.class == Class::Fake;
            Some(Decision {
                confidence: (log_odds(score) - log_odds(threshold)).abs(),
                is_wrong: (score > threshold) != is_fake,
            })
        })
        .collect();
    risk_coverage(&decisions, scores.abstentions.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{NOT_DEGRADED, Table};

    #[test]
    fn one_class_is_an_error_in_the_report_not_of_it() {
        let text = "file,label,score,reason\na,real,0.4,\nb,fake,,no face\n";
        let scores = Table::read(text.as_bytes()).unwrap().scores("", NOT_DEGRADED);
        let subject = Subject {
            classifier: "m2sd",
            degradation: NOT_DEGRADED,
            threshold: Some(0.5),
            scores: &scores,
            frames: &[],
        };
        let json = Evaluation::of(&subject, Bootstrap::default()).json();
        let error = json["levels"]["video"]["error"].as_str().unwrap();
        assert!(error.contains("no fake video has a score"), "{error}");
        assert_eq!(json["abstention-rate"], 0.5);
        assert_eq!(json["abstentions"][0]["reason"], "no face");
        assert_eq!(json["risk-coverage"], json!([{ "coverage": 0.5, "risk": 0.0 }]));
    }
}
