//! How often durations of different lengths came, counted since the beginning: what two readers may sum
//! and subtract, as they may not percentiles.

use std::time::Duration;

/// Counts of durations in fixed buckets, and their sum.
///
/// ```
/// use std::time::Duration;
///
/// use gstm2sd::core::histogram::Histogram;
///
/// let mut histogram = Histogram::default();
/// histogram.add(Duration::from_millis(3));
/// assert_eq!(histogram.buckets().find(|(_, count)| *count == 1), Some((0.005, 1)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    counts: [u64; Self::BUCKETS],
    sum: Duration,
}

impl Histogram {
    /// Where buckets end, in seconds, inclusive; the last bucket has no end.
    pub const ENDS: [f64; 13] =
        [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
    const BUCKETS: usize = Self::ENDS.len() + 1;

    /// One with these counts, of each bucket alone, and this sum; `None` for another number of
    /// buckets.
    pub fn new(counts: &[u64], sum: Duration) -> Option<Self> {
        Some(Self { counts: counts.try_into().ok()?, sum })
    }

    /// Counts one duration.
    pub fn add(&mut self, value: Duration) {
        let seconds = value.as_secs_f64();
        self.counts[Self::ENDS.partition_point(|end| *end < seconds)] += 1;
        self.sum += value;
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// Durations in each bucket alone.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The end of each bucket in seconds, of the last `+inf`, with the durations in it alone.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        Self::ENDS.into_iter().chain([f64::INFINITY]).zip(self.counts)
    }

    /// All durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        milliseconds.iter().for_each(|ms| histogram.add(Duration::from_millis(*ms)));
        histogram
    }

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_end_it_does_not_pass() {
        let histogram = of(&[0, 1, 2, 3, 10_000, 10_001, 99_000]);
        let filled: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.001, 2), (0.002, 1), (0.005, 1), (10.0, 1), (f64::INFINITY, 2)]);
        assert_eq!(histogram.count(), 7);
        assert_eq!(histogram.sum(), Duration::from_millis(119_007));
    }

    #[test]
    fn buckets_end_where_dashboards_expect_them() {
        let ends = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
        for (place, end) in ends.into_iter().enumerate() {
            let histogram = of(&[end, end + 1]);
            assert_eq!(histogram.counts().len(), ends.len() + 1);
            let counted = |place: usize| histogram.counts()[place];
            assert_eq!((counted(place), counted(place + 1)), (1, 1), "{end} ms");
        }
    }

    #[test]
    fn two_together_are_all_of_both() {
        let mut first = of(&[1, 30]);
        first.merge(&of(&[30, 700]));
        assert_eq!(first, of(&[1, 30, 30, 700]));
        assert_eq!(Histogram::new(first.counts(), first.sum()), Some(first));
        assert_eq!(Histogram::new(&[1], Duration::ZERO), None);
    }
}
