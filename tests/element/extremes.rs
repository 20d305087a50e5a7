//! Times and rates that no camera has, but a stream may.

use gst::prelude::*;

use super::picture::{FRAME_DURATION, one_face};
use super::support::{Rig, filter, short_clips};

fn declared_latency(rig: &Rig) -> Option<gst::ClockTime> {
    let mut query = gst::query::Latency::new();
    let answered = rig.element.static_pad("src").unwrap().query(&mut query);
    answered.then(|| query.result().1)
}

#[test]
fn frame_rates_that_are_none_declare_a_latency_that_can_be_added_up() {
    let day = gst::ClockTime::from_seconds(24 * 3600);
    for (numerator, denominator) in [(25, 1), (1, i32::MAX), (i32::MAX, 1), (0, 1), (1, 3600)] {
        for mode in ["complete", "live"] {
            let element = filter(short_clips());
            element.set_property_from_str("mode", mode);
            let mut rig = Rig::new(element);
            let picture = one_face(90);
            let info = picture.rgb_info();
            let info = gst_video::VideoInfo::builder(info.format(), info.width(), info.height());
            let info = info.fps(gst::Fraction::new(numerator, denominator)).build().unwrap();
            rig.caps(&info);
            rig.push(&picture, &info);
            let latency = declared_latency(&rig).expect("an answer");
            assert!(latency <= day, "{numerator}/{denominator} in {mode}: {latency}");
            rig.finish();
        }
    }
}

#[test]
fn times_at_the_end_of_time_pass() {
    let max = gst::ClockTime::from_nseconds(u64::MAX - 1);
    let odd = [
        (gst::ClockTime::ZERO, Some(max)),
        (max, Some(max)),
        (max, None),
        (gst::ClockTime::from_nseconds(1 << 63), Some(gst::ClockTime::ZERO)),
        (gst::ClockTime::ZERO, None),
        (max - FRAME_DURATION, Some(FRAME_DURATION)),
    ];
    for mode in ["complete", "live"] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element);
        let picture = one_face(90);
        rig.caps(&picture.rgb_info());
        for (pts, duration) in odd.iter().cycle().take(30) {
            let mut buffer = picture.buffer(&picture.rgb_info(), 0);
            let writable = buffer.make_mut();
            writable.set_pts(*pts);
            writable.set_duration(*duration);
            rig.harness.push(buffer).unwrap();
            let gap = gst::event::Gap::builder(*pts).duration(*duration).build();
            assert!(rig.harness.push_event(gap));
        }
        // Without a timestamp, after the end of time.
        let mut buffer = picture.buffer(&picture.rgb_info(), 0);
        buffer.make_mut().set_pts(None);
        rig.harness.push(buffer).unwrap();
        assert_eq!(rig.finish().buffers.len(), 31);
    }
}

/// A frame lasts until the next one, whatever its duration says: it counts for one step where that cannot be.
#[test]
fn clips_end_with_their_frames_whatever_the_durations_say() {
    let clips = |durations: &dyn Fn(u64) -> Option<gst::ClockTime>| {
        let mut rig = Rig::new(filter(short_clips()));
        let picture = one_face(90);
        rig.caps(&picture.rgb_info());
        for number in 0..12 {
            let mut buffer = picture.buffer(&picture.rgb_info(), number);
            buffer.make_mut().set_duration(durations(number));
            rig.harness.push(buffer).unwrap();
        }
        let outcome = rig.finish();
        let time = |clip: &gst::Structure, name| clip.get::<u64>(name).unwrap();
        let spans =
            outcome.named("m2sd-clip").into_iter().map(|c| (time(c, "start"), time(c, "end")));
        spans.collect::<Vec<_>>()
    };
    let control = clips(&|_| Some(FRAME_DURATION));
    assert_eq!(control.len(), 9);
    assert_eq!(control[0], (0, 4 * FRAME_DURATION.nseconds()));
    let hours = gst::ClockTime::from_seconds(36_000);
    let second = gst::ClockTime::SECOND;
    assert_eq!(clips(&|number| Some(if number == 5 { hours } else { FRAME_DURATION })), control);
    assert_eq!(clips(&|_| Some(5 * second)), control);
    assert_eq!(clips(&|_| Some(hours)), control);
    // A duration that can be is believed.
    let longer = control.iter().map(|(start, end)| (*start, end + FRAME_DURATION.nseconds()));
    assert_eq!(clips(&|_| Some(2 * FRAME_DURATION)), longer.collect::<Vec<_>>());
}

#[test]
fn clips_of_frames_without_a_duration_end_after_they_begin() {
    for fps in [gst::Fraction::new(0, 1), gst::Fraction::new(1, 100)] {
        let mut rig = Rig::new(filter(short_clips()));
        let picture = one_face(90);
        let info = picture.rgb_info();
        let info = gst_video::VideoInfo::builder(info.format(), info.width(), info.height());
        let info = info.fps(fps).build().unwrap();
        rig.caps(&info);
        for number in 0..8 {
            let mut buffer = picture.buffer(&info, number);
            buffer.make_mut().set_duration(None);
            rig.harness.push(buffer).unwrap();
        }
        let outcome = rig.finish();
        let clips = outcome.named("m2sd-clip");
        assert_eq!(clips.len(), 5);
        for clip in clips {
            let [start, end] = ["start", "end"].map(|name| clip.get::<u64>(name).unwrap());
            assert_eq!(end - start, 4 * FRAME_DURATION.nseconds(), "{fps}");
        }
    }
}
