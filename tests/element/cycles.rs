//! Elements that come and go while their networks load and run, and while others stream.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::infer::Provider;
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::synth::{Synth, TransformerShape, write};

use super::picture::{assert_scores, expected_scores, one_face, one_face_each, sliding};
use super::scripted::{gated, scripted};
use super::support::{Rig, T, filter, short_clips, stat, write_networks};

fn to_null(element: &gst::Element) -> Duration {
    let started = Instant::now();
    assert_eq!(element.set_state(gst::State::Null), Ok(gst::StateChangeSuccess::Success));
    started.elapsed()
}

#[test]
fn a_hundred_runs_end_while_a_clip_is_being_scored() {
    // The gate never opens: each run ends with a clip in the classifier, which must be given up.
    let (_shut, answer) = gated();
    let (element, _dir, _pool) = scripted(answer);
    for cycle in 0..100 {
        element.set_property_from_str("mode", ["live", "complete"][cycle % 2]);
        let mut rig = Rig::new(element.clone());
        let picture = one_face(90);
        rig.caps(&picture.rgb_info());
        if cycle % 2 == 0 {
            rig.await_engines(&picture);
        }
        rig.push_rgb(&one_face_each(&[90; T + 2]));
        while stat::<u64>(&element, "clips-waiting") == 0 {
            std::thread::yield_now();
        }
        to_null(&element);
        assert_eq!(rig.errors(), [""; 0]);
    }
}

#[test]
fn a_hundred_runs_end_while_the_networks_load() {
    let element = filter(short_clips());
    for cycle in 0..100u64 {
        element.set_property_from_str("mode", ["live", "complete"][cycle as usize % 2]);
        let mut rig = Rig::new(element.clone());
        let picture = one_face(90);
        rig.caps(&picture.rgb_info());
        if cycle % 3 == 0 {
            rig.push(&picture, &picture.rgb_info());
        }
        // From before the first network to after the last.
        std::thread::sleep(Duration::from_micros(300 * cycle));
        to_null(&element);
        assert_eq!(rig.errors(), [""; 0]);
    }
}

#[test]
fn a_large_network_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    write_networks(dir.path(), T, 32);
    let shape = TransformerShape { width: 384, heads: 6, ..TransformerShape::BASE };
    let classifier =
        write(&Synth::Transformer { shape, seed: 1, tuning: Tuning::Cpu }, dir.path()).unwrap();
    let element = filter(dir.path());
    element.set_property("classifier", classifier.to_str().unwrap());
    let is_progress = |message: &gst::Message, wanted| matches!(message.view(), gst::MessageView::Progress(p) if p.get().0 == wanted);
    let rig = Rig::new(element.clone());
    let whole = Instant::now();
    while !rig.bus.pop().is_some_and(|m| is_progress(&m, gst::ProgressType::Complete)) {
        std::thread::yield_now();
    }
    let whole = whole.elapsed();
    to_null(&element);
    drop(rig);
    for part in 1..4 {
        let rig = Rig::new(element.clone());
        std::thread::sleep(whole * part / 16);
        to_null(&element);
        let messages: Vec<_> = std::iter::from_fn(|| rig.bus.pop()).collect();
        assert!(messages.iter().any(|m| is_progress(m, gst::ProgressType::Canceled)));
        assert!(!messages.iter().any(|m| m.type_() == gst::MessageType::Error), "{messages:?}");
    }
}

#[test]
fn an_element_may_be_taken_out_of_a_running_pipeline() {
    super::support::init();
    let _watchdog = super::support::Watchdog::new();
    let pipeline = gst::Pipeline::new();
    let make = |name: &str| gst::ElementFactory::make(name).build().unwrap();
    let source = make("videotestsrc");
    source.set_property("is-live", true);
    let (before, after, sink) = (make("identity"), make("identity"), make("fakesink"));
    let element = filter(short_clips());
    element.set_property_from_str("mode", "live");
    let all = [&source, &before, &element, &after, &sink];
    pipeline.add_many(all).unwrap();
    gst::Element::link_many(all).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    while stat::<u64>(&element, "frames-out") < 5 {
        std::thread::yield_now();
    }

    let gate = before.static_pad("src").unwrap();
    let (blocked, waits) = std::sync::mpsc::channel();
    let probe = gate.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, move |_, _| {
        let _again = blocked.send(());
        gst::PadProbeReturn::Ok
    });
    waits.recv().unwrap();
    before.unlink(&element);
    element.unlink(&after);
    pipeline.remove(&element).unwrap();
    to_null(&element);
    before.link(&after).unwrap();
    gate.remove_probe(probe.unwrap());

    let (seen, sees) = std::sync::mpsc::channel();
    let sink = sink.static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let _enough = seen.send(());
        gst::PadProbeReturn::Ok
    });
    (0..5).for_each(|_| sees.recv().unwrap());
    assert_eq!(element.current_state(), gst::State::Null);
    // Messages hold the element that they are from.
    while let Some(message) = pipeline.bus().unwrap().pop() {
        assert_ne!(message.type_(), gst::MessageType::Error, "{message:?}");
    }
    let weak = element.downgrade();
    drop(element);
    assert!(weak.upgrade().is_none(), "something still holds the element");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn streams_join_and_leave_while_another_runs() {
    let reds: Vec<u8> = (0..24).map(|i| 20 + 9 * i).collect();
    let batching = || {
        let element = filter(short_clips());
        element.set_property("batch-size", 4u32);
        element
    };
    let mut first = Rig::new(batching());
    let pictures = one_face_each(&reds);
    first.caps(&pictures[0].rgb_info());
    let mut guests = Vec::new();
    for (number, picture) in pictures.iter().enumerate() {
        if number % 3 == 0 {
            let mut guest = Rig::new(batching());
            guest.caps(&one_face(200).rgb_info());
            guests.push(guest);
        }
        first.push_rgb(std::slice::from_ref(picture));
        guests.iter_mut().for_each(|guest| guest.push_rgb(&one_face_each(&[200; 2])));
        if guests.len() == 3 {
            // One leaves in the middle of its stream, another at the end of it.
            to_null(&guests.remove(0).element);
            let left = guests.remove(0).finish();
            assert!(!left.named("m2sd-clip").is_empty());
        }
    }
    let expected = expected_scores(&reds, &sliding(reds.len(), T, 1));
    assert_scores(&first.finish().buffers, &expected, 1e-4);
    let provider: String = stat(&first.element, "provider");
    assert_eq!(provider, Provider::Cpu.to_string());
}
