//! One number for many.

/// The value that a `fraction` in 0..=1 of `values` does not exceed: the one of nearest rank.
/// `None` for no values.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::percentile::percentile;
///
/// assert_eq!(percentile([3.0, 1.0, 2.0], 0.5), Some(2.0));
/// ```
pub fn percentile(values: impl IntoIterator<Item = f64>, fraction: f64) -> Option<f64> {
    let mut sorted: Vec<_> = values.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let index = (sorted.len().saturating_sub(1) as f64 * fraction).round() as usize;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_counts() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(percentile(values, 0.0), Some(1.0));
        assert_eq!(percentile(values, 0.5), Some(3.0));
        assert_eq!(percentile(values, 0.95), Some(5.0));
        assert_eq!(percentile([], 0.5), None);
    }
}
