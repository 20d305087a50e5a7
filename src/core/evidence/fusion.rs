//! Several classifiers that judge one face together (docs/method.md, "Ensembles").
//!
//! Where all of them are calibrated, a clip's evidence is the sum of their log-likelihood ratios: what
//! they say together, if they err independently of one another. Where one is not, nobody knows how
//! much a score of it weighs against another's, and the mean distance of the scores from each one's
//! threshold, in log odds, has to do.

use std::sync::Arc;

use super::criteria::{Criteria, OperatingPoint, PointSource};
use super::{Probability, Sufficiency};
use crate::core::modelinfo::{LlrMap, Training};

/// How the scores of several classifiers become one.
#[derive(Clone, Debug)]
pub struct Fusion {
    members: Vec<Arc<Criteria>>,
    criteria: Arc<Criteria>,
}

impl Fusion {
    /// Of these classifiers; `None` of fewer than two.
    pub fn of(members: &[Arc<Criteria>]) -> Option<Self> {
        let [first, _, ..] = members else { return None };
        let trainings = members.iter().map(|member| member.training);
        let needs = members.iter().map(|member| member.sufficiency);
        let calibrated = members.iter().all(|member| member.llr.is_some());
        let mut sufficiency = needs.reduce(Sufficiency::strictest).unwrap_or(first.sufficiency);
        if calibrated {
            // A mean spreads no more than what it is of; a sum may spread as much as all together.
            sufficiency.spread = members.iter().map(|member| spread_of_ratio(member)).sum();
        }
        let criteria = Criteria {
            training: trainings.max_by_key(|training| training.preference()).unwrap_or_default(),
            point: None,
            sufficiency,
            // The score is made of the ratio.
            llr: calibrated.then_some(LlrMap::Platt { slope: 1.0, intercept: 0.0 }),
        };
        let mut fusion = Self { members: members.to_vec(), criteria: Arc::new(criteria) };
        if let Some(threshold) = fusion.threshold() {
            let point = Some(OperatingPoint { threshold, source: PointSource::Fused });
            fusion.criteria = Arc::new(Criteria { point, ..Criteria::clone(&fusion.criteria) });
        }
        Some(fusion)
    }

    /// By what fused scores are judged: the least that can be said of any of the classifiers, and the
    /// most that one of them needs.
    pub fn criteria(&self) -> &Arc<Criteria> {
        &self.criteria
    }

    fn is_calibrated(&self) -> bool {
        self.criteria.llr.is_some()
    }

    /// In words.
    pub fn rule(&self) -> &'static str {
        if self.is_calibrated() {
            "fused by the sum of their log-likelihood ratios"
        } else {
            "fused by the mean of their log odds beyond each one's threshold, as not all are calibrated"
        }
    }

    /// The score of a clip that has these, one of each classifier. `None` for another number of them.
    pub fn score(&self, fakes: &[Probability]) -> Option<Probability> {
        if fakes.len() != self.members.len() {
            return None;
        }
        let of = |(member, fake): (&Arc<Criteria>, &Probability)| match self.is_calibrated() {
            true => member.llr(*fake).unwrap_or_default(),
            // Log odds as they are, where there is no threshold.
            false => member.distance_in_log_odds(*fake),
        };
        let sum: f64 = self.members.iter().zip(fakes).map(of).sum();
        let log_odds = if self.is_calibrated() { sum } else { sum / fakes.len() as f64 };
        Some(Probability::of_logit(log_odds))
    }

    /// The score of clips that lie at each classifier's own threshold; `None` where one has none.
    fn threshold(&self) -> Option<Probability> {
        let thresholds = self.members.iter().map(|member| Some(member.point.as_ref()?.threshold));
        self.score(&thresholds.collect::<Option<Vec<_>>>()?)
    }

    /// What is known of the training of all of them.
    pub fn training(&self) -> Training {
        self.criteria.training
    }
}

/// How much a classifier's likelihood ratios are assumed to differ by chance.
fn spread_of_ratio(member: &Criteria) -> f64 {
    let slope = match &member.llr {
        Some(LlrMap::Platt { slope, .. }) => slope.abs(),
        // Steep here and level there: as the scores, all in all.
        Some(LlrMap::Isotonic(_)) | None => 1.0,
    };
    member.sufficiency.spread * slope
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::evidence::{Insufficiency, PointChoice};
    use crate::core::modelinfo::{Calibration, ModelInfo, SufficiencyKeys};

    fn p(value: f64) -> Probability {
        Probability::new(value).unwrap()
    }

    fn member(threshold: Option<f64>, map: Option<LlrMap>, training: Training) -> Arc<Criteria> {
        let calibration = map.map(|map| Calibration { map, population: Default::default() });
        let info = ModelInfo { threshold, calibration, ..ModelInfo::default() };
        Arc::new(Criteria::new(&info, training, 224, &PointChoice::Best).unwrap())
    }

    fn platt(slope: f64, intercept: f64) -> Option<LlrMap> {
        Some(LlrMap::Platt { slope, intercept })
    }

    #[test]
    fn calibrated_classifiers_add_up_their_likelihood_ratios() {
        let trained = Training::Trained;
        let (a, b) = (platt(2.0, -1.0), platt(0.5, 0.25));
        let members = [member(Some(0.6), a, trained), member(Some(0.3), b, trained)];
        let fusion = Fusion::of(&members).unwrap();
        let logit = |fake: f64| (fake / (1.0 - fake)).ln();
        let llr = |x: f64, y: f64| 2.0 * logit(x) - 1.0 + 0.5 * logit(y) + 0.25;
        let fused = fusion.score(&[p(0.9), p(0.2)]).unwrap();
        assert!((fused.bounded_logit() - llr(0.9, 0.2)).abs() < 1e-9);
        assert!((fusion.criteria().llr(fused).unwrap() - llr(0.9, 0.2)).abs() < 1e-9);
        let point = fusion.criteria().point.clone().unwrap();
        assert!((point.threshold.bounded_logit() - llr(0.6, 0.3)).abs() < 1e-9);
        assert_eq!(point.source.as_str(), "fused");
        assert!(fusion.rule().contains("likelihood"));
        let [x, y] = [&members[0], &members[1]].map(|member| member.sufficiency.spread);
        assert!((fusion.criteria().sufficiency.spread - (2.0 * x + 0.5 * y)).abs() < 1e-9);
        // Two that are sure outweigh one that is not, and the other way round.
        assert!(fusion.score(&[p(0.99), p(0.45)]) > fusion.score(&[p(0.9), p(0.45)]));
        assert_eq!(fusion.score(&[p(0.5)]), None);
    }

    #[test]
    fn where_one_is_not_calibrated_thresholds_are_what_scores_have_in_common() {
        let trained = Training::Trained;
        let members =
            [member(Some(0.0025), None, trained), member(Some(0.8), platt(1.0, 0.0), trained)];
        let fusion = Fusion::of(&members).unwrap();
        assert_eq!(fusion.criteria().llr, None);
        let at = fusion.score(&[p(0.0025), p(0.8)]).unwrap();
        assert!((at.get() - 0.5).abs() < 1e-12);
        let point = fusion.criteria().point.clone().unwrap();
        assert!((point.threshold.get() - 0.5).abs() < 1e-12);
        // As far below the one as above the other.
        let logit = |fake: f64| (fake / (1.0 - fake)).ln();
        let above = Probability::of_logit(logit(0.0025) + 2.0);
        let below = Probability::of_logit(logit(0.8) - 2.0);
        assert!((fusion.score(&[above, below]).unwrap().get() - 0.5).abs() < 1e-9);
        assert!(fusion.rule().contains("not all are calibrated"));
    }

    #[test]
    fn an_ensemble_is_worth_what_its_least_is_and_needs_what_any_needs() {
        let fusion = |members: &[Arc<Criteria>]| Fusion::of(members).unwrap();
        let trained = member(Some(0.5), None, Training::Trained);
        let unknown = member(Some(0.5), None, Training::Unknown);
        let none = member(None, None, Training::Trained);
        assert_eq!(fusion(&[trained.clone(), unknown]).training(), Training::Unknown);
        assert_eq!(fusion(&[trained.clone(), none]).criteria().point, None);
        assert!(Fusion::of(std::slice::from_ref(&trained)).is_none() && Fusion::of(&[]).is_none());

        let keys = |eyes, clips| SufficiencyKeys {
            eye_distance_px: Some(eyes),
            clips: Some(clips),
            ..SufficiencyKeys::default()
        };
        let needing = |keys| {
            let info =
                ModelInfo { sufficiency: keys, threshold: Some(0.5), ..ModelInfo::default() };
            Arc::new(Criteria::new(&info, Training::Trained, 224, &PointChoice::Best).unwrap())
        };
        let both = fusion(&[needing(keys(80.0, 2)), needing(keys(20.0, 7))]);
        let needs = both.criteria().sufficiency;
        assert_eq!((needs.eye_distance_px(), needs.clips), (80.0, 7));
        assert_eq!(Insufficiency::of(both.training()), None);
    }
}
