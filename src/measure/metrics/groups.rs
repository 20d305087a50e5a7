//! Whether a score means the same in every group.
//!
//! A classifier may tell fakes from reals within each source, and yet give all scores of one source
//! higher than those of another: each source has its AUC of 1, and no one threshold serves both. The
//! figures here put every fake group beside every real group, and say what is lost by pooling.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::measure::{Class, Sample};

/// The fakes of one group against the reals of another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupPair {
    /// The group of the fakes.
    pub fake: String,
    /// The group of the reals.
    pub real: String,
    /// Area under the ROC curve between the two, 0..=1.
    pub auc: f64,
}

/// AUC within and across groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AcrossGroups {
    /// Every fake group against every real group.
    pub pairs: Vec<GroupPair>,
    /// The mean over fake groups of the AUC against their own reals ([`own_reals`]).
    pub own: f64,
    /// The AUC of all scores together.
    pub pooled: f64,
    /// `own - pooled`: above 0 where scores shift between groups.
    pub loss: f64,
}

/// The groups of a class that have a score.
fn groups(sample: &Sample, class: Class) -> BTreeSet<&str> {
    let of_class = sample.scores().filter(|(_, video)| video.class == class);
    of_class.map(|(_, video)| video.group.as_str()).collect()
}

/// The real group that belongs to a fake one: that of the same name, or the only one. `None`: all of
/// them.
pub fn own_reals<'a>(sample: &'a Sample, fake: &str) -> Option<&'a str> {
    let reals = groups(sample, Class::Real);
    if let Some(same) = reals.get(fake) {
        return Some(same);
    }
    let only = reals.first().filter(|_| reals.len() == 1)?;
    Some(only)
}

/// `None` where there is one group of either class, or fewer, and nothing to compare.
pub fn across_groups(sample: &Sample) -> Option<AcrossGroups> {
    let (reals, fakes) = (groups(sample, Class::Real), groups(sample, Class::Fake));
    if reals.len() < 2 && fakes.len() < 2 {
        return None;
    }
    let mut pairs = Vec::new();
    let mut own = Vec::new();
    for fake in &fakes {
        let of_pair = |real: &str| {
            let pair = sample.subset(|video| match video.class {
                Class::Real => video.group == real,
                Class::Fake => video.group == *fake,
            });
            // Both groups have a score.
            pair.map(|pair| pair.tally().auc()).ok()
        };
        let of_fake: Vec<GroupPair> = reals
            .iter()
            .filter_map(|real| {
                let auc = of_pair(real)?;
                Some(GroupPair { fake: (*fake).to_owned(), real: (*real).to_owned(), auc })
            })
            .collect();
        let belongs = own_reals(sample, fake);
        let of_own = of_fake.iter().filter(|pair| belongs.is_none_or(|own| pair.real == own));
        own.extend(mean(of_own.map(|pair| pair.auc)));
        pairs.extend(of_fake);
    }
    let (own, pooled) = (mean(own.into_iter())?, sample.tally().auc());
    Some(AcrossGroups { pairs, own, pooled, loss: own - pooled })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Class::{Fake, Real};
    use crate::measure::sample::tests::sample;

    #[test]
    fn shifted_scores_of_two_perfect_groups_show_the_loss() {
        let scores = [
            (Real, "phone", 0.1),
            (Real, "phone", 0.2),
            (Fake, "phone", 0.3),
            (Fake, "phone", 0.4),
            (Real, "studio", 0.6),
            (Real, "studio", 0.7),
            (Fake, "studio", 0.8),
            (Fake, "studio", 0.9),
        ];
        let found = across_groups(&sample(&scores).unwrap()).unwrap();
        assert_eq!((found.own, found.pooled, found.loss), (1.0, 0.75, 0.25));
        let auc = |fake: &str, real: &str| {
            found.pairs.iter().find(|p| p.fake == fake && p.real == real).map(|p| p.auc)
        };
        assert_eq!(auc("phone", "phone"), Some(1.0));
        assert_eq!(auc("phone", "studio"), Some(0.0), "a phone's fakes pass for a studio's reals");
        assert_eq!(auc("studio", "phone"), Some(1.0));
    }

    #[test]
    fn fakes_without_reals_of_their_own_are_held_against_all() {
        let scores = [(Real, "a", 0.1), (Real, "b", 0.5), (Fake, "swap", 0.3), (Fake, "a", 0.3)];
        let sample = sample(&scores).unwrap();
        assert_eq!((own_reals(&sample, "a"), own_reals(&sample, "swap")), (Some("a"), None));
        let found = across_groups(&sample).unwrap();
        assert_eq!((found.own, found.pooled), (0.75, 0.5));
        let one = sample.subset(|video| video.group == "a").unwrap();
        assert_eq!(across_groups(&one), None);
    }
}
