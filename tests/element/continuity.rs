//! What ends a track and what does not: times and places do, flags and events do not.

use gst::prelude::*;

use super::picture::{
    FRAME_DURATION, Picture, assert_scores, expected_scores, face, found_one, one_face,
    one_face_each, sliding,
};
use super::support::{Outcome, Rig, T, filter, short_clips};

const HOUR: gst::ClockTime = gst::ClockTime::from_seconds(3600);

/// The tracks of frames with one face each.
fn tracks(outcome: &Outcome) -> Vec<i32> {
    outcome.buffers.iter().map(|buffer| found_one(buffer).track.unwrap()).collect()
}

/// The longest clip's interval of running time.
fn longest_clip(outcome: &Outcome) -> gst::ClockTime {
    let length = |clip: &&gst::Structure| {
        let (start, end): (u64, u64) = (clip.get("start").unwrap(), clip.get("end").unwrap());
        gst::ClockTime::from_nseconds(end - start)
    };
    outcome.named("m2sd-clip").iter().map(length).max().unwrap()
}

/// Plays ten frames of one still face, changed by `change`, with `before` called ahead of each.
fn play(
    mut before: impl FnMut(&mut Rig, u64),
    mut change: impl FnMut(&mut gst::BufferRef, u64),
) -> Outcome {
    let mut rig = Rig::new(filter(short_clips()));
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    for number in 0..10 {
        before(&mut rig, number);
        let mut buffer = picture.buffer(&picture.rgb_info(), number);
        change(buffer.make_mut(), number);
        rig.harness.push(buffer).unwrap();
    }
    rig.finish()
}

fn nothing(_: &mut Rig, _: u64) {}

fn assert_one_track(outcome: &Outcome, situation: &str) {
    assert_eq!(tracks(outcome), [0; 10], "{situation}");
    assert_eq!(outcome.named("m2sd-clip").len(), 10 - T + 1, "{situation}");
}

fn assert_ends_at(outcome: &Outcome, frame: usize, reason: &str) {
    let tracks = tracks(outcome);
    assert!(tracks[..frame].iter().all(|track| *track == 0), "{reason}: {tracks:?}");
    assert!(tracks[frame..].iter().all(|track| *track == 1), "{reason}: {tracks:?}");
    assert!(longest_clip(outcome) <= FRAME_DURATION * T as u64, "{reason}: a clip spans the jump");
    let ends = outcome.named("m2sd-track-end");
    let ends: Vec<&str> = ends.iter().map(|end| end.get("reason").unwrap()).collect();
    assert_eq!(ends, [reason, "end-of-stream"]);
}

#[test]
fn flags_end_no_track() {
    let flagged = |flag: gst::BufferFlags| {
        play(nothing, move |buffer, number| {
            if number % 3 == 2 {
                buffer.set_flags(flag);
            }
        })
    };
    assert_one_track(&flagged(gst::BufferFlags::empty()), "the control");
    for flag in [gst::BufferFlags::DISCONT, gst::BufferFlags::GAP, gst::BufferFlags::CORRUPTED] {
        assert_one_track(&flagged(flag), &format!("{flag:?}"));
    }
}

#[test]
fn a_leaky_queue_in_front_ends_no_track() {
    // Every third frame is missing, and the next one carries the flag.
    let mut rig = Rig::new(filter(short_clips()));
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    for number in (0..30).filter(|number| number % 3 != 1) {
        let mut buffer = picture.buffer(&picture.rgb_info(), number);
        if number % 3 == 2 {
            buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        rig.harness.push(buffer).unwrap();
    }
    let outcome = rig.finish();
    assert_eq!(tracks(&outcome), [0; 20]);
    assert_eq!(outcome.named("m2sd-clip").len(), 20 - T + 1);
}

#[test]
fn a_gap_event_ends_a_track_only_where_it_is_long() {
    let with_gap = |length: Option<gst::ClockTime>| {
        let gap = move |rig: &mut Rig, number: u64| {
            if number == 5 {
                // As a jitter buffer says that a packet is lost: with the next frame's time.
                let gap = gst::event::Gap::builder(FRAME_DURATION * number);
                let gap = length.into_iter().fold(gap, |gap, length| gap.duration(length)).build();
                assert!(rig.harness.push_event(gap));
            }
        };
        play(gap, |_, _| {})
    };
    let short = [None, Some(gst::ClockTime::ZERO), Some(FRAME_DURATION), Some(FRAME_DURATION * 10)];
    for length in short {
        assert_one_track(&with_gap(length), &format!("a gap of {length:?}"));
    }
    assert_ends_at(&with_gap(Some(gst::ClockTime::SECOND)), 5, "gap");
}

#[test]
fn a_jump_in_time_ends_a_track_without_any_flag() {
    let moved = |by: fn(gst::ClockTime) -> gst::ClockTime| {
        play(nothing, move |buffer, number| {
            let time = HOUR * 2 + FRAME_DURATION * number;
            buffer.set_pts(if number < 5 { time } else { by(time) });
        })
    };
    assert_one_track(&moved(|time| time), "the control");
    assert_one_track(&moved(|time| time + FRAME_DURATION * 5), "a short hole");
    assert_ends_at(&moved(|time| time + HOUR), 5, "gap");
    assert_ends_at(&moved(|time| time - HOUR), 5, "backward");
    assert_ends_at(&moved(|time| time + gst::ClockTime::SECOND), 5, "gap");
}

#[test]
fn a_segment_ends_a_track_only_where_it_goes_elsewhere() {
    let with_segment = |make: fn(&mut gst::FormattedSegment<gst::ClockTime>, gst::ClockTime)| {
        let segment = move |rig: &mut Rig, number: u64| {
            if number == 5 {
                let mut segment = gst::FormattedSegment::new();
                make(&mut segment, FRAME_DURATION * number);
                assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
            }
        };
        play(segment, |_, _| {})
    };
    assert_one_track(&with_segment(|_, _| {}), "the same again");
    let split: fn(&mut gst::FormattedSegment<gst::ClockTime>, gst::ClockTime) = |segment, now| {
        segment.set_start(now);
        segment.set_time(now);
        segment.set_base(now);
    };
    assert_one_track(&with_segment(split), "one that goes on where the last one ended");
    let elsewhere: fn(&mut gst::FormattedSegment<gst::ClockTime>, gst::ClockTime) =
        |segment, now| {
            segment.set_start(now);
            segment.set_time(now + HOUR);
            segment.set_base(now);
        };
    assert_ends_at(&with_segment(elsewhere), 5, "segment");
}

#[test]
fn a_stream_that_names_itself_again_goes_on_and_another_one_does_not() {
    let renamed = |id: &'static str| {
        let name = move |rig: &mut Rig, number: u64| {
            if number == 5 {
                let own = rig.element.static_pad("sink").unwrap();
                let own = own.sticky_event::<gst::event::StreamStart>(0).unwrap();
                let id = if id == "same" { own.stream_id().to_owned() } else { id.into() };
                assert!(rig.harness.push_event(gst::event::StreamStart::new(&id)));
                let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                rig.caps(&one_face(90).rgb_info());
                assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
            }
        };
        play(name, |_, _| {})
    };
    assert_one_track(&renamed("same"), "the same stream");
    assert_ends_at(&renamed("other"), 5, "new-stream");
}

#[test]
fn a_frame_rate_or_a_format_that_changes_ends_no_track() {
    let picture = one_face(90);
    let rgb = picture.rgb_info();
    let slower = gst_video::VideoInfo::builder(rgb.format(), rgb.width(), rgb.height());
    let slower = slower.fps(gst::Fraction::new(10, 1)).build().unwrap();
    let i420 = picture.info(gst_video::VideoFormat::I420);
    for info in [rgb.clone(), slower, i420] {
        let mut rig = Rig::new(filter(short_clips()));
        rig.caps(&rgb);
        rig.push_rgb(&one_face_each(&[90; 5]));
        rig.caps(&info);
        for _ in 0..5 {
            rig.push(&picture, &info);
        }
        let outcome = rig.finish();
        assert_one_track(&outcome, &format!("{info:?}"));
        let expected = expected_scores(&[90; 10], &sliding(10, T, 1));
        assert_scores(&outcome.buffers, &expected, 0.02);
    }
}

#[test]
fn a_face_that_is_scaled_with_its_frame_is_the_same_face() {
    let small = Picture::new(160, 120, &[face(40, 30, 48, 40)]);
    let scaled = Picture::new(320, 240, &[face(80, 60, 96, 220)]);
    let elsewhere = Picture::new(320, 240, &[face(200, 60, 96, 220)]);
    for (after, same) in [(scaled, true), (elsewhere, false)] {
        let mut rig = Rig::new(filter(short_clips()));
        rig.caps(&small.rgb_info());
        rig.push_rgb(&vec![small.clone(); 6]);
        rig.caps(&after.rgb_info());
        rig.push_rgb(&vec![after.clone(); 6]);
        let outcome = rig.finish();
        let tracks = tracks(&outcome);
        assert!(tracks[..6].iter().all(|track| *track == 0), "{tracks:?}");
        assert!(tracks[6..].iter().all(|track| (*track == 0) == same), "{tracks:?}");
        // No clip holds frames of both sizes: one transform aligns a clip.
        let scores = |red: u8| expected_scores(&[red; 6], &sliding(6, T, 1));
        assert_scores(&outcome.buffers[..6], &scores(40), 0.02);
        assert_scores(&outcome.buffers[6..], &scores(220), 0.02);
    }
}

#[test]
fn what_ends_a_segment_closes_clips_as_eos_does() {
    let ends: [fn() -> gst::Event; 3] = [
        || gst::event::Eos::new(),
        || gst::event::SegmentDone::new(gst::ClockTime::SECOND),
        || gst::event::StreamGroupDone::new(gst::GroupId::next()),
    ];
    for end in ends {
        let mut rig = Rig::new(filter(short_clips()));
        let picture = one_face(90);
        rig.caps(&picture.rgb_info());
        rig.push_rgb(&vec![picture; 6]);
        let event = end();
        let kind = event.type_();
        assert!(rig.harness.push_event(event));
        rig.await_event(kind);
        let buffers: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull()).collect();
        assert_scores(&buffers, &expected_scores(&[90; 6], &sliding(6, T, 1)), 1e-4);
    }
}

#[test]
fn a_track_that_a_face_leaves_says_so() {
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&vec![one_face(90); 5]);
    rig.push_rgb(&[Picture::new(160, 120, &[])]);
    let outcome = rig.finish();
    let ends = outcome.named("m2sd-track-end");
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].get::<u64>("track"), Ok(0));
    assert_eq!(ends[0].get::<&str>("reason"), Ok("left"));
}

#[test]
fn a_tracks_clips_are_told_of_before_its_end() {
    for _ in 0..10 {
        let element = filter(short_clips());
        element.set_property("clip-stride", 5u32);
        let mut rig = Rig::new(element);
        rig.caps(&one_face(90).rgb_info());
        // A clip of the first four frames, and one of the last four when the face has left.
        rig.push_rgb(&vec![one_face(90); 7]);
        rig.push_rgb(&vec![Picture::new(160, 120, &[]); 3]);
        let outcome = rig.finish();
        let names: Vec<_> = outcome.messages.iter().map(|m| m.name().to_string()).collect();
        let of_track: Vec<_> = names.iter().filter(|name| *name != "m2sd-verdict").collect();
        assert_eq!(of_track, ["m2sd-track-start", "m2sd-clip", "m2sd-clip", "m2sd-track-end"]);
    }
}

#[test]
fn a_drain_query_returns_when_every_clip_is_told_of() {
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&vec![one_face(90); 6]);
    let sinkpad = rig.element.static_pad("sink").unwrap();
    sinkpad.query(&mut gst::query::Drain::new());
    let told: Vec<_> = std::iter::from_fn(|| rig.bus.pop()).collect();
    let is_clip =
        |message: &&gst::Message| message.structure().is_some_and(|s| s.name() == "m2sd-clip");
    assert_eq!(told.iter().filter(is_clip).count(), 6 - T + 1);
    // The track lives on.
    rig.push_rgb(&vec![one_face(90); T]);
    let outcome = rig.finish();
    assert_eq!(tracks(&outcome), [0; 10]);
}
