//! The running time of buffers.

use crate::core::span::Span;

/// A segment of a stream that is measured in time.
pub type Segment = gst::FormattedSegment<gst::ClockTime>;

/// The running time that a buffer covers in a segment. Without a duration it is an instant.
/// `None` without a timestamp, and outside of the segment.
pub fn span(buffer: &gst::BufferRef, segment: Option<&Segment>) -> Option<Span> {
    let start = buffer.pts()?;
    let end = buffer.duration().map_or(start, |duration| start.saturating_add(duration));
    let segment = segment?;
    let start_ns = segment.to_running_time(start)?.nseconds();
    // The end may lie beyond the segment's.
    let end_ns = segment.to_running_time(end).map_or(start_ns, |t| t.nseconds());
    Some(Span { start_ns, end_ns: end_ns.max(start_ns) })
}

/// What a segment adds to running time to make stream time at rate 1: the same as long as the
/// medium plays on, another where a segment begins somewhere else.
pub fn stream_offset_ns(buffer: &gst::BufferRef, segment: Option<&Segment>) -> Option<i128> {
    let (start, segment) = (buffer.pts()?, segment?);
    let running = i128::from(segment.to_running_time(start)?.nseconds());
    let stream = segment.to_stream_time(start)?.nseconds() as f64;
    let rate = segment.rate() * segment.applied_rate();
    // Rates are no zeros, but they come from outside.
    let at_rate_one = if rate == 0.0 { stream } else { stream / rate };
    Some(at_rate_one as i128 - running)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(pts: gst::ClockTime, duration: Option<gst::ClockTime>) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        let writable = buffer.make_mut();
        writable.set_pts(pts);
        writable.set_duration(duration);
        buffer
    }

    #[test]
    fn a_segment_shifts_what_buffers_cover_and_extreme_times_do_not_wrap() {
        gst::init().unwrap();
        let mut segment = Segment::new();
        segment.set_start(gst::ClockTime::SECOND);
        segment.set_time(gst::ClockTime::from_seconds(100));
        segment.set_base(gst::ClockTime::from_seconds(10));
        let frame = buffer(gst::ClockTime::from_seconds(3), Some(gst::ClockTime::SECOND));
        let second = 1_000_000_000;
        let span_of = |buffer: &gst::Buffer| span(buffer, Some(&segment));
        assert_eq!(span_of(&frame), Some(Span { start_ns: 12 * second, end_ns: 13 * second }));
        let offset = stream_offset_ns(&frame, Some(&segment));
        assert_eq!(offset, Some(i128::from(90 * second)));
        assert_eq!(span_of(&buffer(gst::ClockTime::ZERO, None)), None, "before the segment");
        assert_eq!(span(&frame, None), None);
        for (pts, duration) in [(u64::MAX - 1, u64::MAX - 1), (u64::MAX - 1, 0), (1 << 63, 1 << 63)]
        {
            let [pts, duration] = [pts, duration].map(gst::ClockTime::from_nseconds);
            let _whatever = span_of(&buffer(pts, Some(duration)));
            let _whatever = stream_offset_ns(&buffer(pts, None), Some(&segment));
        }
    }
}
