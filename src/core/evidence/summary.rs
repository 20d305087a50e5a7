//! What is said of a whole track.

use super::Probability;
use super::frame_scores::Mean;
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

    /// The highest P(fake) of a clip; `None` before the first.
    pub fn highest(&self) -> Option<Probability> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_mean_and_highest() {
        let p = |value| Probability::new(value).unwrap();
        let span = Span { start_ns: 0, end_ns: 1 };
        let mut summary = TrackSummary::default();
        assert_eq!((summary.mean(), summary.highest()), (None, None));
        summary.add(p(0.75), span);
        summary.add(p(0.25), span);
        assert_eq!(
            (summary.clips(), summary.mean(), summary.highest()),
            (2, Some(p(0.5)), Some(p(0.75)))
        );
    }
}
