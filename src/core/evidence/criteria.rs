//! By what scores are judged.

use std::sync::Arc;

use thiserror::Error;

use super::{Label, Probability, Sufficiency};
use crate::core::modelinfo::{LlrMap, ModelInfo, Template, Training};

/// A threshold, and who vouches for it.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatingPoint {
    /// P(fake) above which a face is fake.
    pub threshold: Probability,
    /// Who vouches for it.
    pub source: PointSource,
}

/// Where a threshold comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointSource {
    /// Its error rates were measured by `m2sd calibrate`, which gave it this name.
    Measured(String),
    /// Whoever published the classifier uses it; what it costs in errors is not known here.
    Published,
    /// The user's own.
    User,
    /// Where each classifier of an ensemble has its own threshold.
    Fused,
}

impl PointSource {
    /// As in records and messages: `measured`, `published`, `user`, `fused`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Measured(_) => "measured",
            Self::Published => "published",
            Self::User => "user",
            Self::Fused => "fused",
        }
    }

    /// The name by which it is chosen.
    pub fn name(&self) -> &str {
        match self {
            Self::Measured(name) => name,
            Self::Published | Self::User | Self::Fused => self.as_str(),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PointChoice {
    /// The first that was measured, else the published one, else none.
    #[default]
    Best,
    /// This P(fake), by the user's word.
    Threshold(Probability),
    /// A measured one, or `published`.
    Named(String),
}

/// There is no such operating point.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "the classifier has no operating point {name:?}; {}. `m2sd calibrate` measures them",
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
)]
pub struct NoSuchPoint {
    name: String,
    known: Vec<String>,
}

impl OperatingPoint {
    /// The one of a classifier that is asked for; `None` where nothing is, and it has none.
    ///
    /// # Errors
    /// [`NoSuchPoint`] for a name that the sidecar does not have.
    pub fn of(info: &ModelInfo, choice: &PointChoice) -> Result<Option<Self>, NoSuchPoint> {
        let measured = info.points.iter().filter_map(|point| {
            let threshold = Probability::new(point.threshold).ok()?;
            Some(Self { threshold, source: PointSource::Measured(point.name.clone()) })
        });
        let published = info.threshold.and_then(|threshold| Probability::new(threshold).ok());
        let published =
            published.map(|threshold| Self { threshold, source: PointSource::Published });
        let mut all = measured.chain(published);
        match choice {
            PointChoice::Best => Ok(all.next()),
            PointChoice::Threshold(own) => {
                Ok(Some(Self { threshold: *own, source: PointSource::User }))
            }
            PointChoice::Named(name) => {
                let known = || all.clone().map(|point| point.source.name().to_owned()).collect();
                let found = all.clone().find(|point| point.source.name() == name);
                let missing = || NoSuchPoint { name: name.clone(), known: known() };
                found.map(Some).ok_or_else(missing)
            }
        }
    }
}

/// By what the scores of a classifier are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Criteria {
    /// Of the classifier, as it counts for the faces that it is shown.
    pub training: Training,
    /// `None`: scores are told, and say nothing.
    pub point: Option<OperatingPoint>,
    /// What a face needs to be judged at all.
    pub sufficiency: Sufficiency,
    /// `None`: not calibrated.
    pub llr: Option<LlrMap>,
}

impl Criteria {
    /// Those of a classifier with this sidecar that reads pictures of `side_px`.
    ///
    /// # Errors
    /// [`NoSuchPoint`] for a name that the sidecar does not have.
    pub fn new(
        info: &ModelInfo,
        training: Training,
        side_px: u32,
        choice: &PointChoice,
    ) -> Result<Self, NoSuchPoint> {
        let template = info.template.unwrap_or(Template::M2SD);
        Ok(Self {
            training,
            point: OperatingPoint::of(info, choice)?,
            sufficiency: Sufficiency::new(&info.sufficiency, side_px, &template),
            llr: info.calibration.as_ref().map(|calibration| calibration.map.clone()),
        })
    }

    /// For tests: a clip is evidence enough, and the threshold is the user's.
    #[cfg(test)]
    pub(crate) fn of_a_clip(threshold: f64, training: Training) -> Arc<Self> {
        use crate::core::modelinfo::SufficiencyKeys;
        let keys =
            SufficiencyKeys { clips: Some(1), seconds: Some(0.0), ..SufficiencyKeys::default() };
        let threshold = Probability::new(threshold).unwrap_or(Probability::HALF);
        Arc::new(Self {
            training,
            point: Some(OperatingPoint { threshold, source: PointSource::User }),
            sufficiency: Sufficiency::new(&keys, 224, &Template::M2SD),
            llr: None,
        })
    }

    /// The natural logarithm of the likelihood ratio of fake against real; `None` where nothing was
    /// calibrated.
    pub fn llr(&self, fake: Probability) -> Option<f64> {
        self.llr.as_ref().map(|map| map.llr(fake.bounded_logit()))
    }

    /// How far a score is above the threshold, or above 0.5 without one, in log odds.
    pub(super) fn distance_in_log_odds(&self, fake: Probability) -> f64 {
        let threshold = self.point.as_ref().map(|point| point.threshold.bounded_logit());
        fake.bounded_logit() - threshold.unwrap_or_default()
    }

    /// How far a score is above the threshold: in likelihood ratios where they are known, else in log
    /// odds. `None` without a threshold.
    pub fn distance(&self, fake: Probability) -> Option<f64> {
        let threshold = self.point.as_ref()?.threshold;
        let position = |p: Probability| self.llr(p).unwrap_or_else(|| p.bounded_logit());
        Some(position(fake) - position(threshold))
    }
}

/// Who judges the faces of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Judge {
    /// There is no classifier: faces are followed, no more.
    Nobody,
    /// A classifier that is not loaded yet.
    Expected,
    /// A classifier that is loaded, by these criteria.
    Classifier(Arc<Criteria>),
}

impl Judge {
    /// What is known of a face without a score.
    pub fn label_without_score(&self) -> Label {
        match self {
            Self::Nobody => Label::Unscored,
            Self::Expected | Self::Classifier(_) => Label::NO_CLIP,
        }
    }

    /// `None` while there is no classifier, or none yet.
    pub fn criteria(&self) -> Option<&Arc<Criteria>> {
        match self {
            Self::Classifier(criteria) => Some(criteria),
            Self::Nobody | Self::Expected => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::modelinfo::{MeasuredPoint, Rate};

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    fn info(published: Option<f64>, measured: &[(&str, f64)]) -> ModelInfo {
        let rate = Rate { value: 0.1, low: 0.0, high: 0.2 };
        let point = |(name, threshold): &(&str, f64)| MeasuredPoint {
            name: (*name).to_owned(),
            threshold: *threshold,
            fpr: rate,
            tpr: rate,
        };
        ModelInfo {
            threshold: published,
            points: measured.iter().map(point).collect(),
            ..ModelInfo::default()
        }
    }

    #[test]
    fn what_was_measured_comes_before_what_was_published_and_the_user_before_both() {
        let of = |info: &ModelInfo, choice| OperatingPoint::of(info, &choice);
        let both = info(Some(0.3), &[("fpr-1e-2", 0.8), ("eer", 0.6)]);
        let best = of(&both, PointChoice::Best).unwrap().unwrap();
        assert_eq!((best.threshold, best.source.name()), (p(0.8), "fpr-1e-2"));
        let named = |name: &str| of(&both, PointChoice::Named(name.to_owned()));
        assert_eq!(named("eer").unwrap().unwrap().threshold, p(0.6));
        let published = named("published").unwrap().unwrap();
        assert_eq!((published.threshold, published.source), (p(0.3), PointSource::Published));
        let own = of(&both, PointChoice::Threshold(p(0.1))).unwrap().unwrap();
        assert_eq!((own.threshold, own.source.as_str()), (p(0.1), "user"));
        assert_eq!(of(&info(None, &[]), PointChoice::Best), Ok(None));
        let error = named("fpr-1e-9").unwrap_err().to_string();
        assert!(error.contains("it has fpr-1e-2, eer, published"), "{error}");
        let none = of(&info(None, &[]), PointChoice::Named("eer".into())).unwrap_err().to_string();
        assert!(none.contains("it has none"), "{none}");
    }

    #[test]
    fn a_distance_is_in_log_odds_and_calibrated_in_likelihood_ratios() {
        let mut info = info(Some(0.5), &[]);
        let criteria = |info: &ModelInfo| {
            Criteria::new(info, Training::Trained, 224, &PointChoice::Best).unwrap()
        };
        let plain = criteria(&info).distance(p(0.75)).unwrap();
        assert!((plain - 3f64.ln()).abs() < 1e-12);
        assert_eq!(criteria(&info).llr(p(0.75)), None);
        let map = LlrMap::Platt { slope: 2.0, intercept: -1.0 };
        let population = Default::default();
        info.calibration = Some(crate::core::modelinfo::Calibration { map, population });
        let calibrated = criteria(&info);
        assert!((calibrated.llr(p(0.75)).unwrap() - (2.0 * 3f64.ln() - 1.0)).abs() < 1e-12);
        assert!((calibrated.distance(p(0.75)).unwrap() - 2.0 * 3f64.ln()).abs() < 1e-12);
    }
}
