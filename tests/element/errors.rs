//! What is missing or broken is an element error that names it, before any frame leaves.

use std::path::{Path, PathBuf};

use gst::prelude::*;

use super::picture::{one_face, one_face_each};
use super::support::{Rig, T, Watchdog, error_text, filter, short_clips, write_networks};

/// The texts of the errors on the bus after an attempt to start in this state.
fn start(element: &gst::Element, state: gst::State) -> (bool, Vec<String>) {
    let _watchdog = Watchdog::new();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let started = element.set_state(state).is_ok();
    let errors = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error]));
    let errors = errors.map(|message| error_text(&message)).collect();
    element.set_state(gst::State::Null).unwrap();
    element.set_bus(None);
    (started, errors)
}

fn assert_refused(element: &gst::Element, parts: &[&str]) {
    let (started, errors) = start(element, gst::State::Ready);
    assert!(!started && errors.len() == 1, "started: {started}, {errors:?}");
    for part in parts {
        assert!(errors[0].contains(part), "{part} is not in: {}", errors[0]);
    }
}

/// Networks that a test may damage.
fn own_engines() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_networks(dir.path(), T, 32);
    dir
}

fn of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("analytic_{name}.onnx"))
}

#[test]
fn a_model_that_is_not_there_is_named_with_the_places() {
    for role in ["detector", "aligner", "classifier"] {
        let element = filter(short_clips());
        element.set_property(role, "no_such_model");
        let folder = short_clips().to_str().unwrap();
        assert_refused(&element, &[role, "no_such_model.onnx", folder, "m2sd models import"]);
        let element = filter(short_clips());
        element.set_property(role, "/nowhere/model.onnx");
        assert_refused(&element, &[role, "/nowhere/model.onnx"]);
    }
}

#[test]
fn a_model_of_another_role_is_refused() {
    for (role, other) in
        [("detector", "classifier"), ("classifier", "detector"), ("aligner", "detector")]
    {
        let element = filter(short_clips());
        let path = of(short_clips(), other);
        element.set_property(role, path.to_str().unwrap());
        assert_refused(&element, &[role, other, path.to_str().unwrap()]);
    }
}

#[test]
fn wrong_settings_are_refused() {
    let element = filter(short_clips());
    element.set_property("device", "toaster");
    assert_refused(&element, &["device", "toaster"]);
    let element = filter(short_clips());
    element.set_property_from_str("landmark-source", "aligner");
    assert_refused(&element, &["landmark-source=aligner", "aligner"]);
}

/// Starts with networks that only loading shows to be wrong; a frame makes sure that it is over.
fn assert_fails_to_load(element: gst::Element, parts: &[&str]) {
    for mode in ["complete", "live"] {
        element.set_property_from_str("mode", mode);
        let mut rig = Rig::new(element.clone());
        let info = one_face(90).rgb_info();
        rig.caps(&info);
        let refused = loop {
            let buffer = one_face(90).buffer(&info, rig.next);
            rig.next += 1;
            if let Err(error) = rig.harness.push(buffer) {
                break error;
            }
        };
        assert_eq!(refused, gst::FlowError::Error, "{mode}");
        let error = rig.await_error();
        for part in parts {
            assert!(error.contains(part), "{mode}: {part} is not in: {error}");
        }
        drop(rig);
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_broken_model_is_named() {
    let whole = std::fs::read(of(short_clips(), "detector")).unwrap();
    let broken = [b"not an onnx file".to_vec(), Vec::new(), whole[..whole.len() / 2].to_vec()];
    for bytes in broken {
        for role in ["detector", "classifier"] {
            let dir = own_engines();
            let path = of(dir.path(), role);
            std::fs::write(&path, &bytes).unwrap();
            assert_fails_to_load(filter(dir.path()), &[path.to_str().unwrap()]);
        }
    }
}

#[test]
fn a_model_of_another_shape_is_named_with_what_was_expected() {
    // Without a sidecar to tell them apart.
    for (role, other) in [("detector", "classifier"), ("classifier", "detector")] {
        let dir = own_engines();
        let path = dir.path().join("stranger.onnx");
        std::fs::copy(of(dir.path(), other), &path).unwrap();
        let element = filter(dir.path());
        element.set_property(role, path.to_str().unwrap());
        assert_fails_to_load(element, &["stranger.onnx", role, "expected", "found"]);
    }
}

#[test]
fn a_provider_that_is_missing_is_an_error_and_not_the_cpu() {
    let element = filter(short_clips());
    element.set_property_from_str("provider", "cuda");
    element.set_property_from_str("device", "63");
    assert_fails_to_load(element, &["cuda"]);
}

#[test]
fn a_broken_sidecar_is_named() {
    let dir = own_engines();
    let sidecar = dir.path().join("analytic_detector.onnx.modelinfo");
    assert!(sidecar.is_file());
    std::fs::write(&sidecar, "[modelinfo]\nversion=1.0\nrole=toaster\n").unwrap();
    let element = filter(dir.path());
    element.set_property("detector", of(dir.path(), "detector").to_str().unwrap());
    assert_refused(&element, &["sidecar", "analytic_detector", "toaster"]);
}

/// What the element has explained itself is not blamed on downstream when the stream ends.
#[test]
fn one_failure_is_one_error() {
    let mut rig = Rig::new(filter(short_clips()));
    let info = one_face(90).rgb_info();
    rig.caps(&info);
    let short = gst::Buffer::from_slice(vec![0u8; 100]);
    while rig.harness.push(short.clone()).is_ok() {}
    let error = rig.await_error();
    assert!(error.contains("100"), "{error}");
    assert!(!rig.harness.push_event(gst::event::Eos::new()));
    let second = rig.bus.pop_filtered(&[gst::MessageType::Error]);
    assert!(second.is_none(), "{second:?}");
}

#[test]
fn after_an_error_a_right_setting_works() {
    let element = filter(short_clips());
    element.set_property("classifier", "no_such_model");
    assert!(!start(&element, gst::State::Ready).0);
    element.set_property("classifier", None::<&str>);
    let mut rig = Rig::new(element);
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&one_face_each(&[90; 4]));
    assert_eq!(rig.finish().buffers.len(), 4);
}
