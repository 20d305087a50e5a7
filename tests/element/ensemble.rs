//! Several classifiers that judge together.

use std::path::Path;

use gst::prelude::*;
use gstm2sd::models::synth::{ClipShape, Synth, write};

use super::picture::{clip_score, found_one, one_face_each, sliding};
use super::support::{Outcome, Rig, T, error_text, filter, stat, write_networks};

/// Scores are computed in single precision.
const EXACT: f64 = 1e-4;

/// Networks with two classifiers: of clips of [`T`] frames, and `single`, of one frame. `keys` are
/// written into the sidecars of both.
fn two_classifiers(keys: [&str; 2]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_networks(dir.path(), T, 32);
    let other = tempfile::tempdir().unwrap();
    let shape = ClipShape { frames: 1, size_px: 32, ..ClipShape::default() };
    let single = write(&Synth::Classifier(shape), other.path()).unwrap();
    for ending in ["onnx", "onnx.modelinfo"] {
        let from = single.with_extension(ending);
        std::fs::copy(from, dir.path().join("single").with_extension(ending)).unwrap();
    }
    for (name, keys) in ["analytic_classifier", "single"].into_iter().zip(keys) {
        let sidecar = dir.path().join(name).with_extension("onnx.modelinfo");
        let text = std::fs::read_to_string(&sidecar).unwrap();
        let (own, sections) = keys.split_once("\n\n").unwrap_or((keys, ""));
        let text = text.replacen("[modelinfo]", &format!("[modelinfo]\n{own}"), 1);
        std::fs::write(&sidecar, format!("{text}\n{sections}\n")).unwrap();
    }
    dir
}

const BOTH: &str = "analytic_classifier,single";

fn ensemble(dir: &Path) -> gst::Element {
    let element = filter(dir);
    element.set_property("classifier", BOTH);
    element
}

fn complete(element: gst::Element, reds: &[u8]) -> (Rig, Outcome) {
    let pictures = one_face_each(reds);
    let mut rig = Rig::new(element);
    rig.caps(&pictures[0].rgb_info());
    rig.push_rgb(&pictures);
    let outcome = rig.finish();
    (rig, outcome)
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

const REDS: [u8; 9] = [10, 250, 30, 200, 90, 170, 60, 220, 130];

/// P(fake) of each window by either classifier: of all its frames, and of the one in the middle.
fn members() -> Vec<[f64; 2]> {
    let windows = sliding(REDS.len(), T, 1);
    let of = |window: &Vec<usize>| [clip_score(&REDS, window), clip_score(&REDS, &window[1..2])];
    windows.iter().map(of).collect()
}

/// The scores that frames must have where a window's is `fused`.
fn assert_frames(outcome: &Outcome, fused: &[f64]) {
    let windows = sliding(REDS.len(), T, 1);
    for (number, buffer) in outcome.buffers.iter().enumerate() {
        let holding = windows.iter().zip(fused).filter(|(window, _)| window.contains(&number));
        let holding: Vec<f64> = holding.map(|(_, score)| *score).collect();
        let expected = holding.iter().sum::<f64>() / holding.len() as f64;
        let m2sd = found_one(buffer).m2sd;
        let found: f64 = m2sd.get("frame-score").unwrap();
        assert!((found - expected).abs() < EXACT, "frame {number}: {found}, not {expected}");
        assert_eq!(m2sd.get::<&str>("model-name").unwrap(), BOTH);
    }
}

#[test]
fn uncalibrated_classifiers_are_fused_by_their_distance_from_their_thresholds() {
    // A later key of the same name counts.
    let dir = two_classifiers(["", ""]);
    let (rig, outcome) = complete(ensemble(dir.path()), &REDS);
    let members = members();
    // The threshold of both is 0.5.
    let fused: Vec<f64> =
        members.iter().map(|[a, b]| sigmoid((logit(*a) + logit(*b)) / 2.0)).collect();
    assert_frames(&outcome, &fused);

    let clips = outcome.named("m2sd-clip");
    assert_eq!(clips.len(), 2 * members.len());
    for (number, (pair, (scores, fused))) in
        clips.chunks(2).zip(members.iter().zip(&fused)).enumerate()
    {
        let names = pair.iter().map(|clip| clip.get::<&str>("model-name").unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["analytic_classifier", "single"]);
        for (clip, score) in pair.iter().zip(scores) {
            let found: f64 = clip.get("score").unwrap();
            assert!((found - score).abs() < EXACT, "{clip}");
        }
        let together: f64 = pair[0].get("fused-score").unwrap();
        assert!((together - fused).abs() < EXACT, "{}", pair[0]);
        assert!(!pair[1].has_field("fused-score"));
        let frames = [0, 1].map(|place| pair[place].get::<u32>("frames").unwrap() as usize);
        assert_eq!(frames, [T, 1]);
        // Of the second, its own frame's time.
        let starts = [0, 1].map(|place: usize| pair[place].get::<u64>("start").unwrap());
        assert_eq!(starts.map(|ns| ns / 40_000_000), [number as u64, number as u64 + 1]);
    }
    assert_eq!(stat::<u64>(&rig.element, "clips-scored"), members.len() as u64);
    let verdict = found_one(&outcome.buffers[8]).m2sd;
    assert_eq!(verdict.get::<&str>("threshold-source").unwrap(), "fused");
    assert!(!verdict.get::<bool>("calibrated").unwrap());
}

#[test]
fn calibrated_classifiers_are_fused_by_the_sum_of_their_likelihood_ratios() {
    let calibration = |slope: f64, intercept: f64| {
        format!(
            "\n\n[calibration]\nmethod=platt\nslope={slope}\nintercept={intercept}\npopulation=drawn\n\
             real=10\nfake=10\ndate=2026-11-26\nlist-sha256=ab\n"
        )
    };
    let keys = [calibration(1.5, -0.25), calibration(0.5, 0.5)];
    let dir = two_classifiers([&keys[0], &keys[1]]);
    let (_rig, outcome) = complete(ensemble(dir.path()), &REDS);
    let llr = |[a, b]: &[f64; 2]| 1.5 * logit(*a) - 0.25 + 0.5 * logit(*b) + 0.5;
    let members = members();
    let fused: Vec<f64> = members.iter().map(|scores| sigmoid(llr(scores))).collect();
    assert_frames(&outcome, &fused);
    let last = found_one(&outcome.buffers[8]).m2sd;
    assert!(last.get::<bool>("calibrated").unwrap());
    // The clips of each have its own ratio.
    let first = outcome.named("m2sd-clip")[0];
    let own: f64 = first.get("llr").unwrap();
    assert!((own - (1.5 * logit(members[0][0]) - 0.25)).abs() < 1e-2, "{first}");
}

#[test]
fn each_has_its_own_pictures_and_the_rate_of_those_that_see_motion() {
    // The square of GenD's template reaches farther: its crop serves both.
    let dir = two_classifiers(["fps=11,13", "template=gend\nalign=frame\nfps=100,200"]);
    let (_rig, outcome) = complete(ensemble(dir.path()), &REDS);
    let clips = outcome.named("m2sd-clip");
    let of = |name: &str| {
        let named = clips.iter().filter(|c| c.get::<&str>("model-name").unwrap() == name);
        named.map(|clip| clip.get::<f64>("score").unwrap()).collect::<Vec<_>>()
    };
    // 25 frames a second: every second one.
    let taken: Vec<u8> = REDS.iter().step_by(2).copied().collect();
    let windows = sliding(taken.len(), T, 1);
    let expected: Vec<_> = windows.iter().map(|window| clip_score(&taken, window)).collect();
    let found = of("analytic_classifier");
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < EXACT), "{found:?}");
    assert_eq!(of("single").len(), expected.len());
    assert!(outcome.buffers.iter().all(|buffer| found_one(buffer).score().is_some()));
}

#[test]
fn an_ensemble_keeps_up_in_live_mode_and_after_a_flush() {
    let dir = two_classifiers(["", ""]);
    let element = ensemble(dir.path());
    element.set_property_from_str("mode", "live");
    element.set_property("detect-interval", 1u32);
    // A frame has its own faces, however busy the machine is.
    element.set_property("max-latency", 10_000_000_000u64);
    let mut rig = Rig::new(element);
    rig.await_engines(&super::picture::Picture::new(160, 120, &[]));
    for round in 0..3 {
        for picture in one_face_each(&[90; 2 * T]) {
            rig.push_rgb(&[picture]);
            rig.pull();
        }
        rig.await_stat("clips-waiting", 0);
        if round < 2 {
            rig.harness.push_event(gst::event::FlushStart::new());
            rig.harness.push_event(gst::event::FlushStop::new(true));
            rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<
                gst::ClockTime,
            >::new()));
        }
    }
    rig.push_rgb(&one_face_each(&[90]));
    let face = found_one(&rig.pull());
    assert!((face.score().unwrap() - 90.0 / 255.0).abs() < EXACT, "{face:?}");
    rig.finish();
}

#[test]
fn a_classifier_that_is_missing_or_named_twice_is_an_error() {
    let dir = two_classifiers(["", ""]);
    for (names, expected) in
        [("single,nobody", "nobody"), ("single,single", "named twice"), ("single,", "classifier")]
    {
        let element = filter(dir.path());
        element.set_property("classifier", names);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err(), "{names}");
        let error = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error");
        assert!(error_text(&error).contains(expected), "{names}: {}", error_text(&error));
        element.set_state(gst::State::Null).unwrap();
    }
}
