//! Events keep their place, flushes leave nothing behind, streams follow one another.

use std::sync::{Arc, Mutex};

use gst::prelude::*;

use super::picture::{
    FRAME_DURATION, Picture, assert_scores, bytes, expected_scores, found, found_one, one_face,
    one_face_each, sliding,
};
use super::support::{Rig, T, filter, short_clips, stat};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what leaves the element.
fn log(rig: &Rig) -> Log {
    let log = Log::default();
    let written = log.clone();
    let mask = gst::PadProbeType::BUFFER
        | gst::PadProbeType::EVENT_DOWNSTREAM
        | gst::PadProbeType::EVENT_FLUSH;
    rig.element.static_pad("src").unwrap().add_probe(mask, move |_, info| {
        let entry = match &info.data {
            Some(gst::PadProbeData::Buffer(b)) => {
                format!("frame {}", b.pts().unwrap().mseconds() / FRAME_DURATION.mseconds())
            }
            Some(gst::PadProbeData::Event(event)) => {
                let name = event.structure().filter(|_| is_custom(event)).map(|s| s.name());
                name.map_or_else(|| event.type_().to_string(), |name| name.to_string())
            }
            _ => "?".to_owned(),
        };
        written.lock().unwrap().push(entry);
        gst::PadProbeReturn::Ok
    });
    log
}

fn is_custom(event: &gst::EventRef) -> bool {
    event.type_() == gst::EventType::CustomDownstream
}

fn custom(name: &str) -> gst::Event {
    gst::event::CustomDownstream::new(gst::Structure::new_empty(name))
}

#[test]
fn events_keep_their_place_between_frames() {
    for mode in ["complete", "live"] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element);
        let log = log(&rig);
        let pictures = one_face_each(&[90; 7]);
        rig.caps(&pictures[0].rgb_info());
        let mut tags = gst::TagList::new();
        tags.get_mut().unwrap().add::<gst::tags::Title>(&"a", gst::TagMergeMode::Append);
        assert!(rig.harness.push_event(gst::event::Tag::new(tags)));
        for (i, picture) in pictures.iter().enumerate() {
            rig.push_rgb(std::slice::from_ref(picture));
            match i {
                0 => assert!(rig.harness.push_event(custom("first"))),
                1 => assert!(rig.harness.push_event(custom("second"))),
                4 => {
                    let gap = gst::event::Gap::builder(FRAME_DURATION * 5).build();
                    assert!(rig.harness.push_event(gap));
                }
                _ => {}
            }
        }
        rig.finish();
        let expected = [
            "stream-start",
            "caps",
            "segment",
            "tag",
            "frame 0",
            "first",
            "frame 1",
            "second",
            "frame 2",
            "frame 3",
            "frame 4",
            "gap",
            "frame 5",
            "frame 6",
            "eos",
        ];
        let mut log = log.lock().unwrap().clone();
        log.retain(|entry| !entry.starts_with("m2sd-"));
        assert_eq!(log, expected, "{mode}");
    }
}

/// What is posted on the bus also goes downstream, in the same order, each before the frame that it is
/// about, so that elements there can read it; and `post-messages` is for both.
#[test]
fn what_is_told_on_the_bus_is_told_downstream() {
    for (mode, told) in [("complete", true), ("live", true), ("live", false)] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        element.set_property("post-messages", told);
        let mut rig = Rig::new(element);
        let log = log(&rig);
        let blank = Picture::new(160, 120, &[]);
        match mode {
            // Frames that come before the models are there pass unseen.
            "live" => rig.await_engines(&blank),
            _ => rig.caps(&blank.rgb_info()),
        }
        rig.push_rgb(&vec![one_face(90); 7]);
        rig.push_rgb(&vec![Picture::new(160, 120, &[]); 3]);
        let outcome = rig.finish();
        let log = log.lock().unwrap();
        let downstream: Vec<_> = log.iter().filter(|entry| entry.starts_with("m2sd-")).collect();
        let posted: Vec<_> = outcome.messages.iter().map(|m| m.name().to_string()).collect();
        assert_eq!(downstream, posted.iter().collect::<Vec<_>>(), "{mode}");
        assert_eq!(!posted.is_empty(), told);
        if !told {
            continue;
        }
        // In live mode a frame may leave before its detection is done, or show the one before.
        let shown = outcome.buffers.iter().filter(|buffer| !found(buffer).is_empty());
        let shown: Vec<_> = shown.map(|buffer| buffer.pts().unwrap()).collect();
        let place = |wanted: &str| log.iter().position(|entry| entry == wanted).unwrap();
        let frame = |pts: &gst::ClockTime| {
            place(&format!("frame {}", pts.mseconds() / FRAME_DURATION.mseconds()))
        };
        let (first, last) = (shown.first().unwrap(), shown.last().unwrap());
        let between = &log[place("m2sd-track-start")..frame(first)];
        assert!(!between.iter().any(|entry| entry.starts_with("frame")), "{mode}: {log:?}");
        assert!(place("m2sd-track-end") > frame(last), "{mode}: {log:?}");
        let start = outcome.named("m2sd-track-start")[0];
        assert_eq!(start.get("track"), Ok(0u64));
        assert_eq!(start.get("running-time"), Ok(first.nseconds()));
        let end = outcome.named("m2sd-track-end")[0];
        assert_eq!(end.get("first-seen"), Ok(first.nseconds()));
        assert_eq!(end.get("last-seen"), Ok(last.nseconds()));
    }
}

#[test]
fn events_that_are_not_serialised_overtake_frames() {
    let mut rig = Rig::new(filter(short_clips()));
    let log = log(&rig);
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&one_face_each(&[90; T - 1]));
    rig.await_stat("frames-analysed", T as u64 - 1);
    let oob = gst::event::CustomDownstreamOob::new(gst::Structure::new_empty("oob"));
    assert!(rig.harness.push_event(oob));
    assert!(log.lock().unwrap().contains(&"custom-downstream-oob".to_owned()));
    assert_eq!(stat::<u64>(&rig.element, "frames-out"), 0);
}

#[test]
fn upstream_events_go_upstream() {
    let mut rig = Rig::new(filter(short_clips()));
    const LATE_NS: i64 = 80_000_000;
    let quality = gst::event::Qos::builder(gst::QOSType::Underflow, 1.5, LATE_NS);
    for event in [
        gst::event::CustomUpstream::new(gst::Structure::new_empty("up")),
        quality.timestamp(gst::ClockTime::from_mseconds(400)).build(),
    ] {
        let sent = event.clone();
        assert!(rig.harness.push_upstream_event(event));
        let mut events = std::iter::from_fn(|| rig.harness.try_pull_upstream_event());
        assert!(events.any(|event| event.as_ptr() == sent.as_ptr()), "{sent:?}");
    }
}

fn flush(rig: &mut Rig) {
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
}

#[test]
fn a_flush_forgets_frames_and_tracks_but_not_the_stream() {
    for flushes in [1, 3] {
        let element = filter(short_clips());
        element.set_property("draw", true);
        let mut rig = Rig::new(element);
        rig.caps(&one_face(40).rgb_info());
        rig.push_rgb(&one_face_each(&[40; T - 1]));
        rig.await_stat("frames-analysed", T as u64 - 1);
        for _ in 0..flushes {
            flush(&mut rig);
        }
        // Upstream does not repeat its caps.
        rig.push_rgb(&one_face_each(&[200; 6]));
        let outcome = rig.finish();
        assert_scores(&outcome.buffers, &expected_scores(&[200; 6], &sliding(6, T, 1)), 1e-4);
        assert_eq!(outcome.buffers[0].pts(), Some(FRAME_DURATION * (T as u64 - 1)));
        for buffer in &outcome.buffers {
            let plain = one_face(200).buffer(&one_face(200).rgb_info(), 0);
            assert_ne!(bytes(buffer), bytes(&plain), "nothing is drawn after the flush");
        }
        assert_eq!(outcome.named("m2sd-clip").len(), 3);
    }
}

#[test]
fn a_flush_wakes_upstream_that_waits() {
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(&one_face(40).rgb_info());
    // Downstream takes nothing, so the queues fill and upstream's thread waits.
    let srcpad = rig.element.static_pad("src").unwrap();
    let mask = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER;
    let block = srcpad.add_probe(mask, |_, _| gst::PadProbeReturn::Ok).unwrap();
    let sinkpad = rig.element.static_pad("sink").unwrap();
    let feeder = std::thread::spawn(move || {
        let info = one_face(40).rgb_info();
        let frames = (0u64..).map(|number| one_face(40).buffer(&info, number));
        frames.map(|buffer| sinkpad.chain(buffer)).find_map(Result::err)
    });
    // More than fit: the output queue's, the input queue's and one in each thread's hands.
    while stat::<u64>(&rig.element, "frames-in") < (T + 8 + 2 + 2) as u64 {
        std::thread::yield_now();
    }
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert_eq!(feeder.join().unwrap(), Some(gst::FlowError::Flushing));
    srcpad.remove_probe(block);
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    rig.push_rgb(&one_face_each(&[40; T]));
    assert_eq!(found_one(&rig.pull()).clips(), 1);
    rig.finish();
}

#[test]
fn a_stream_may_follow_the_end_of_another() {
    let mut rig = Rig::new(filter(short_clips()));
    for red in [40, 200] {
        let pictures = one_face_each(&[red; 6]);
        let stream = gst::event::StreamStart::builder(&format!("stream-{red}")).build();
        assert!(rig.harness.push_event(stream));
        rig.caps(&pictures[0].rgb_info());
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
        rig.push_rgb(&pictures);
        let outcome = rig.finish();
        assert_scores(&outcome.buffers, &expected_scores(&[red; 6], &sliding(6, T, 1)), 1e-4);
    }
}

#[test]
fn clip_times_are_running_time() {
    let mut rig = Rig::new(filter(short_clips()));
    let pictures = one_face_each(&[90; T + 2]);
    rig.caps(&pictures[0].rgb_info());
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(FRAME_DURATION * 2);
    segment.set_base(gst::ClockTime::from_seconds(10));
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    rig.push_rgb(&pictures);
    let outcome = rig.finish();
    let clips = outcome.named("m2sd-clip");
    // Frames before the segment have no running time, and are in no clip.
    assert_eq!(clips.len(), 1);
    let base = gst::ClockTime::from_seconds(10);
    assert_eq!(clips[0].get("start"), Ok(base.nseconds()));
    assert_eq!(clips[0].get("end"), Ok((base + FRAME_DURATION * T as u64).nseconds()));
}

/// In live mode a face may be found, and gone again, before a frame that shows it leaves.
#[test]
fn nothing_ends_that_nobody_was_told_of() {
    let element = filter(short_clips());
    element.set_property_from_str("mode", "live");
    element.set_property("detect-interval", 1u32);
    let (face, blank) = (super::picture::one_face(90), super::picture::Picture::new(160, 120, &[]));
    let mut rig = Rig::new(element);
    rig.await_engines(&blank);
    for _ in 0..30 {
        rig.push_rgb(std::slice::from_ref(&face));
        // Longer than a face is missed.
        rig.push_rgb(&vec![blank.clone(); 20]);
    }
    let outcome = rig.finish();
    let tracks = |name: &str| {
        let tracks = outcome.named(name).into_iter().map(|told| told.get::<u64>("track").unwrap());
        tracks.collect::<std::collections::BTreeSet<_>>()
    };
    let (started, ended) = (tracks("m2sd-track-start"), tracks("m2sd-track-end"));
    assert!(!started.is_empty());
    assert_eq!(started, ended);
    for end in outcome.named("m2sd-track-end") {
        assert!(end.has_field("first-seen") && end.has_field("label"), "{end}");
    }
}
