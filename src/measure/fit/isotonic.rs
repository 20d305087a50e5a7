//! The best rising map, by pooling adjacent violators.

use crate::core::modelinfo::LlrMap;
use crate::measure::pav::{Block, pool};
use crate::measure::{Tally, log_odds};

/// The isotonic fit (B. Zadrozny, C. Elkan, *Transforming classifier scores into accurate multiclass
/// probability estimates*, 2002): each block of pooled scores has the ratio of its part of the fakes
/// to its part of the reals. One real and one fake are added below all scores, and above (Laplace's
/// rule of succession), so that no ratio is infinite, and the ends claim no more than the number of
/// videos allows.
pub fn isotonic(tally: &Tally) -> LlrMap {
    let steps = tally.steps().iter().map(|step| {
        let x = log_odds(step.score);
        Block { first: x, last: x, real: step.real, fake: step.fake }
    });
    let added = |x| Block { first: x, last: x, real: 1.0, fake: 1.0 };
    let ends = [tally.steps().first(), tally.steps().last()];
    let [lowest, highest] = ends.map(|end| end.map(|step| added(log_odds(step.score))));
    let blocks = pool(lowest.into_iter().chain(steps).chain(highest));
    let (reals, fakes) = (tally.real() + 2.0, tally.fake() + 2.0);
    let mut knots: Vec<(f64, f64)> = Vec::new();
    for block in &blocks {
        // One that was added and pooled with nothing speaks of no score.
        if blocks.len() > 1 && lowest.iter().chain(&highest).any(|added| added == block) {
            continue;
        }
        let llr = (block.fake / fakes).ln() - (block.real / reals).ln();
        for x in [block.first, block.last] {
            if knots.last().is_none_or(|(before, _)| *before < x) && llr.is_finite() {
                knots.push((x, llr));
            }
        }
    }
    LlrMap::Isotonic(knots)
}
