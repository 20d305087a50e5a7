//! How sure a proportion is that was counted on so many videos.

use crate::core::modelinfo::Rate;

/// The two-sided 95 % quantile of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// A proportion with Wilson's score interval, which holds for small counts and for none or all as
/// well (E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, 1927):
/// `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)`. 0 of 0 is anything.
///
/// ```
/// use gstm2sd::measure::wilson;
///
/// let rate = wilson(0, 100);
/// assert_eq!((rate.value, rate.low), (0.0, 0.0));
/// assert!((rate.high - 0.0370).abs() < 1e-4);
/// ```
pub fn wilson(successes: u32, trials: u32) -> Rate {
    if trials == 0 {
        return Rate { value: 0.0, low: 0.0, high: 1.0 };
    }
    let n = f64::from(trials);
    let p = f64::from(successes.min(trials)) / n;
    let z2n = Z_95 * Z_95 / n;
    let middle = p + z2n / 2.0;
    let half = Z_95 * (p * (1.0 - p) / n + z2n / (4.0 * n)).sqrt();
    let end = |value: f64| (value / (1.0 + z2n)).clamp(0.0, 1.0);
    // Exactly at the ends, where rounding would leave some 1e-18.
    let low = if successes == 0 { 0.0 } else { end(middle - half) };
    let high = if successes >= trials { 1.0 } else { end(middle + half) };
    Rate { value: p, low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_says_anything() {
        assert_eq!(wilson(0, 0), Rate { value: 0.0, low: 0.0, high: 1.0 });
        assert_eq!(wilson(7, 7).high, 1.0);
    }
}
