//! The newest samples of a stream, addressed by running time.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::{RATE_HZ, level_db, sample_at};
use crate::core::span::Span;

/// The sound of an interval, as far as it has been heard.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipAudio {
    /// One sample for each [`super::SAMPLE_NS`] of the interval, silence where nothing was heard.
    pub samples: Vec<f32>,
    /// How loud these samples are, and how much of them was heard.
    pub loudness: Loudness,
}

/// How loud an interval was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loudness {
    /// See [`level_db`]; what was not heard counts as silence.
    pub level_db: f64,
    /// The part of the interval that was heard, 0..=1.
    pub coverage: f64,
    /// How many stretches of the interval were not heard.
    pub gaps: u32,
}

impl Loudness {
    /// Of an interval of which nothing was heard.
    pub const UNHEARD: Self = Self { level_db: super::SILENCE_DB, coverage: 0.0, gaps: 1 };
}

/// A bounded history of samples.
///
/// Samples may arrive with holes between them, which stay silent and count as not heard, and may
/// overlap what is there: the newest win. Samples older than the history mean that the stream
/// began anew, so what is there is forgotten; so do samples that leave no history between.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use gstm2sd::core::audio::{SAMPLE_NS, SampleRing};
/// use gstm2sd::core::span::Span;
///
/// let mut ring = SampleRing::new(Duration::from_secs(1));
/// ring.push(0, &[0.5; 100]);
/// // 100 samples later.
/// ring.push(200 * SAMPLE_NS, &[0.5; 100]);
/// let clip = ring.clip(Span { start_ns: 0, end_ns: 300 * SAMPLE_NS });
/// assert_eq!(clip.samples.len(), 300);
/// assert_eq!(clip.loudness.gaps, 1);
/// assert!((clip.loudness.coverage - 2.0 / 3.0).abs() < 1e-9);
/// ```
#[derive(Debug)]
pub struct SampleRing {
    capacity: usize,
    /// The number of `samples[0]`.
    start: u64,
    samples: VecDeque<f32>,
    /// What of `samples` was heard: sorted, and neither empty nor touching.
    heard: VecDeque<Range<u64>>,
}

impl SampleRing {
    /// Remembers `history` of sound, at least one sample.
    pub fn new(history: Duration) -> Self {
        let capacity = (history.as_secs_f64() * f64::from(RATE_HZ)) as usize;
        Self {
            capacity: capacity.max(1),
            start: 0,
            samples: VecDeque::new(),
            heard: VecDeque::new(),
        }
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.heard.clear();
    }

    /// The number of the sample after the newest one.
    fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    /// Whether everything before this running time was heard, or will not be heard any more.
    pub fn reaches(&self, time_ns: u64) -> bool {
        !self.samples.is_empty() && self.end() >= sample_at(time_ns)
    }

    /// Adds samples of which the first begins at this running time.
    pub fn push(&mut self, time_ns: u64, samples: &[f32]) {
        if samples.is_empty() {
            return;
        }
        let first = sample_at(time_ns);
        let end = first + samples.len() as u64;
        if end <= self.start {
            self.clear();
        }
        self.extend_to(first);
        let begin = first.max(self.start);
        let fresh = samples.get((begin - first) as usize..).unwrap_or_default();
        let overlap = ((self.end() - begin) as usize).min(fresh.len());
        let place = (begin - self.start) as usize;
        for (old, new) in self.samples.range_mut(place..place + overlap).zip(fresh) {
            *old = *new;
        }
        self.samples.extend(&fresh[overlap..]);
        self.mark(begin..end);
        self.trim();
    }

    /// Nothing is to be heard before this running time that was not heard so far.
    pub fn advance(&mut self, time_ns: u64) {
        if !self.samples.is_empty() {
            self.extend_to(sample_at(time_ns));
            self.trim();
        }
    }

    /// Fills up with silence to this sample, or starts there.
    fn extend_to(&mut self, sample: u64) {
        if sample.saturating_sub(self.end()) >= self.capacity as u64 {
            self.clear();
        }
        if self.samples.is_empty() {
            self.start = sample;
        }
        let silence = sample.saturating_sub(self.end()) as usize;
        self.samples.extend(std::iter::repeat_n(0.0, silence));
    }

    fn mark(&mut self, new: Range<u64>) {
        let touches = |old: &Range<u64>| old.start <= new.end && new.start <= old.end;
        let mut joined = new.clone();
        for old in self.heard.iter().filter(|old| touches(old)) {
            joined = joined.start.min(old.start)..joined.end.max(old.end);
        }
        self.heard.retain(|old| !touches(old));
        let place = self.heard.partition_point(|old| old.start < joined.start);
        self.heard.insert(place, joined);
    }

    fn trim(&mut self) {
        let surplus = self.samples.len().saturating_sub(self.capacity);
        self.samples.drain(..surplus);
        self.start += surplus as u64;
        while let Some(oldest) = self.heard.front_mut() {
            oldest.start = oldest.start.max(self.start);
            if !oldest.is_empty() {
                break;
            }
            self.heard.pop_front();
        }
    }

    /// Exactly the samples of an interval. Of one longer than the history, its end.
    pub fn clip(&self, span: Span) -> ClipAudio {
        let (first, end) = (sample_at(span.start_ns), sample_at(span.end_ns));
        let first_kept = first.max(end.saturating_sub(self.capacity as u64));
        let mut samples = vec![0.0; end.saturating_sub(first_kept) as usize];
        for range in self.heard_within(first_kept..end) {
            let place = (range.start - first_kept) as usize;
            let heard = self.range(range);
            for (sample, heard) in samples.iter_mut().skip(place).zip(heard) {
                *sample = *heard;
            }
        }
        ClipAudio { samples, loudness: self.loudness(span) }
    }

    /// How loud an interval was.
    pub fn loudness(&self, span: Span) -> Loudness {
        let wanted = sample_at(span.start_ns)..sample_at(span.end_ns);
        let length = wanted.end.saturating_sub(wanted.start);
        if length == 0 {
            return Loudness::UNHEARD;
        }
        let (mut heard, mut energy, mut gaps, mut at) = (0, 0.0, 0, wanted.start);
        for range in self.heard_within(wanted.clone()) {
            gaps += u32::from(range.start > at);
            at = range.end;
            heard += range.end - range.start;
            energy += self.range(range).map(|s| f64::from(*s).powi(2)).sum::<f64>();
        }
        gaps += u32::from(wanted.end > at);
        let length = length as f64;
        Loudness { level_db: level_db(energy / length), coverage: heard as f64 / length, gaps }
    }

    /// The parts of `wanted` that were heard, in order.
    fn heard_within(&self, wanted: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let inside =
            move |heard: &Range<u64>| heard.start.max(wanted.start)..heard.end.min(wanted.end);
        self.heard.iter().map(inside).filter(|range| !range.is_empty())
    }

    /// Samples by their numbers, which must be in the history.
    fn range(&self, range: Range<u64>) -> impl Iterator<Item = &f32> {
        let place = |sample: u64| sample.saturating_sub(self.start) as usize;
        self.samples.range(place(range.start)..place(range.end).min(self.samples.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::audio::SAMPLE_NS;

    fn ring(capacity: u64) -> SampleRing {
        SampleRing::new(Duration::from_nanos(capacity * SAMPLE_NS))
    }

    /// From sample `from` to sample `to`.
    fn span(from: u64, to: u64) -> Span {
        Span { start_ns: from * SAMPLE_NS, end_ns: to * SAMPLE_NS }
    }

    #[test]
    fn a_clip_is_exactly_its_interval() {
        let mut ring = ring(5000);
        ring.push(10 * SAMPLE_NS, &[1.0, 2.0, 3.0, 4.0]);
        let clip = ring.clip(span(11, 13));
        assert_eq!(clip.samples, [2.0, 3.0]);
        assert_eq!((clip.loudness.coverage, clip.loudness.gaps), (1.0, 0));
        // Two clips of frames that touch share no sample and leave none out.
        let frame = |n: u64| Span { start_ns: n * 33_366_667, end_ns: (n + 1) * 33_366_667 };
        let both = ring.clip(frame(0).union(frame(1))).samples.len();
        assert_eq!(ring.clip(frame(0)).samples.len() + ring.clip(frame(1)).samples.len(), both);
        assert!(ring.clip(span(5, 5)).samples.is_empty());
    }

    #[test]
    fn what_was_not_heard_is_silent_and_counted() {
        let mut ring = ring(1000);
        ring.push(2 * SAMPLE_NS, &[1.0; 2]);
        ring.push(6 * SAMPLE_NS, &[1.0; 2]);
        let clip = ring.clip(span(0, 10));
        assert_eq!(clip.samples, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!((clip.loudness.coverage, clip.loudness.gaps), (0.4, 3));
        assert_eq!(clip.loudness.level_db, level_db(0.4));
        assert_eq!(ring.clip(span(20, 30)).loudness, Loudness::UNHEARD);
    }

    #[test]
    fn the_newest_samples_win() {
        let mut ring = ring(1000);
        ring.push(0, &[1.0; 4]);
        ring.push(2 * SAMPLE_NS, &[2.0; 4]);
        ring.push(SAMPLE_NS, &[3.0]);
        let clip = ring.clip(span(0, 6));
        assert_eq!(clip.samples, [1.0, 3.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(clip.loudness.gaps, 0);
    }

    #[test]
    fn history_is_bounded_and_a_jump_starts_anew() {
        let mut ring = ring(4);
        ring.push(0, &[1.0; 10]);
        assert_eq!(ring.loudness(span(0, 10)).coverage, 0.4);
        ring.push(u64::MAX / 2, &[1.0]);
        assert_eq!(ring.samples.len(), 1);
        // Back again: not lost behind the jump.
        ring.push(10 * SAMPLE_NS, &[1.0; 2]);
        assert_eq!(ring.clip(span(10, 12)).samples, [1.0; 2]);
        assert_eq!(ring.clip(span(0, u64::MAX / SAMPLE_NS)).samples.len(), 4);
    }

    #[test]
    fn a_known_hole_need_not_be_waited_for() {
        let mut ring = ring(1000);
        ring.advance(10 * SAMPLE_NS);
        assert!(!ring.reaches(0), "nothing was heard at all");
        ring.push(0, &[1.0]);
        assert!(ring.reaches(SAMPLE_NS) && !ring.reaches(2 * SAMPLE_NS));
        ring.advance(5 * SAMPLE_NS);
        assert!(ring.reaches(5 * SAMPLE_NS));
        assert_eq!(ring.loudness(span(0, 5)).coverage, 0.2);
    }

    proptest! {
        /// Against the plainest model there is: a map from sample numbers to values.
        #[test]
        fn any_pushes_leave_what_a_map_would_hold(
            pushes in prop::collection::vec((0u64..200, 1usize..40), 0..20),
            from in 0u64..250, length in 0u64..100,
        ) {
            let mut ring = ring(10_000);
            let mut model = std::collections::BTreeMap::new();
            for (value, (first, length)) in pushes.into_iter().enumerate() {
                let value = value as f32 + 1.0;
                // A push that ends before all others restarts the ring by design.
                let first = if model.is_empty() { first } else {
                    first.max(*model.keys().next().unwrap())
                };
                ring.push(first * SAMPLE_NS, &vec![value; length]);
                model.extend((first..first + length as u64).map(|sample| (sample, value)));
            }
            let clip = ring.clip(span(from, from + length));
            let expected: Vec<f32> =
                (from..from + length).map(|s| model.get(&s).copied().unwrap_or(0.0)).collect();
            let heard = expected.iter().filter(|s| **s > 0.0).count();
            prop_assert_eq!(&clip.samples, &expected);
            if length > 0 {
                prop_assert_eq!(clip.loudness.coverage, heard as f64 / length as f64);
                let starts = expected.chunk_by(|a, b| (*a > 0.0) == (*b > 0.0));
                let gaps = starts.filter(|run| run[0] == 0.0).count();
                prop_assert_eq!(clip.loudness.gaps as usize, gaps);
            }
        }
    }
}
