//! Whether a frame continues those before it: one rule, from times alone.
//!
//! Streams say "discontinuity" for many reasons: a leaky queue drops one frame, a jitter buffer
//! loses a packet, a camera renegotiates its frame rate. None of that makes another face of a face.
//! What does is time: after a long hole, or a step back, the pictures show another moment, and no
//! clip may span the two. So flags, GAP events, caps and segments end nothing by themselves; they
//! only say which time a frame has, or that none comes until then.
//!
//! The rule. A frame continues its stream when
//! - the hole between the end of the frame before and its own start is at most
//!   [`MAX_HOLE_NS`], or [`MAX_HOLE_FRAMES`] frames where frames are long;
//! - it does not start earlier than the frame before by more than a frame's length;
//! - a new segment did not carry it to another place of the medium, by more than the same limit.
//!
//! How long a frame is, its duration says; without one, the last two steps between frames do.

use super::span::Span;

/// The longest hole, in running time, over which a face may be the same face.
pub const MAX_HOLE_NS: u64 = 500_000_000;
/// The longest hole in frames, for streams of few frames a second.
pub const MAX_HOLE_FRAMES: u64 = 3;

/// Why a frame does not continue the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Nothing was shown for so long.
    Hole {
        /// The length of the hole.
        ns: u64,
    },
    /// Time went back by so much.
    Backward {
        /// By how much.
        ns: u64,
    },
    /// A segment begins at another place of the medium.
    Elsewhere,
}

/// The times of a stream's newest frame. See the module's text.
///
/// ```
/// use gstm2sd::core::continuity::{Break, Continuity};
/// use gstm2sd::core::span::Span;
///
/// let frame = |start_ms: u64| Span { start_ns: start_ms * 1_000_000, end_ns: (start_ms + 40) * 1_000_000 };
/// let mut continuity = Continuity::default();
/// assert_eq!(continuity.frame(frame(0), None), None);
/// // A lost frame or three are no break, an hour is.
/// assert_eq!(continuity.frame(frame(160), None), None);
/// assert!(matches!(continuity.frame(frame(3_600_000), None), Some(Break::Hole { .. })));
/// assert!(matches!(continuity.frame(frame(0), None), Some(Break::Backward { .. })));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Continuity {
    newest: Option<Newest>,
    /// The last two steps from frame to frame, for frames without a duration.
    steps_ns: [Option<u64>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    span: Span,
    offset_ns: Option<i128>,
}

impl Continuity {
    /// Takes the next frame: its running time, and what its segment adds to that to make stream
    /// time (at rate 1), where that is known. Returns why it does not continue the one before.
    pub fn frame(&mut self, span: Span, offset_ns: Option<i128>) -> Option<Break> {
        let before = self.newest.replace(Newest { span, offset_ns })?;
        let length_ns = self.frame_length_ns(before.span);
        let found = Self::judge(before, span, offset_ns, length_ns);
        let step_ns = span.start_ns.checked_sub(before.span.start_ns);
        self.steps_ns = [self.steps_ns[1], step_ns];
        found
    }

    /// No frame comes before this running time (a GAP event). Returns why the next one will not
    /// continue those before; until a frame comes, it does so once.
    pub fn nothing_until(&mut self, time_ns: u64) -> Option<Break> {
        let before = self.newest?;
        let hole_ns = time_ns.saturating_sub(before.span.end_ns);
        if hole_ns <= limit_ns(self.frame_length_ns(before.span)) {
            return None;
        }
        self.newest = None;
        Some(Break::Hole { ns: hole_ns })
    }

    /// Where the newest frame ended: a frame without a timestamp follows it.
    pub fn end_ns(&self) -> Option<u64> {
        self.newest.map(|newest| newest.span.end_ns)
    }

    /// For how long the newest frame, which covers `span`, is shown: the next one has not come, so a duration
    /// that is missing or longer than [`MAX_HOLE_NS`] counts for no more than the steps from frame to frame
    /// say. Some streams have one wrong duration, and some have wrong ones throughout.
    pub fn shown(&self, span: Span) -> Span {
        let step_ns = self.steps_ns.iter().flatten().copied().min();
        let length_ns = match span.length_ns() {
            0 => step_ns.unwrap_or(0).min(MAX_HOLE_NS),
            length_ns if length_ns > MAX_HOLE_NS => length_ns.min(step_ns.unwrap_or(MAX_HOLE_NS)),
            length_ns => length_ns,
        };
        Span { start_ns: span.start_ns, end_ns: span.start_ns.saturating_add(length_ns) }
    }

    /// A flush: what comes is about another place of the stream.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn judge(before: Newest, span: Span, offset_ns: Option<i128>, length_ns: u64) -> Option<Break> {
        let limit_ns = limit_ns(length_ns);
        let hole_ns = span.start_ns.saturating_sub(before.span.end_ns);
        let back_ns = before.span.start_ns.saturating_sub(span.start_ns);
        if hole_ns > limit_ns {
            return Some(Break::Hole { ns: hole_ns });
        }
        if back_ns > length_ns {
            return Some(Break::Backward { ns: back_ns });
        }
        let moved = match (before.offset_ns, offset_ns) {
            (Some(before), Some(now)) => now.abs_diff(before) > u128::from(limit_ns),
            _ => false,
        };
        moved.then_some(Break::Elsewhere)
    }

    /// How long a frame is shown; 0 where nothing tells.
    fn frame_length_ns(&self, newest: Span) -> u64 {
        match (newest.length_ns(), self.steps_ns) {
            // The shorter of two steps: one hole alone says nothing of the frames.
            (0, [Some(one), Some(other)]) => one.min(other),
            (length_ns, _) => length_ns,
        }
    }
}

fn limit_ns(frame_length_ns: u64) -> u64 {
    MAX_HOLE_NS.max(frame_length_ns.saturating_mul(MAX_HOLE_FRAMES))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const HOUR: u64 = 3_600_000 * MS;

    fn frame(start_ms: u64, length_ms: u64) -> Span {
        Span { start_ns: start_ms * MS, end_ns: (start_ms + length_ms) * MS }
    }

    /// The breaks of frames of 33 ms that start at these milliseconds.
    fn breaks(starts_ms: &[u64], length_ms: u64) -> Vec<Option<Break>> {
        let mut continuity = Continuity::default();
        starts_ms.iter().map(|start| continuity.frame(frame(*start, length_ms), None)).collect()
    }

    #[test]
    fn a_hole_up_to_the_limit_continues_and_a_longer_one_does_not() {
        let limit_ms = MAX_HOLE_NS / MS;
        assert_eq!(breaks(&[0, 33, 66 + limit_ms], 33), [None, None, None]);
        let hole = Some(Break::Hole { ns: MAX_HOLE_NS + MS });
        assert_eq!(breaks(&[0, 33, 67 + limit_ms], 33), [None, None, hole]);
        // Only once: what follows continues.
        assert_eq!(breaks(&[0, 567, 600], 33)[2], None);
    }

    #[test]
    fn frames_that_last_long_may_be_missed_as_well() {
        assert_eq!(breaks(&[0, 1000, 5000, 6000], 1000), [None; 4]);
        assert_eq!(breaks(&[0, 1000, 5001], 1000)[2], Some(Break::Hole { ns: 3001 * MS }));
    }

    #[test]
    fn a_step_back_of_more_than_a_frame_ends_and_jitter_does_not() {
        assert_eq!(breaks(&[0, 33, 30, 66], 33), [None; 4]);
        assert_eq!(breaks(&[100, 66], 33)[1], Some(Break::Backward { ns: 34 * MS }));
        let hour = HOUR / MS;
        assert_eq!(breaks(&[hour, 0, 33], 33), [None, Some(Break::Backward { ns: HOUR }), None]);
        assert!(matches!(breaks(&[0, hour], 33)[1], Some(Break::Hole { .. })));
    }

    #[test]
    fn a_frame_is_shown_no_longer_than_its_stream_makes_likely() {
        // Step and duration in ms, and for how long the third frame of that kind is shown.
        for (step, length, expected) in [
            (66, 66, 66),
            (66, 0, 66),
            (66, 200, 200),
            (66, 500, 500),
            (66, 501, 66),
            (66, 36_000_000, 66),
            // A slide show.
            (10_000, 10_000, 10_000),
            (10_000, 0, 500),
            (1000, 5000, 1000),
            (1000, 900, 900),
        ] {
            let mut continuity = Continuity::default();
            for n in 0..3 {
                continuity.frame(frame(n * step, length), None);
            }
            let newest = frame(2 * step, length);
            assert_eq!(continuity.shown(newest), frame(2 * step, expected), "{step}, {length}");
        }
        // Of the first frame nothing else is known.
        for (length, expected) in [(0, 0), (40, 40), (500, 500), (5000, 500)] {
            let mut continuity = Continuity::default();
            continuity.frame(frame(0, length), None);
            assert_eq!(continuity.shown(frame(0, length)), frame(0, expected));
        }
        // A hole alone says nothing, and one frame before others nothing of them.
        let mut continuity = Continuity::default();
        for start in [0, 40, 400, 390] {
            continuity.frame(frame(start, 40), None);
        }
        assert_eq!(continuity.shown(frame(390, 9000)), frame(390, 360));
    }

    #[test]
    fn frames_without_a_duration_teach_their_own_step() {
        let found = breaks(&[0, 1000, 2000, 3000, 4000, 60_000, 61_000], 0);
        assert_eq!(found[3..5], [None, None]);
        assert!(found[5].is_some(), "a minute is a hole at one frame a second, too");
        assert_eq!(found[6], None, "and says nothing of the frames");
    }

    #[test]
    fn a_gap_ends_only_where_it_passes_the_limit() {
        let mut continuity = Continuity::default();
        assert_eq!(continuity.nothing_until(HOUR), None, "nothing to end");
        continuity.frame(frame(0, 33), None);
        assert_eq!(continuity.nothing_until(33 * MS), None);
        assert_eq!(continuity.nothing_until(33 * MS + MAX_HOLE_NS), None);
        assert!(continuity.nothing_until(34 * MS + MAX_HOLE_NS).is_some());
        assert_eq!(continuity.nothing_until(HOUR), None, "it has ended already");
        assert_eq!(continuity.frame(frame(600, 33), None), None);
    }

    #[test]
    fn a_segment_that_goes_elsewhere_ends_and_one_that_goes_on_does_not() {
        let mut continuity = Continuity::default();
        let same = Some(i128::from(HOUR));
        continuity.frame(frame(0, 33), same);
        assert_eq!(continuity.frame(frame(33, 33), same), None);
        assert_eq!(continuity.frame(frame(66, 33), None), None);
        continuity.frame(frame(99, 33), same);
        assert_eq!(continuity.frame(frame(132, 33), Some(0)), Some(Break::Elsewhere));
        assert_eq!(continuity.frame(frame(165, 33), Some(0)), None);
    }

    proptest::proptest! {
        #[test]
        fn no_times_overflow(times in proptest::collection::vec((0u64.., 0u64..), 0..20)) {
            let mut continuity = Continuity::default();
            for (start_ns, length) in times {
                let span = Span { start_ns, end_ns: start_ns.saturating_add(length) };
                continuity.frame(span, Some(-i128::from(length)));
                continuity.nothing_until(length);
            }
        }
    }
}
