//! What is said of a whole track.

use super::frame_scores::Mean;
use super::{Judge, Label, Probability};
use crate::core::span::Span;

/// The clips of one track so far: how many, their mean and their highest score.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrackSummary {
    mean: Mean,
    highest: Option<Probability>,
}

impl TrackSummary {
    /// A clip of the track has this P(fake).
    pub fn add(&mut self, fake: Probability, span: Span) {
        self.mean.add(fake, span);
        self.highest = Some(self.highest.map_or(fake, |h| if fake > h { fake } else { h }));
    }

    /// Clips with a score.
    pub fn clips(&self) -> u32 {
        self.mean.count()
    }

    /// The mean over the clips, whatever order they came in.
    pub fn mean(&self) -> Option<Probability> {
        self.mean.fake()
    }

    pub fn highest(&self) -> Option<Probability> {
        self.highest
    }

    /// What the mean says, by the same rule as a frame's score.
    pub fn label(&self, judge: &Judge) -> Label {
        match (self.mean(), judge) {
            (Some(mean), Judge::Classifier(point)) => point.label(mean),
            _ => judge.label_without_score(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::evidence::OperatingPoint;
    use crate::core::modelinfo::Training;

    #[test]
    fn a_summary_has_mean_highest_and_the_label_of_the_mean() {
        let p = |value| Probability::new(value).unwrap();
        let span = Span { start_ns: 0, end_ns: 1 };
        let judge = |threshold| {
            let (threshold, training) = (p(threshold), Training::Trained);
            Judge::Classifier(OperatingPoint { threshold, training })
        };
        let mut summary = TrackSummary::default();
        assert_eq!(summary.label(&judge(0.3)), Label::NO_CLIP);
        assert_eq!(summary.label(&Judge::Nobody), Label::Unscored);
        assert_eq!((summary.mean(), summary.highest()), (None, None));
        summary.add(p(0.75), span);
        summary.add(p(0.25), span);
        assert_eq!(
            (summary.clips(), summary.mean(), summary.highest()),
            (2, Some(p(0.5)), Some(p(0.75)))
        );
        assert_eq!(summary.label(&judge(0.3)), Label::Fake);
        assert_eq!(summary.label(&judge(0.5)), Label::Uncertain);
        assert_eq!(summary.label(&judge(0.8)), Label::Real);
    }
}
