//! From scores to log-likelihood ratios, thresholds with known error rates, and limits of quality.
//!
//! Everything is fitted on one half of the videos and reported on the other (`halves`). The map is
//! fitted on clips, since it is clips that the element gives ratios for, each video counting once; the
//! operating points on videos, since it is videos whose false alarms people count.

mod halves;
mod isotonic;
mod limits;
mod platt;
mod points;

use thiserror::Error;

pub use halves::{Halves, halve};
pub use isotonic::isotonic;
pub use limits::{Limit, Side, learn_limits, sufficiency};
pub use platt::platt;
pub use points::{Refused, operating_points};

use super::{Class, Sample, SampleError, Scores, log_odds};
use crate::core::modelinfo::{LlrMap, MeasuredPoint};

/// The fewest scored videos of a class that a calibration is made from.
pub const FEWEST_VIDEOS: usize = 20;

/// Why no calibration was made.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum FitError {
    #[error(transparent)]
    Sample(#[from] SampleError),
    #[error(
        "{found} {class} videos have a score; expected at least {FEWEST_VIDEOS} of each class, half \
         to fit and half to measure"
    )]
    TooFew { class: Class, found: usize },
    #[error(
        "the scores tell fakes from reals the wrong way round (AUC {auc:.3}): there is nothing to \
         calibrate. If it is far below 0.5, see whether the sidecar's fake-index is right"
    )]
    Inverted { auc: f64 },
}

/// The cost in bits ([`crate::measure::Tally::cllr`]) on the half that nothing was fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Of the scores' own log odds.
    pub before: f64,
    /// Of the map of [`LlrMap::Platt`].
    pub platt: f64,
    /// Of the map of [`LlrMap::Isotonic`].
    pub isotonic: f64,
    /// Of the best rising map, which knows this half.
    pub least: f64,
}

/// What was learned.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The cheaper of the two on the other half.
    pub map: LlrMap,
    /// What either map costs.
    pub costs: Costs,
    /// Thresholds with the error rates of the other half.
    pub points: Vec<MeasuredPoint>,
    /// Operating points for which there are too few real videos.
    pub refused: Vec<Refused>,
    /// Qualities beyond which errors are clearly more frequent.
    pub limits: Vec<Limit>,
    /// Videos of either class that were fitted on, and that were measured on.
    pub fitted_on: [usize; 2],
    /// Real and fake videos of the second half.
    pub measured_on: [usize; 2],
}

/// Fits all of it; the same seed splits the same videos the same way. Clips that count for no verdict
/// count for limits only, which are to say from where on clips count.
///
/// # Errors
/// When there are too few videos, or their scores say nothing about them.
pub fn fit(all: &Scores, seed: u64) -> Result<Fitted, FitError> {
    let scores = all.sufficient();
    let videos = scores.of_videos()?;
    for class in Class::BOTH {
        let found = videos.scored(class).len();
        if found < FEWEST_VIDEOS {
            return Err(FitError::TooFew { class, found });
        }
    }
    let halves = halve(&all.of_videos()?, seed);
    let clips = halves.split(&scores.of_clips()?)?;
    let videos = halves.split(&videos)?;
    let [fit_on, measure_on] = clips.each_ref().map(Sample::tally_of_videos);
    let platt = platt(&fit_on).ok_or_else(|| FitError::Inverted { auc: fit_on.auc() })?;
    let isotonic = isotonic(&fit_on);
    let cost = |map: &LlrMap| measure_on.cllr(|score| map.llr(log_odds(score)));
    let costs = Costs {
        before: measure_on.cllr(log_odds),
        platt: cost(&platt),
        isotonic: cost(&isotonic),
        least: measure_on.min_cllr(),
    };
    let (points, refused) = operating_points(&videos);
    let counts = |sample: &Sample| Class::BOTH.map(|class| sample.scored(class).len());
    Ok(Fitted {
        map: if costs.isotonic < costs.platt { isotonic } else { platt },
        costs,
        limits: learn_limits(all, &halves, videos[0].tally().equal_error().threshold),
        points,
        refused,
        fitted_on: counts(&videos[0]),
        measured_on: counts(&videos[1]),
    })
}

#[cfg(test)]
mod tests;
