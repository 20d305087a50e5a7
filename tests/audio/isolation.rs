//! What happens to one medium does not reach the other.

use gst::prelude::*;

use super::support::*;

/// The pads that `pad` says its events and queries go to.
fn links(element: &gst::Element, pad: &str) -> Vec<String> {
    let pad = element.static_pad(pad).unwrap();
    let linked = pad.iterate_internal_links().into_iter().map(|pad| pad.unwrap().name().into());
    linked.collect()
}

#[test]
fn internal_links_stay_within_a_medium() {
    let rig = Rig::both(filter(deaf(), "complete", PATIENT));
    for (pad, other) in
        [("sink", "src"), ("src", "sink"), ("audio_sink", "audio_src"), ("audio_src", "audio_sink")]
    {
        assert_eq!(links(&rig.element, pad), [other]);
    }
}

fn drain_events(harness: &mut gst_check::Harness) -> Vec<gst::EventType> {
    std::iter::from_fn(|| harness.try_pull_event()).map(|event| event.type_()).collect()
}

fn drain_upstream(harness: &mut gst_check::Harness) -> Vec<gst::EventType> {
    std::iter::from_fn(|| harness.try_pull_upstream_event()).map(|event| event.type_()).collect()
}

#[test]
fn events_go_up_and_down_their_own_side_only() {
    let mut rig = Rig::both(filter(deaf(), "complete", PATIENT));
    rig.play(&[0.0; 160], 0);
    rig.audio().pull().unwrap();
    drain_events(rig.audio.as_mut().unwrap());
    drain_upstream(&mut rig.video);
    drain_upstream(rig.audio());

    let up = |name| gst::event::CustomUpstream::new(gst::Structure::new_empty(name));
    let audio_out = rig.element.static_pad("audio_src").unwrap();
    let video_out = rig.element.static_pad("src").unwrap();
    assert!(audio_out.send_event(up("from-audio")));
    assert!(drain_upstream(rig.audio()).contains(&gst::EventType::CustomUpstream));
    assert!(!drain_upstream(&mut rig.video).contains(&gst::EventType::CustomUpstream));
    assert!(video_out.send_event(up("from-video")));
    assert!(drain_upstream(&mut rig.video).contains(&gst::EventType::CustomUpstream));
    assert!(!drain_upstream(rig.audio()).contains(&gst::EventType::CustomUpstream));

    // Out of band, so that its absence on the other side is no question of time.
    let structure = gst::Structure::new_empty("down");
    assert!(rig.audio().push_event(gst::event::CustomDownstreamOob::new(structure)));
    assert!(drain_events(rig.audio()).contains(&gst::EventType::CustomDownstreamOob));
    assert!(!drain_events(&mut rig.video).contains(&gst::EventType::CustomDownstreamOob));
}

#[test]
fn audio_caps_come_from_the_audio_peer() {
    let rig = Rig::both(filter(deaf(), "complete", PATIENT));
    for (pad, media) in
        [("audio_sink", "audio/x-raw"), ("audio_src", "audio/x-raw"), ("sink", "video/x-raw")]
    {
        let caps = rig.element.static_pad(pad).unwrap().query_caps(None);
        assert!(!caps.is_empty() && !caps.is_any(), "{pad}: {caps}");
        assert!(caps.iter().all(|s| s.name() == media), "{pad}: {caps}");
    }
}

#[test]
fn a_flush_of_the_audio_leaves_the_video_alone() {
    let samples = noise(30 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    rig.show(2, 80);
    rig.play(&samples[..2 * FRAME_SAMPLES], 0);
    assert!(rig.audio().push_event(gst::event::FlushStart::new()));
    assert!(rig.audio().push(sound(&samples[..160], 0)).is_err(), "flushing");
    assert!(rig.audio().push_event(gst::event::FlushStop::new(true)));
    assert_eq!(
        drain_events(&mut rig.video)
            .into_iter()
            .filter(|t| *t == gst::EventType::FlushStart)
            .count(),
        0
    );
    // The stream goes on where the video is: what was heard before is forgotten.
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.audio().push_event(gst::event::Segment::new(&segment)));
    rig.play(&samples[2 * FRAME_SAMPLES..], 2 * FRAME_SAMPLES);
    rig.end_audio();
    rig.show(10, 80);
    let clips = rig.finish();
    let found: Vec<_> = clips.iter().map(coverage).collect();
    assert_eq!(found, [0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn what_a_flush_finds_in_the_queue_is_not_lost_if_it_describes_the_stream() {
    let mut rig = Rig::video(filter(deaf(), "complete", PATIENT));
    rig.request_audio();
    let out = rig.element.static_pad("audio_src").unwrap();
    // Nothing leaves, so that stream-start, caps and tags wait behind each other.
    let (blocked, blocking) = std::sync::mpsc::channel();
    let block = gst::PadProbeType::BLOCK | gst::PadProbeType::EVENT_DOWNSTREAM;
    let probe = out.add_probe(block, move |_, info| {
        // A flush passes blocks; the test listens to the first event.
        let _ = blocked.send(());
        let flush = matches!(&info.data, Some(gst::PadProbeData::Event(event))
            if [gst::EventType::FlushStart, gst::EventType::FlushStop].contains(&event.type_()));
        if flush { gst::PadProbeReturn::Pass } else { gst::PadProbeReturn::Ok }
    });
    rig.audio().set_src_caps(mono_16k().to_caps().unwrap());
    let mut tags = gst::TagList::new();
    tags.make_mut().add::<gst::tags::Title>(&"kept", gst::TagMergeMode::Append);
    assert!(rig.audio().push_event(gst::event::Tag::new(tags)));
    blocking.recv().unwrap();
    assert!(rig.audio().push_event(gst::event::FlushStart::new()));
    out.remove_probe(probe.unwrap());
    assert!(rig.audio().push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.audio().push_event(gst::event::Segment::new(&segment)));
    rig.play(&[0.0; 160], 0);
    rig.audio().pull().unwrap();
    let sink = rig.audio().sinkpad().unwrap();
    assert!(sink.sticky_event::<gst::event::StreamStart>(0).is_some());
    assert_eq!(sink.current_caps(), mono_16k().to_caps().ok());
    assert!(sink.sticky_event::<gst::event::Tag>(0).is_some());
}

#[test]
fn a_flush_of_the_video_leaves_the_audio_alone() {
    let samples = noise(20 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    rig.play(&samples, 0);
    rig.show(6, 80);
    assert!(rig.video.push_event(gst::event::FlushStart::new()));
    assert!(rig.video.push_event(gst::event::FlushStop::new(false)));
    assert!(!drain_events(rig.audio()).contains(&gst::EventType::FlushStart));
    rig.end_audio();
    // Audio has arrived in full.
    assert_eq!(rig.audio().buffers_received(), samples.len().div_ceil(499) as u32);

    rig.clips();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.video.push_event(gst::event::Segment::new(&segment)));
    rig.show(8, 80);
    assert!(rig.video.push_event(gst::event::Eos::new()));
    await_event(&mut rig.video, gst::EventType::Eos);
    let clips = rig.clips();
    let after: Vec<_> = clips.iter().filter(|clip| first_frame(clip) >= 6).collect();
    assert_eq!(after.len(), 5);
    assert!(after.iter().all(|clip| coverage(clip) == 1.0));
}

#[test]
fn eos_of_one_medium_lets_the_other_go_on() {
    let samples = noise(30 * FRAME_SAMPLES);
    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    rig.play(&samples[..FRAME_SAMPLES], 0);
    rig.end_audio();
    assert!(!drain_events(&mut rig.video).contains(&gst::EventType::Eos));
    rig.show(10, 80);
    assert_eq!(rig.finish().len(), 7);

    let mut rig = Rig::both(filter(listening(), "complete", PATIENT));
    rig.play(&samples[..10 * FRAME_SAMPLES + 1], 0);
    rig.show(10, 80);
    assert_eq!(rig.finish().len(), 7);
    rig.play(&samples[10 * FRAME_SAMPLES + 1..], 10 * FRAME_SAMPLES + 1);
    assert!(!drain_events(rig.audio()).contains(&gst::EventType::Eos));
    rig.end_audio();
}

#[test]
fn what_audio_downstream_returns_goes_to_audio_upstream_only() {
    let mut rig = Rig::both(filter(deaf(), "complete", PATIENT));
    let pad = rig.element.static_pad("audio_src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        info.flow_res = Err(gst::FlowError::Eos);
        gst::PadProbeReturn::Handled
    });
    let mut piece = 0;
    let error = loop {
        match rig.audio().push(sound(&[0.0; 160], piece * 160)) {
            Ok(_) => piece += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, gst::FlowError::Eos);
    assert!(rig.audio().push_event(gst::event::FlushStart::new()));
    assert!(rig.audio().push_event(gst::event::FlushStop::new(true)));
    rig.show(6, 80);
    // No sound comes any more: the harness releases the pad, so nobody waits for it.
    rig.audio = None;
    assert_eq!(rig.finish().len(), 3);
}
