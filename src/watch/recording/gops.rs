//! Which encoded frames are kept: whole groups of pictures, as many as an alert may ask for.

use std::collections::VecDeque;

/// An encoded frame.
#[derive(Clone, Debug)]
pub struct Unit<T> {
    /// Running time at which it is shown, nanoseconds.
    pub time_ns: u64,
    /// Whether decoding can begin with it.
    pub is_key: bool,
    /// Of the frame, in memory.
    pub bytes: usize,
    pub payload: T,
}

/// The newest frames, beginning with a key frame.
#[derive(Debug)]
pub struct Gops<T> {
    units: VecDeque<Unit<T>>,
    bytes: usize,
    keep_ns: u64,
    max_bytes: usize,
}

impl<T: Clone> Gops<T> {
    /// Keeps what lies back so far from the newest frame, and the key frame before it; less where it is
    /// more than `max_bytes`.
    pub fn new(keep_ns: u64, max_bytes: usize) -> Self {
        Self { units: VecDeque::new(), bytes: 0, keep_ns, max_bytes }
    }

    /// Takes the next frame. One that depends on others that are not here is dropped.
    pub fn push(&mut self, unit: Unit<T>) {
        if self.units.is_empty() && !unit.is_key {
            return;
        }
        self.bytes += unit.bytes;
        let horizon_ns = unit.time_ns.saturating_sub(self.keep_ns);
        self.units.push_back(unit);
        while let Some(second) = self.second_key()
            && (self.bytes > self.max_bytes || self.shown_at(second) <= horizon_ns)
        {
            let gone: usize = self.units.drain(..second).map(|unit| unit.bytes).sum();
            self.bytes -= gone;
        }
        if self.bytes > self.max_bytes {
            // One group alone is too long: a recording begins with the next.
            self.clear();
        }
    }

    /// Forgets all; the next frame that is kept is a key frame.
    pub fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }

    /// The frames from the last key frame at or before this time on; from the first where all are later.
    pub fn from(&self, time_ns: u64) -> Vec<Unit<T>> {
        let begins = |unit: &Unit<T>| unit.is_key && unit.time_ns <= time_ns;
        let first = self.units.iter().rposition(begins).unwrap_or(0);
        self.units.range(first..).cloned().collect()
    }

    /// The running time of the newest frame.
    pub fn newest_ns(&self) -> Option<u64> {
        // Frames that are shown earlier may come later.
        self.units.iter().rev().take(16).map(|unit| unit.time_ns).max()
    }

    fn second_key(&self) -> Option<usize> {
        let later = self.units.iter().enumerate().skip(1);
        later.into_iter().find(|(_, unit)| unit.is_key).map(|(at, _)| at)
    }

    fn shown_at(&self, index: usize) -> u64 {
        self.units.get(index).map_or(u64::MAX, |unit| unit.time_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A camera of 10 frames per second, with a key frame each `distance` frames.
    fn stream(gops: &mut Gops<()>, frames: std::ops::Range<u64>, distance: u64) {
        for number in frames {
            let time_ns = number * SECOND / 10;
            gops.push(Unit { time_ns, is_key: number % distance == 0, bytes: 10, payload: () });
        }
    }

    #[test]
    fn the_asked_time_is_always_covered_from_a_key_frame() {
        for distance in [1, 10, 20, 100] {
            let mut gops = Gops::new(10 * SECOND, 1 << 20);
            for frames in 1..600 {
                stream(&mut gops, frames - 1..frames, distance);
                let newest = (frames - 1) * SECOND / 10;
                assert_eq!(gops.newest_ns(), Some(newest));
                let asked = newest.saturating_sub(10 * SECOND);
                let units = gops.from(asked);
                assert!(units[0].is_key && units[0].time_ns <= asked, "{distance} {frames}");
                assert!(asked - units[0].time_ns < distance * SECOND / 10, "no more than needed");
                assert_eq!(units.last().unwrap().time_ns, newest);
            }
            // At most one group more than asked for is kept.
            assert!(gops.units.len() as u64 <= 101 + distance);
            assert_eq!(gops.bytes, gops.units.len() * 10);
        }
    }

    #[test]
    fn bytes_are_bounded_by_whole_groups() {
        let mut gops = Gops::new(60 * SECOND, 500);
        stream(&mut gops, 0..400, 20);
        assert!(gops.bytes <= 500 && gops.units[0].is_key);
        assert!(gops.units.len() >= 20);
        // A group that does not fit at all: nothing, until the next key frame.
        let mut gops = Gops::new(60 * SECOND, 150);
        stream(&mut gops, 0..20, 20);
        assert!(gops.units.is_empty() && gops.bytes == 0);
        stream(&mut gops, 20..30, 20);
        assert_eq!(gops.units.len(), 10);
    }

    #[test]
    fn what_depends_on_frames_that_are_gone_is_dropped() {
        let mut gops = Gops::new(10 * SECOND, 1 << 20);
        stream(&mut gops, 5..10, 10);
        assert!(gops.from(0).is_empty() && gops.newest_ns().is_none());
        stream(&mut gops, 10..15, 10);
        assert_eq!(gops.from(0).len(), 5);
        gops.clear();
        stream(&mut gops, 15..20, 10);
        assert!(gops.from(0).is_empty());
    }
}
