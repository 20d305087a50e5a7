//! Audio comes out as it went in: the very buffers, in order with events and queries.

use gst::prelude::*;
use gst_audio::{AudioFormat, AudioInfo};

use super::support::*;

/// Buffers of noise, with everything a buffer can carry.
fn buffers(info: &AudioInfo) -> Vec<gst::Buffer> {
    let frames = info.rate() as usize / 50;
    let make = |n: usize| {
        let bytes = (0..frames * info.bpf() as usize).map(|i| (i * 31 + n * 7) as u8).collect();
        let mut buffer = gst::Buffer::from_mut_slice::<Vec<u8>>(bytes);
        let full = buffer.get_mut().unwrap();
        full.set_pts(gst::ClockTime::from_mseconds(20) * n as u64);
        full.set_dts(gst::ClockTime::from_mseconds(20) * n as u64);
        full.set_duration(gst::ClockTime::from_mseconds(20));
        full.set_offset((n * frames) as u64);
        if n == 0 {
            full.set_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
        }
        if n == 3 {
            full.set_flags(gst::BufferFlags::GAP | gst::BufferFlags::DROPPABLE);
        }
        let caps = gst::Caps::new_empty_simple("timestamp/x-test");
        let time = gst::ClockTime::from_seconds(1_000 + n as u64);
        gst::ReferenceTimestampMeta::add(full, &caps, time, gst::ClockTime::NONE);
        buffer
    };
    (0..6).map(make).collect()
}

fn infos() -> Vec<AudioInfo> {
    let info = |format, rate, channels| AudioInfo::builder(format, rate, channels).build().unwrap();
    vec![
        info(AudioFormat::S16le, 44_100, 2),
        info(AudioFormat::S16be, 8_000, 1),
        info(AudioFormat::U8, 11_025, 2),
        info(AudioFormat::S24le, 48_000, 6),
        info(AudioFormat::F32le, 48_000, 1),
        info(AudioFormat::F64be, 96_000, 3),
        info(AudioFormat::S20be, 22_050, 2),
        // Beyond what is analysed.
        info(AudioFormat::S16le, 1_000_000, 1),
    ]
}

#[test]
fn every_format_passes_bit_exact() {
    init();
    for info in infos() {
        let mut rig = Rig::video(filter(deaf(), "complete", PATIENT));
        rig.request_audio();
        rig.audio().set_src_caps(info.to_caps().unwrap());
        for sent in buffers(&info) {
            let copy = sent.copy_deep().unwrap();
            let memory = sent.memory(0).unwrap().as_ptr();
            rig.audio().push(sent).unwrap();
            let came = rig.audio().pull().unwrap();
            assert_eq!(came.memory(0).unwrap().as_ptr(), memory, "copied");
            let bytes = |buffer: &gst::Buffer| buffer.map_readable().unwrap().to_vec();
            assert_eq!(bytes(&came), bytes(&copy));
            let place = |b: &gst::Buffer| (b.pts(), b.dts(), b.duration(), b.offset());
            assert_eq!(place(&came), place(&copy));
            assert_eq!(came.flags(), copy.flags());
            let meta =
                |b: &gst::Buffer| b.meta::<gst::ReferenceTimestampMeta>().unwrap().timestamp();
            assert_eq!(meta(&came), meta(&copy));
        }
        let caps = rig.audio().sinkpad().unwrap().current_caps().unwrap();
        assert_eq!(caps, info.to_caps().unwrap());
    }
}

#[test]
fn events_keep_their_place_among_buffers() {
    let mut rig = Rig::both(filter(deaf(), "complete", PATIENT));
    let custom = |n: u32| {
        let structure = gst::Structure::builder("place").field("n", n).build();
        gst::event::CustomDownstream::new(structure)
    };
    let order = {
        let (sent, order) = std::sync::mpsc::channel();
        let pad = rig.element.static_pad("audio_src").unwrap();
        pad.add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
            move |_, info| {
                let what = match &info.data {
                    Some(gst::PadProbeData::Buffer(_)) => "buffer".to_owned(),
                    Some(gst::PadProbeData::Event(event)) => event.type_().name().to_string(),
                    _ => "?".to_owned(),
                };
                // The test ends first where it fails.
                let _ = sent.send(what);
                gst::PadProbeReturn::Ok
            },
        );
        order
    };
    for n in 0..3 {
        rig.play(&[0.0; 160], n * 160);
        assert!(rig.audio().push_event(custom(n as u32)));
    }
    rig.end_audio();
    let seen: Vec<String> = order.try_iter().collect();
    // What began the stream may have left before the probe was there.
    let from = seen.iter().position(|what| what == "buffer").unwrap();
    let pair = ["buffer", "custom-downstream"];
    assert_eq!(
        seen[from..],
        [pair, pair, pair].concat().into_iter().chain(["eos"]).collect::<Vec<_>>()
    );
}

#[test]
fn a_serialised_query_is_asked_in_its_place() {
    let mut rig = Rig::both(filter(deaf(), "complete", PATIENT));
    rig.play(&[0.0; 1600], 0);
    let mut drain = gst::query::Drain::new();
    let answered = rig.audio().srcpad().unwrap().peer_query(&mut drain);
    // Whatever the answer, it was given after all four pieces had left.
    assert_eq!(rig.audio().buffers_received(), 4, "answered {answered}");
}

#[test]
fn without_a_listener_the_sound_is_still_heard() {
    let mut rig = Rig::video(filter(deaf(), "complete", PATIENT));
    let pad = rig.element.request_pad_simple("audio_sink").unwrap();
    let mut source = gst_check::Harness::with_element(&rig.element, Some("audio_sink"), None);
    source.set_src_caps(mono_16k().to_caps().unwrap());
    source.push(sound(&noise(12 * FRAME_SAMPLES), 0)).unwrap();
    source.push(sound(&noise(160), 12 * FRAME_SAMPLES)).unwrap();
    assert!(source.push_event(gst::event::Eos::new()));
    rig.show(12, 50);
    let clips = rig.finish();
    assert_eq!(clips.len(), 9);
    assert!(clips.iter().all(|clip| coverage(clip) == 1.0));
    drop(pad);
}
