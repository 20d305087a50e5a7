//! Running time as UTC: by what the stream's own frames say, else by this machine's clock.

use gst::prelude::*;

use crate::events::{TimeSource, UtcTime};

/// Seconds from 1900, where NTP's times begin, to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// How far apart in running time a frame's reference and what is asked for may be: clocks drift by some
/// 50 ms in that time at worst.
const NEAR_NS: u64 = 600 * 1_000_000_000;

/// Knows the UTC times of one stream.
///
/// Frames may carry reference timestamps (`GstReferenceTimestampMeta`): a camera's own time
/// (`timestamp/x-unix`), or the sender's by RTCP (`timestamp/x-ntp`, which `rtspsrc` adds with
/// `add-reference-timestamp-meta`). Without one, a frame's time is when it is due on the pipeline's
/// clock.
#[derive(Clone, Debug, Default)]
pub struct WallClock {
    /// The newest frame's: running time, UTC, nanoseconds both.
    reference: Option<(u64, u64, TimeSource)>,
}

impl WallClock {
    /// Takes a frame of this running time.
    pub fn observe(&mut self, buffer: &gst::BufferRef, running_time: gst::ClockTime) {
        let said = buffer.iter_meta::<gst::ReferenceTimestampMeta>().filter_map(|meta| {
            let name = meta.reference().structure(0)?.name().to_string();
            let time = meta.timestamp().nseconds();
            match name.as_str() {
                "timestamp/x-unix" => Some((time, TimeSource::Reference)),
                "timestamp/x-ntp" => {
                    let since_1970 = time.checked_sub(NTP_TO_UNIX_S * 1_000_000_000)?;
                    Some((since_1970, TimeSource::Ntp))
                }
                _ => None,
            }
        });
        // The camera's own before its sender's.
        let best = said.min_by_key(|(_, source)| *source != TimeSource::Reference);
        if let Some((utc, source)) = best {
            self.reference = Some((running_time.nseconds(), utc, source));
        }
    }

    /// When this was, of a stream that runs in the pipeline of `element`.
    pub fn utc(
        &self,
        running_time: Option<u64>,
        element: &impl IsA<gst::Element>,
    ) -> (UtcTime, TimeSource) {
        let by_reference = running_time.and_then(|time| self.by_reference(time));
        by_reference.unwrap_or_else(|| {
            let now = UtcTime::now();
            let due = running_time.and_then(|time| by_clock(time, now, element));
            (due.unwrap_or(now), TimeSource::Clock)
        })
    }

    fn by_reference(&self, running_time: u64) -> Option<(UtcTime, TimeSource)> {
        let (at, utc, source) = self.reference?;
        if running_time.abs_diff(at) > NEAR_NS {
            return None;
        }
        let utc = i128::from(utc) + i128::from(running_time) - i128::from(at);
        let time = UtcTime::from_unix_ns(u64::try_from(utc).ok()?)?;
        Some((time, source))
    }
}

/// When a frame of this running time is due on the element's clock.
fn by_clock(running_time: u64, now: UtcTime, element: &impl IsA<gst::Element>) -> Option<UtcTime> {
    let present = element.current_running_time()?.nseconds();
    let ahead = i64::try_from(i128::from(running_time) - i128::from(present)).ok()?;
    now.0.checked_add(jiff::SignedDuration::from_nanos(ahead)).ok().map(UtcTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// 2026-11-26T00:00:00Z.
    const DAY: u64 = 1_795_651_200;

    fn frame(references: &[(&str, u64)]) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        for (name, seconds) in references {
            let caps = gst::Caps::new_empty_simple(*name);
            let time = gst::ClockTime::from_seconds(*seconds);
            gst::ReferenceTimestampMeta::add(
                buffer.get_mut().unwrap(),
                &caps,
                time,
                gst::ClockTime::NONE,
            );
        }
        buffer
    }

    #[test]
    fn frames_tell_the_time_and_the_cameras_own_comes_first() {
        gst::init().unwrap();
        let bin = gst::Bin::new();
        for (references, expected) in [
            (vec![("timestamp/x-unix", DAY)], Some(TimeSource::Reference)),
            (vec![("timestamp/x-ntp", DAY + NTP_TO_UNIX_S)], Some(TimeSource::Ntp)),
            (
                vec![("timestamp/x-ntp", NTP_TO_UNIX_S), ("timestamp/x-unix", DAY)],
                Some(TimeSource::Reference),
            ),
            // Before 1970, or of another clock.
            (vec![("timestamp/x-ntp", 5)], None),
            (vec![("timestamp/x-drop-frame", DAY)], None),
            (vec![], None),
        ] {
            let mut clock = WallClock::default();
            clock.observe(&frame(&references), gst::ClockTime::from_seconds(100));
            let (time, source) = clock.utc(Some(103 * SECOND), &bin);
            match expected {
                Some(expected) => {
                    assert_eq!(
                        (time.to_string().as_str(), source),
                        ("2026-11-26T00:00:03Z", expected)
                    );
                    let (before, _) = clock.utc(Some(99 * SECOND), &bin);
                    assert_eq!(before.to_string(), "2026-11-25T23:59:59Z");
                    // Too far away to be believed.
                    assert_eq!(clock.utc(Some(1000 * SECOND), &bin).1, TimeSource::Clock);
                    assert_eq!(clock.utc(None, &bin).1, TimeSource::Clock);
                }
                None => assert_eq!(source, TimeSource::Clock),
            }
        }
    }

    #[test]
    fn without_a_reference_a_frame_is_when_it_is_due() {
        gst::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let clock = gst::SystemClock::obtain();
        pipeline.use_clock(Some(&clock));
        pipeline.set_state(gst::State::Playing).unwrap();
        let running = pipeline.current_running_time().unwrap().nseconds();
        let ahead = running + 10 * SECOND;
        let (time, source) = WallClock::default().utc(Some(ahead), &pipeline);
        let off = time.0.duration_since(UtcTime::now().0).as_secs_f64();
        assert!((9.0..=10.0).contains(&off), "{off}");
        assert_eq!(source, TimeSource::Clock);
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
