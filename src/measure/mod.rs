//! How far a classifier's scores can be believed: figures of merit, calibration, and the page that
//! shows them.
//!
//! Videos that are known to be real or fake are scored; a [`Table`] holds what came out, one row a
//! clip. A [`Sample`] is one view of it (videos, tracks, frames or clips), and [`metrics`] computes
//! from samples. [`fit`] turns scores into log-likelihood ratios and thresholds on one half of the
//! videos and measures them on the other. [`page`] draws. Nothing here reads files or knows
//! GStreamer: `m2sd eval` and `m2sd calibrate` bring the scores.
//!
//! Fake is the positive class everywhere: a false positive is a real video that is called fake.

pub mod dataset;
pub mod evaluation;
pub mod fit;
pub mod metrics;
pub mod page;
mod pav;
mod proportion;
mod sample;
mod table;

pub use proportion::wilson;
pub use sample::{Class, Sample, SampleError, Step, Tally, UnknownClass, Video, log_odds};
pub use table::{Abstention, Clip, NOT_DEGRADED, QualityNumber, Row, Scores, Table, TableError};
