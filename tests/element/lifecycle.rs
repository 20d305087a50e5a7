//! The element is started, stopped and thrown away at any moment.

use gst::prelude::*;

use super::picture::{assert_scores, expected_scores, one_face, one_face_each, sliding};
use super::scripted::scripted;
use super::support::{Rig, T, Watchdog, filter, short_clips, stat};

#[test]
fn every_run_begins_anew() {
    let element = filter(short_clips());
    for red in [40, 200, 90] {
        let mut rig = Rig::new(element.clone());
        let pictures = one_face_each(&[red; 6]);
        rig.caps(&pictures[0].rgb_info());
        rig.push_rgb(&pictures);
        let outcome = rig.finish();
        assert_scores(&outcome.buffers, &expected_scores(&[red; 6], &sliding(6, T, 1)), 1e-4);
        assert_eq!(super::picture::found_one(&outcome.buffers[0]).track, Some(0));
        assert_eq!(stat::<u64>(&element, "frames-in"), 6);
        drop(rig);
        assert_eq!(element.set_state(gst::State::Null), Ok(gst::StateChangeSuccess::Success));
    }
}

#[test]
fn mode_and_classifier_may_change_between_runs() {
    let element = filter(short_clips());
    for (mode, engines) in [
        ("complete", short_clips()),
        ("live", short_clips()),
        ("complete", super::support::single_frames()),
    ] {
        element.set_property_from_str("mode", mode);
        element.set_property("engines-dir", engines.to_str().unwrap());
        let mut rig = Rig::new(element.clone());
        rig.caps(&one_face(90).rgb_info());
        rig.push_rgb(&one_face_each(&[90]));
        if engines == super::support::single_frames() {
            // A clip is one frame: nothing to wait for.
            assert!(super::picture::found_one(&rig.pull()).score().is_some());
        }
        rig.finish();
        drop(rig);
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn it_stops_at_any_moment() {
    for mode in ["complete", "live"] {
        for frames in [0, 1, 3, 30] {
            let element = filter(short_clips());
            element.set_property_from_str("mode", mode);
            let mut rig = Rig::new(element.clone());
            rig.caps(&one_face(90).rgb_info());
            rig.push_rgb(&one_face_each(&vec![90; frames]));
            assert_eq!(element.set_state(gst::State::Null), Ok(gst::StateChangeSuccess::Success));
            // A stopped element takes nothing.
            let late = one_face(90).buffer(&one_face(90).rgb_info(), 99);
            assert_eq!(rig.harness.push(late), Err(gst::FlowError::Flushing));
            assert_eq!(rig.errors(), [""; 0]);
        }
    }
}

#[test]
fn stopping_wakes_upstream_that_waits() {
    let rig = {
        let mut rig = Rig::new(filter(short_clips()));
        rig.caps(&one_face(40).rgb_info());
        rig
    };
    let srcpad = rig.element.static_pad("src").unwrap();
    let mask = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER;
    srcpad.add_probe(mask, |_, _| gst::PadProbeReturn::Ok).unwrap();
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
    rig.element.set_state(gst::State::Null).unwrap();
    assert_eq!(feeder.join().unwrap(), Some(gst::FlowError::Flushing));
}

#[test]
fn an_element_that_was_stopped_is_freed() {
    let element = filter(short_clips());
    let weak = element.downgrade();
    let mut rig = Rig::new(element);
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&one_face_each(&[90; 2 * T]));
    drop(rig.finish());
    drop(rig);
    assert!(weak.upgrade().is_none(), "something still holds the element");
}

/// A run that was abandoned goes on with its clip and the way to answer. Were the element held by these, its
/// last reference could go on the pool's thread, which would then wait for itself.
#[test]
fn an_element_ends_where_it_is_dropped_while_its_classifier_still_runs() {
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    let (element, _dir, pool) = scripted(move |_| {
        // Deaf to its token, as a loop in a graph is.
        begun.send(()).unwrap();
        let _ = gate.recv();
        Ok(1.0)
    });
    let (ended, ends) = std::sync::mpsc::channel();
    element.add_weak_ref_notify(move || ended.send(std::thread::current().id()).unwrap());
    let mut rig = Rig::new(element);
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&one_face_each(&[90; T]));
    begins.recv().unwrap();
    rig.element.set_state(gst::State::Null).unwrap();
    drop(rig);
    assert_eq!(ends.try_recv(), Ok(std::thread::current().id()), "the run holds the element");
    let _watchdog = Watchdog::new();
    release.send(()).unwrap();
    drop(pool);
    // The answer that nobody waits for is thrown away, and the thread ends, and with it the classifier.
    while release.send(()).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn two_elements_share_a_classifier_and_do_not_mix() {
    let mut rigs = [40, 200].map(|red| (red, Rig::new(filter(short_clips()))));
    for (red, rig) in &mut rigs {
        rig.caps(&one_face(*red).rgb_info());
    }
    for _ in 0..8 {
        for (red, rig) in &mut rigs {
            rig.push_rgb(&one_face_each(&[*red]));
        }
    }
    for (red, rig) in &mut rigs {
        let expected = expected_scores(&[*red; 8], &sliding(8, T, 1));
        assert_scores(&rig.finish().buffers, &expected, 1e-4);
    }
}
