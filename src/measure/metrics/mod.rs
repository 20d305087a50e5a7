//! Figures of merit, each defined where it is computed, all with fake as the positive class.
//!
//! [`Figure`] lists the numbers that every report has; [`Bootstrap`] says how sure each is.
//! [`across_groups`] finds scores that mean different things in different groups,
//! [`risk_coverage`] what is gained by keeping quiet.

mod bootstrap;
mod coverage;
mod decisions;
mod figures;
mod groups;
mod likelihood;
mod probabilities;
mod ranking;

pub use bootstrap::Bootstrap;
pub use coverage::{CoveragePoint, Decision, area_under_risk, risk_coverage};
pub use figures::{Figure, Figures, Measured, figures};
pub use groups::{AcrossGroups, GroupPair, across_groups, own_reals};
pub use likelihood::log2_cost;
pub use probabilities::{Bin, RELIABILITY_BINS};
pub use ranking::{EqualError, RocPoint};
