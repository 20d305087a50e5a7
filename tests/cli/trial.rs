//! A model that could not be used is refused when it comes, and named by `verify`.

use std::path::Path;

use gstm2sd::core::modelinfo::DetectorFamily;
use gstm2sd::models::synth::{self, DetectorShape, Synth};

use super::networks::{self, Fault};
use crate::{m2sd, stderr, text};

/// Imports a model; its exit code, and what is said.
fn import(model: &Path, engines: &Path, more: &[&str]) -> (Option<i32>, String) {
    let args = ["models", "import", text(model), "--engines", text(engines)];
    let run = m2sd(&[&args[..], more].concat());
    (run.status.code(), stderr(&run))
}

#[test]
fn a_network_that_answers_nonsense_is_not_imported() {
    let dir = tempfile::tempdir().unwrap();
    let [made, engines] = ["made", "engines"].map(|name| dir.path().join(name));
    std::fs::create_dir(&made).unwrap();
    networks::write(&made, "nan", Fault::NaN);
    let (code, said) = import(&made.join("nan.onnx"), &engines, &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("it cannot be used") && said.contains("NaN"), "{said}");
    assert!(!engines.join("nan.onnx").exists() && !engines.join("nan.onnx.modelinfo").exists());
    // By hand it gets there all the same, and is found.
    let verified = m2sd(&["models", "verify", "--engines", text(&made)]);
    assert_eq!(verified.status.code(), Some(4), "{verified:?}");
    // A detector is missed first.
    synth::write(&Synth::Detector, &made).unwrap();
    let verified = m2sd(&["models", "verify", "--engines", text(&made)]);
    let said = stderr(&verified);
    assert_eq!(verified.status.code(), Some(4), "{said}");
    assert!(said.contains("nan.onnx cannot be used"), "{said}");
    let told = String::from_utf8(verified.stdout).unwrap();
    assert!(told.contains("analytic_detector.onnx is used, and runs"), "{told}");
}

#[test]
fn a_network_of_another_role_is_refused_with_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let [made, engines] = ["made", "engines"].map(|name| dir.path().join(name));
    let detector = synth::write(&Synth::Detector, &made).unwrap();
    let sidecar = made.join("analytic_detector.onnx.modelinfo");
    let info = std::fs::read_to_string(&sidecar).unwrap();
    std::fs::write(&sidecar, info.replace("role=detector", "role=aligner")).unwrap();
    let (code, said) = import(&detector, &engines, &[]);
    assert_eq!(code, Some(4), "{said}");
    for part in ["engines/analytic_detector.onnx", "boxes f32[?,?,4]", "f32[N,136]"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!engines.join("analytic_detector.onnx").exists());
}

#[test]
fn detectors_of_every_family_are_tried_and_wrong_anchors_refused() {
    for family in [DetectorFamily::RetinaFace, DetectorFamily::YuNet, DetectorFamily::Scrfd] {
        let dir = tempfile::tempdir().unwrap();
        let [made, engines] = ["made", "engines"].map(|name| dir.path().join(name));
        let shape = DetectorShape { family, fixed_px: None };
        let detector = synth::write(&Synth::DetectorOf(shape), &made).unwrap();
        let (code, said) = import(&detector, &engines, &[]);
        assert_eq!(code, Some(0), "{family:?}: {said}");
        let verified = m2sd(&["models", "verify", "--engines", text(&engines)]);
        let told = String::from_utf8(verified.stdout).unwrap();
        assert!(told.contains("analytic_detector.onnx is used, and runs"), "{family:?}: {told}");

        let sidecar = made.join("analytic_detector.onnx.modelinfo");
        let info = std::fs::read_to_string(&sidecar).unwrap();
        let anchors = "[modelinfo]\nanchors=10,16,24;32,48";
        std::fs::write(&sidecar, info.replace("[modelinfo]", anchors)).unwrap();
        let (code, said) = import(&detector, &engines, &[]);
        if family == DetectorFamily::RetinaFace {
            assert_eq!(code, Some(4), "{said}");
            assert!(said.contains("anchors=10,16,24;32,48"), "{said}");
        } else {
            assert_eq!(code, Some(0), "it has no anchors: {said}");
        }
    }
}

#[test]
#[ignore = "takes a minute"]
fn a_network_that_never_answers_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    networks::write(dir.path(), "endless", Fault::Endless);
    let (code, said) = import(&dir.path().join("endless.onnx"), &dir.path().join("out"), &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("it has not answered within 60 s"), "{said}");
}
