//! What is declared, what is kept back, and that nobody waits for sound that does not come.

use std::sync::mpsc::channel;

use gst::prelude::*;

use super::support::*;

const SHORT: gst::ClockTime = gst::ClockTime::from_mseconds(20);

fn latency(element: &gst::Element, pad: &str) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
    let mut query = gst::query::Latency::new();
    assert!(element.static_pad(pad).unwrap().query(&mut query));
    query.result()
}

#[test]
fn video_goes_on_without_the_sound_that_is_linked_and_never_comes() {
    for mode in ["complete", "live"] {
        let mut rig = Rig::video(filter(listening(), mode, SHORT));
        rig.request_audio();
        if mode == "live" {
            rig.await_engines(80);
        }
        rig.show(20, 80);
        let clips = rig.finish();
        assert!(!clips.is_empty(), "{mode}");
        assert!(clips.iter().all(|clip| coverage(clip) == 0.0), "{mode}");
    }
}

#[test]
fn live_frames_do_not_wait_for_sound() {
    // Clips would wait for ten seconds; frames leave one by one all the same.
    let mut rig = Rig::video(filter(listening(), "live", PATIENT));
    rig.request_audio();
    rig.await_engines(80);
    for _ in 0..20 {
        rig.show(1, 80);
        rig.video.pull().unwrap();
    }
    assert!(rig.clips().is_empty(), "all of them wait");
}

#[test]
fn audio_declares_no_latency_and_keeps_back_what_the_video_takes() {
    let mut rig = Rig::both(filter(deaf(), "complete", SHORT));
    rig.show(6, 80);
    rig.end_audio();
    rig.finish();
    let (_, video, _) = latency(&rig.element, "src");
    assert_eq!(video, FRAME * (T - 1) + SHORT);
    let (live, audio_min, audio_max) = latency(&rig.element, "audio_src");
    assert!(live);
    assert_eq!(audio_min, gst::ClockTime::ZERO);
    assert!(audio_max.is_none_or(|max| max >= video), "{audio_max:?}");
}

#[test]
fn audio_that_nobody_takes_is_kept_for_as_long_as_the_video_is() {
    let mut rig = Rig::both(filter(deaf(), "live", gst::ClockTime::SECOND));
    let out = rig.element.static_pad("audio_src").unwrap();
    let (blocked, blocking) = channel();
    let probe = out.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, move |_, _| {
        // Said once for each buffer; the test listens to the first.
        let _ = blocked.send(());
        gst::PadProbeReturn::Ok
    });
    // The latency's second and the slack's.
    let second = vec![0.0; 16_000];
    for n in 0..3 {
        rig.audio().push(sound(&second, n * 16_000)).unwrap();
    }
    blocking.recv().unwrap();
    // Video passes meanwhile.
    rig.await_engines(80);

    let source = rig.audio().srcpad().unwrap();
    let waiting = std::thread::spawn(move || source.push(sound(&[0.0; 16_000], 48_000)));
    out.remove_probe(probe.unwrap());
    waiting.join().unwrap().unwrap();
    rig.end_audio();
    assert_eq!(rig.audio().buffers_received(), 4);
}
