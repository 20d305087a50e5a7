//! Audio pads that come and go.

use std::sync::mpsc::channel;

use gst::prelude::*;

use super::support::*;

#[test]
fn there_is_one_pair_of_pads_from_request_to_release() {
    init();
    let element = filter(deaf(), "complete", PATIENT);
    let names = |element: &gst::Element| {
        let mut names: Vec<String> = element.pads().iter().map(|p| p.name().into()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&element), ["sink", "src"]);
    for _ in 0..3 {
        let pad = element.request_pad_simple("audio_sink").unwrap();
        assert_eq!(names(&element), ["audio_sink", "audio_src", "sink", "src"]);
        element.release_request_pad(&pad);
        assert_eq!(names(&element), ["sink", "src"]);
    }
}

#[test]
fn pads_come_and_go_while_playing() {
    let samples = noise(100 * FRAME_SAMPLES);
    let mut rig = Rig::video(filter(deaf(), "complete", PATIENT));
    for round in 0..5 {
        let first = rig.frames as usize * FRAME_SAMPLES;
        rig.show(3, 80);
        rig.request_audio();
        rig.audio().set_src_caps(mono_16k().to_caps().unwrap());
        rig.play(&samples[first..first + 6 * FRAME_SAMPLES], first);
        rig.show(3, 80);
        rig.end_audio();
        assert!(rig.audio().buffers_received() > 0, "round {round}");
        // The harness releases what it was given.
        rig.audio = None;
        assert!(rig.element.static_pad("audio_sink").is_none());
        assert!(rig.element.static_pad("audio_src").is_none());
    }
    assert_eq!(rig.finish().len(), 30 - 3);
}

#[test]
fn a_release_wakes_upstream_that_waits_for_room() {
    let mut rig = Rig::both(filter(deaf(), "live", gst::ClockTime::ZERO));
    let out = rig.element.static_pad("audio_src").unwrap();
    out.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, |_, _| {
        gst::PadProbeReturn::Ok
    });
    let source = rig.audio().srcpad().unwrap();
    let (pushed, room) = channel();
    let upstream = std::thread::spawn(move || {
        for n in 0.. {
            // A second each.
            if let Err(error) = source.push(sound(&[0.0; 16_000], n * 16_000)) {
                return error;
            }
            // The test may have heard enough.
            let _ = pushed.send(n);
        }
        unreachable!()
    });
    // One is on its way out, the others fill the queue.
    room.recv().unwrap();
    room.recv().unwrap();
    let pad = rig.element.static_pad("audio_sink").unwrap();
    rig.element.release_request_pad(&pad);
    let error = upstream.join().unwrap();
    assert!([gst::FlowError::Flushing, gst::FlowError::NotLinked].contains(&error), "{error}");
}

#[test]
fn states_come_and_go_with_clips_that_wait() {
    let mut rig = Rig::video(filter(listening(), "complete", PATIENT));
    rig.request_audio();
    let caps = rig.video.srcpad().unwrap().current_caps().unwrap();
    for _ in 0..10 {
        // Clips wait for sound that never comes, or are about to.
        for n in 0..6 {
            rig.video.push(picture(80, n)).unwrap();
        }
        rig.element.set_state(gst::State::Ready).unwrap();
        assert_eq!(
            rig.element.property::<gst::Structure>("stats").get::<u64>("clips-waiting"),
            Ok(0)
        );
        rig.element.set_state(gst::State::Playing).unwrap();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(rig.video.push_event(gst::event::StreamStart::new("again")));
        assert!(rig.video.push_event(gst::event::Caps::new(&caps)));
        assert!(rig.video.push_event(gst::event::Segment::new(&segment)));
    }
}

#[test]
fn nothing_keeps_an_element_that_is_let_go() {
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    rig.play(&noise(4 * FRAME_SAMPLES), 0);
    rig.show(6, 80);
    let pads = ["audio_sink", "audio_src"].map(|name| rig.element.static_pad(name).unwrap());
    let pads = pads.map(|pad| pad.downgrade());
    let element = rig.element.downgrade();
    drop(rig);
    assert!(element.upgrade().is_none(), "a reference is left");
    assert!(pads.iter().all(|pad| pad.upgrade().is_none()), "a pad is left");
}
