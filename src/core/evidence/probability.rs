//! P(fake).

use thiserror::Error;

/// A number in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f64);

/// What was taken for a probability and is none.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("{0} is not a probability: expected a number from 0 to 1")]
pub struct NotAProbability(pub f64);

impl Probability {
    /// Even odds.
    pub const HALF: Self = Self(0.5);

    /// # Errors
    /// [`NotAProbability`] for a number outside of 0..=1, NaN included.
    pub fn new(value: f64) -> Result<Self, NotAProbability> {
        (0.0..=1.0).contains(&value).then_some(Self(value)).ok_or(NotAProbability(value))
    }

    /// Softmax of `logits`, index 0: P(fake). NaN and infinite logits are refused.
    ///
    /// # Errors
    /// [`NotAProbability`] for logits that have none.
    pub fn fake_from_logits(logits: [f32; 2]) -> Result<Self, NotAProbability> {
        let difference = f64::from(logits[1]) - f64::from(logits[0]);
        Self::new(1.0 / (1.0 + difference.exp()))
    }

    /// As a number, 0..=1.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The probability of these log odds.
    pub fn of_logit(logit: f64) -> Self {
        Self(1.0 / (1.0 + (-logit).exp()))
    }

    /// `ln(p / (1 - p))`, kept finite at the ends.
    pub fn bounded_logit(self) -> f64 {
        const LEAST: f64 = 1e-9;
        let p = self.0.clamp(LEAST, 1.0 - LEAST);
        (p / (1.0 - p)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_odds_are_finite() {
        assert_eq!(Probability::HALF.get(), 0.5);
        let ends = [0.0, 1.0].map(|p| Probability::new(p).unwrap().bounded_logit());
        assert!((ends[0] + 20.723).abs() < 1e-3 && (ends[1] - 20.723).abs() < 1e-3, "{ends:?}");
        assert!((Probability::of_logit(3f64.ln()).get() - 0.75).abs() < 1e-12);
    }

    #[test]
    fn probabilities_are_checked() {
        assert!(Probability::new(1.1).is_err());
        assert!(Probability::new(f64::NAN).is_err());
        assert!(Probability::fake_from_logits([f32::NAN, 0.0]).is_err());
        let fake = Probability::fake_from_logits([1.8147783, -0.35765025]).unwrap();
        assert!((fake.get() - 0.8977461457).abs() < 1e-7);
        assert_eq!(Probability::fake_from_logits([-1e30, 1e30]).unwrap().get(), 0.0);
    }
}
