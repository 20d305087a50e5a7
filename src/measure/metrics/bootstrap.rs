//! How much the figures would differ on other videos.
//!
//! Scores of one video are alike, so *videos* are drawn, with all of their scores, real and fake ones
//! apart, so that either class keeps its size (B. Efron, R. J. Tibshirani, *An introduction to the
//! bootstrap*, 1993, chapters 8 and 13: percentile intervals). The same seed gives the same interval.

use std::array;

use crate::core::percentile::percentile;
use crate::measure::{Class, Sample, Tally};

/// How often and from which seed videos are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// How often videos are drawn.
    pub replicates: u32,
    /// Where the random numbers begin: equal seeds draw the same videos.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { replicates: 1000, seed: 1 }
    }
}

impl Bootstrap {
    /// The 95 % percentile interval of each figure; `None` for one that has fewer than two videos of a
    /// class to draw from, or that some draw leaves undefined.
    pub fn intervals<const N: usize>(
        &self,
        sample: &Sample,
        figures: impl Fn(&Tally) -> [Option<f64>; N],
    ) -> [Option<(f64, f64)>; N] {
        let classes = Class::BOTH.map(|class| sample.scored(class));
        if classes.iter().any(|videos| videos.len() < 2) {
            return [None; N];
        }
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut drawn: [Vec<Option<f64>>; N] = array::from_fn(|_| Vec::new());
        let mut times = vec![0u32; sample.videos().len()];
        for _ in 0..self.replicates {
            times.fill(0);
            for videos in &classes {
                for _ in videos {
                    let video = random.choice(videos).copied().unwrap_or_default();
                    if let Some(count) = times.get_mut(video) {
                        *count += 1;
                    }
                }
            }
            let tally = sample.tally_of_drawn(&times);
            let values = tally.map_or([None; N], |tally| figures(&tally));
            drawn.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
        }
        drawn.map(|values| {
            let values: Vec<f64> = values.into_iter().collect::<Option<_>>()?;
            let at = |part| percentile(values.iter().copied(), part);
            Some((at(0.025)?, at(0.975)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::evidence::Probability;
    use crate::measure::Class::{Fake, Real};
    use crate::measure::Video;
    use crate::measure::sample::tests::sample;

    #[test]
    fn intervals_are_of_videos_and_repeat() {
        let scores: Vec<_> = (0..40)
            .map(|n| (if n % 2 == 0 { Real } else { Fake }, "", f64::from(n * 7 % 40) / 40.0))
            .collect();
        let once = sample(&scores).unwrap();
        let auc = |tally: &Tally| [Some(tally.auc())];
        let bootstrap = Bootstrap { replicates: 400, seed: 7 };
        let [interval] = bootstrap.intervals(&once, auc);
        assert_eq!([interval], bootstrap.intervals(&once, auc));
        let (low, high) = interval.unwrap();
        assert!(low < once.tally().auc() && once.tally().auc() < high && high - low > 0.1);
        // A hundred equal frames of each video tell no more than one.
        let videos: Vec<Video> = once.videos().to_vec();
        let p = |n: usize| Probability::new(scores[n].2).unwrap();
        let frames = (0..40).flat_map(|n| std::iter::repeat_n((n, p(n)), 100));
        let many = Sample::new(videos, frames).unwrap();
        let [(low_many, high_many)] = bootstrap.intervals(&many, auc).map(Option::unwrap);
        assert!((low - low_many).abs() < 1e-9 && (high - high_many).abs() < 1e-9);
        // One video of a class says nothing about others.
        let few = sample(&[(Real, "", 0.1), (Fake, "", 0.3), (Fake, "", 0.2)]).unwrap();
        assert_eq!(bootstrap.intervals(&few, auc), [None]);
    }
}
