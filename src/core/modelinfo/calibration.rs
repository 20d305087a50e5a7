//! What `m2sd calibrate` has measured of a classifier: the section `[calibration]`, and one section
//! `[operating-point NAME]` for each operating point.

/// From scores to log-likelihood ratios, and on whom it was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// How a score becomes a likelihood ratio.
    pub map: LlrMap,
    /// The videos that it was fitted and measured on.
    pub population: Population,
}

/// A monotone map from a score's log odds to the natural logarithm of the likelihood ratio of fake
/// against real.
#[derive(Clone, Debug, PartialEq)]
pub enum LlrMap {
    /// Logistic regression: `slope · log odds + intercept`.
    Platt {
        /// Nats for each unit of log odds.
        slope: f64,
        /// Nats at log odds of 0.
        intercept: f64,
    },
    /// Straight lines between these points of log odds and ratio, in rising order; level beyond
    /// their ends.
    Isotonic(Vec<(f64, f64)>),
}

impl LlrMap {
    /// The ratio's logarithm, finite wherever `log_odds` is.
    ///
    /// ```
    /// use gstm2sd::core::modelinfo::LlrMap;
    ///
    /// let map = LlrMap::Isotonic(vec![(-2.0, -1.0), (0.0, 0.0), (2.0, 4.0)]);
    /// assert_eq!([-9.0, -1.0, 1.0, 9.0].map(|x| map.llr(x)), [-1.0, -0.5, 2.0, 4.0]);
    /// ```
    pub fn llr(&self, log_odds: f64) -> f64 {
        match self {
            Self::Platt { slope, intercept } => slope * log_odds + intercept,
            Self::Isotonic(knots) => interpolated(knots, log_odds),
        }
    }
}

fn interpolated(knots: &[(f64, f64)], x: f64) -> f64 {
    let after = knots.partition_point(|(knot, _)| *knot <= x);
    match (after.checked_sub(1).and_then(|n| knots.get(n)), knots.get(after)) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some((_, y))) => *y,
        (None, None) => 0.0,
    }
}

/// The videos that a calibration was fitted and measured on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// What whoever calibrated calls the set, such as the name of a data set.
    pub name: String,
    /// Videos.
    pub real: u32,
    /// Forged videos.
    pub fake: u32,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Of the list of files and their hashes.
    pub list_sha256: String,
}

/// A threshold whose error rates were measured.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredPoint {
    /// `fpr-1e-2`, `eer`, …
    pub name: String,
    /// P(fake) above which a face counts as fake.
    pub threshold: f64,
    /// The part of real videos that are called fake.
    pub fpr: Rate,
    /// The part of fake videos that are called fake.
    pub tpr: Rate,
}

/// A measured proportion with its 95 % interval, each 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// What was measured.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}
