//! Lengths of time in configurations: `500ms`, `10s`, `1h 30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time, written with its unit.
///
/// # Examples
///
/// ```
/// use gstm2sd::watch::config::Period;
///
/// let period: Period = "1m 30s".parse()?;
/// assert_eq!(period.0.as_secs(), 90);
/// assert!("90".parse::<Period>().is_err());
/// # Ok::<(), gstm2sd::watch::config::InvalidPeriod>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(pub Duration);

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no length of time: a number with its unit is expected, such as 500ms, 10s or 5m")]
pub struct InvalidPeriod(String);

impl Period {
    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPeriod(text.chars().take(80).collect());
        let period: jiff::SignedDuration = text.trim().parse().map_err(|_| invalid())?;
        Duration::try_from(period).map(Self).map_err(|_| invalid())
    }
}

impl TryFrom<String> for Period {
    type Error = InvalidPeriod;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(period) => write!(f, "{period:#}"),
            Err(_) => write!(f, "{} s", self.0.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_units_and_come_back_as_they_were() {
        for (text, ms) in [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1h 1s", 3_601_000)] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.0.as_millis(), ms, "{text}");
            assert_eq!(period.to_string().parse(), Ok(period));
        }
        for text in ["", "10", "-1s", "10 parsecs", "soon"] {
            let error = text.parse::<Period>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("10s"), "{error}");
        }
    }
}
