//! How long to wait before the next try of something that failed.

use std::time::Duration;

/// Doubles from [`Backoff::FIRST`] to [`Backoff::LONGEST`].
///
/// # Examples
///
/// ```
/// use gstm2sd::core::backoff::Backoff;
///
/// let mut backoff = Backoff::default();
/// let waits: Vec<_> = (0..3).map(|_| backoff.failed().as_secs()).collect();
/// assert_eq!(waits, [1, 2, 4]);
/// backoff.succeeded();
/// assert_eq!(backoff.failed(), Backoff::FIRST);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after the first failure.
    pub const FIRST: Duration = Duration::from_secs(1);
    /// The longest wait.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// Counts a failure; returns how long to wait now.
    pub fn failed(&mut self) -> Duration {
        let factor = 2u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        Self::FIRST.saturating_mul(factor).min(Self::LONGEST)
    }

    /// Half to all of a wait, by a random number from 0 to 1: those who lost the same thing do not all come
    /// back at once.
    pub fn jittered(wait: Duration, random: f64) -> Duration {
        wait.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    /// Counts a success: the next failure waits [`Self::FIRST`] again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        (0..100).for_each(|_| {
            backoff.failed();
        });
        backoff.succeeded();
        assert_eq!(backoff.failed(), Backoff::FIRST);
    }
}
