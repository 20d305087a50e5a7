//! A classifier that is slow, stuck or failing, and what that costs the stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use gst::prelude::*;
use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::infer::{CancelToken, InferError, Provider};

use super::picture::{Picture, face, found, one_face};
use super::scripted::{gated, scripted, scripted_with};
use super::support::{Rig, T};

fn two_faces() -> Picture {
    Picture::new(160, 120, &[face(8, 8, 40, 90), face(100, 60, 48, 30)])
}

/// Pushes a frame in live mode and takes it out again.
fn pass(rig: &mut Rig, picture: &Picture) -> gst::Buffer {
    rig.push(picture, &picture.rgb_info());
    rig.pull()
}

fn label(buffer: &gst::Buffer) -> Option<String> {
    found(buffer).first().map(|face| face.label())
}

#[test]
fn a_stuck_classifier_holds_up_no_live_frame() {
    let (open, answer) = gated();
    let (element, _dir, _pool) = scripted(answer);
    element.set_property_from_str("mode", "live");
    element.set_property("clip-stride", 1u32);
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    rig.await_engines(&picture);
    for _ in 0..500 {
        // Each frame comes out although none of its clips ever will.
        let buffer = pass(&mut rig, &picture);
        assert_ne!(label(&buffer).as_deref(), Some("fake"));
    }
    let stats: gst::Structure = rig.element.property("stats");
    assert_eq!(stats.get("clips-scored"), Ok(0u64));
    assert!(stats.get::<u64>("clips-skipped").unwrap() > 400, "{stats}");
    assert!(stats.get::<u64>("clips-waiting").unwrap() <= 4, "what waits is bounded: {stats}");
    drop(open);
}

/// How many of twenty clips each face gets of a classifier that is slower than they come.
fn shares_of_twenty(rig: &mut Rig, open: &Sender<()>, picture: &Picture) -> [u32; 2] {
    rig.caps(&picture.rgb_info());
    rig.await_engines(picture);
    for round in 1..=20u64 {
        (0..6).for_each(|_| drop(pass(rig, picture)));
        open.send(()).unwrap();
        rig.await_stat("clips-scored", round);
    }
    let mut shares = [0u32; 2];
    // Counted a moment before it is told.
    let patience = gst::ClockTime::from_seconds(10);
    while shares[0] + shares[1] < 20
        && let Some(message) = rig.bus.timed_pop_filtered(patience, &[gst::MessageType::Element])
    {
        let clip = message.structure().filter(|s| s.name() == "m2sd-clip");
        if let Some(track) = clip.and_then(|clip| clip.get::<u64>("track").ok()) {
            shares[track as usize] += 1;
        }
    }
    assert_eq!(shares[0] + shares[1], 20);
    shares
}

fn live(element: gst::Element) -> Rig {
    element.set_property_from_str("mode", "live");
    element.set_property("clip-stride", 1u32);
    element.set_property("detect-interval", 1u32);
    Rig::new(element)
}

#[test]
fn live_faces_share_a_slow_classifier_evenly() {
    let (open, answer) = gated();
    let (element, _dir, _pool) = scripted(answer);
    let mut rig = live(element);
    let shares = shares_of_twenty(&mut rig, &open, &two_faces());
    assert!(shares[0].abs_diff(shares[1]) <= 2, "{shares:?}");
    // Six frames a clip and two faces: each face gets one in about twelve frames.
    let stats: gst::Structure = rig.element.property("stats");
    let tracks: gst::Array = stats.get("tracks").unwrap();
    assert_eq!(tracks.len(), 2, "{stats}");
}

#[test]
fn a_face_that_can_be_judged_does_not_wait_for_one_that_cannot() {
    let (open, answer) = gated();
    let needs = |info: &mut ModelInfo| info.sufficiency.eye_distance_px = Some(18.0);
    let (element, _dir, _pool) = scripted_with(answer, needs);
    let mut rig = live(element);
    // Eyes are a third of a drawn face's side apart.
    let picture = Picture::new(320, 120, &[face(40, 24, 32, 90), face(200, 24, 64, 90)]);
    let shares = shares_of_twenty(&mut rig, &open, &picture);
    let [small, large] = [shares[0].min(shares[1]), shares[0].max(shares[1])];
    // What was under way before the larger one had its first clip.
    assert!(small <= 3 && large >= 17, "{shares:?}");
}

/// An answer that fails unless the switch is on.
fn fails_unless(
    works: &Arc<AtomicBool>,
) -> impl FnMut(&CancelToken) -> Result<f32, InferError> + Send + 'static {
    let works = Arc::clone(works);
    move |_| {
        let failed = InferError::RunFailed { provider: Provider::Cpu, reason: "scripted".into() };
        if works.load(Ordering::Relaxed) { Ok(2.0) } else { Err(failed) }
    }
}

/// Passes frames until a warning is posted; its text.
fn next_warning(rig: &mut Rig, picture: &Picture) -> String {
    loop {
        pass(rig, picture);
        let warned = rig.bus.pop_filtered(&[gst::MessageType::Warning]);
        if let Some(gst::MessageView::Warning(warning)) = warned.as_ref().map(|w| w.view()) {
            return warning.error().to_string();
        }
    }
}

#[test]
fn a_failing_classifier_costs_scores_not_frames_and_is_tried_again() {
    let works = Arc::new(AtomicBool::new(false));
    let (element, _dir, _pool) = scripted(fails_unless(&works));
    element.set_property_from_str("mode", "live");
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    let text = next_warning(&mut rig, &picture);
    assert!(text.contains("scripted") && text.contains("next try"), "{text}");

    works.store(true, Ordering::Relaxed);
    while label(&pass(&mut rig, &picture)).as_deref() != Some("fake") {
        std::thread::yield_now();
    }
    assert_eq!(rig.errors(), [""; 0]);
}

#[test]
fn on_error_fail_stops_the_stream() {
    let (element, _dir, _pool) = scripted(|_| {
        Err(InferError::RunFailed { provider: Provider::Cpu, reason: "scripted".into() })
    });
    element.set_property_from_str("on-error", "fail");
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    let info = picture.rgb_info();
    rig.caps(&info);
    while rig.harness.push(picture.buffer(&info, rig.next)).is_ok() {
        rig.next += 1;
    }
    assert!(rig.await_error().contains("scripted"));
}

/// ONNX Runtime must not be at work when a process exits, so whoever stops the element waits for
/// the classifier's thread, and no run may hold on to what would be waited for.
#[test]
fn a_run_does_not_keep_the_classifier_that_it_runs_on() {
    let (running, is_running) = channel();
    let (open, gate) = channel::<()>();
    let (element, _dir, pool) = scripted(move |_| {
        running.send(()).unwrap();
        // Cannot be cancelled, like networks that a provider has compiled into one step.
        let _ = gate.recv();
        Ok(1.0)
    });
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    rig.push_rgb(&vec![picture; T]);
    is_running.recv().unwrap();
    rig.element.set_state(gst::State::Null).unwrap();
    assert_eq!(Arc::strong_count(&pool), 1, "only the test's own");
    drop(open);
}

#[test]
fn three_runs_that_fail_in_a_row_are_the_models_fault_and_two_are_not() {
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    for (pattern, ends) in [("ffsffsffsffs", false), ("fffff", true)] {
        runs.store(0, std::sync::atomic::Ordering::Relaxed);
        let (counted, pattern) = (std::sync::Arc::clone(&runs), pattern.as_bytes());
        let (element, _dir, _pool) = scripted(move |_| {
            let run = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) as usize;
            let reason = "as the test wants it".to_owned();
            match pattern[run % pattern.len()] {
                b's' => Ok(1.0),
                _ => Err(InferError::RunFailed { provider: Provider::Cpu, reason }),
            }
        });
        element.set_property_from_str("on-error", "fail");
        let mut rig = Rig::new(element);
        let picture = one_face(90);
        rig.caps(&picture.rgb_info());
        let info = picture.rgb_info();
        let refused = (0..40).find_map(|number| {
            // So that each clip is answered before the next frame is analysed.
            std::thread::sleep(std::time::Duration::from_millis(5));
            rig.harness.push(picture.buffer(&info, number)).err()
        });
        assert_eq!(refused.is_some(), ends, "{:?}", rig.errors());
        if ends {
            let runs = runs.load(std::sync::atomic::Ordering::Relaxed);
            assert!((3..=8).contains(&runs), "{runs} runs before it was given up");
        } else {
            rig.finish();
        }
    }
}

#[test]
fn a_classifier_that_worked_again_is_tried_again_as_soon_as_at_first() {
    let works = Arc::new(AtomicBool::new(false));
    let (element, _dir, _pool) = scripted(fails_unless(&works));
    element.set_property_from_str("mode", "live");
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    for failure in 0..2 {
        works.store(false, Ordering::Relaxed);
        let text = next_warning(&mut rig, &picture);
        assert!(text.contains("next try in 1 s"), "failure {failure}: {text}");
        works.store(true, Ordering::Relaxed);
        let scored = super::support::stat::<u64>(&rig.element, "clips-scored");
        while super::support::stat::<u64>(&rig.element, "clips-scored") == scored {
            pass(&mut rig, &picture);
        }
        // The analysis hears of the score with the next frame.
        pass(&mut rig, &picture);
    }
}
