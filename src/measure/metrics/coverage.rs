//! What is gained by keeping quiet where it is unsure.

use serde::Serialize;

/// A decision about one video.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// How far from the threshold, in log odds.
    pub confidence: f64,
    /// Whether the video was called what it is not.
    pub is_wrong: bool,
}

/// The surest decisions, so many of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoveragePoint {
    /// The part of all videos that is decided, those without a score counted in.
    pub coverage: f64,
    /// The part of the decided ones that is wrong.
    pub risk: f64,
}

/// The risk-coverage curve (R. El-Yaniv, Y. Wiener, *On the foundations of noise-free selective
/// classification*, 2010): the surest video alone, then more and more. It ends where videos without a
/// score, `abstained`, begin. Equally sure ones come together.
pub fn risk_coverage(decisions: &[Decision], abstained: usize) -> Vec<CoveragePoint> {
    let all = (decisions.len() + abstained) as f64;
    let mut sorted = decisions.to_vec();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let (mut decided, mut wrong) = (0.0, 0.0);
    let mut points = Vec::new();
    for equally_sure in sorted.chunk_by(|a, b| a.confidence == b.confidence) {
        decided += equally_sure.len() as f64;
        wrong += equally_sure.iter().filter(|decision| decision.is_wrong).count() as f64;
        points.push(CoveragePoint { coverage: decided / all, risk: wrong / decided });
    }
    points
}

/// The mean risk over the coverage that is reached (Y. Geifman and others, *Bias-reduced uncertainty
/// estimation for deep neural classifiers*, 2019); `None` without a decision.
pub fn area_under_risk(points: &[CoveragePoint]) -> Option<f64> {
    let reached = points.last()?.coverage;
    let mut before = 0.0;
    let mut sum = 0.0;
    for point in points {
        sum += point.risk * (point.coverage - before);
        before = point.coverage;
    }
    Some(sum / reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_come_first_and_abstentions_are_never_covered() {
        let decision = |confidence, is_wrong| Decision { confidence, is_wrong };
        let decisions = [decision(0.1, true), decision(3.0, false), decision(2.0, false)];
        let points = risk_coverage(&decisions, 1);
        let expected = [(0.25, 0.0), (0.5, 0.0), (0.75, 1.0 / 3.0)];
        assert_eq!(points.iter().map(|p| (p.coverage, p.risk)).collect::<Vec<_>>(), expected);
        assert!((area_under_risk(&points).unwrap() - 1.0 / 9.0).abs() < 1e-12);
        let tied = risk_coverage(&[decision(1.0, true), decision(1.0, false)], 0);
        assert_eq!(tied, [CoveragePoint { coverage: 1.0, risk: 0.5 }]);
        assert_eq!(area_under_risk(&risk_coverage(&[], 2)), None);
    }
}
