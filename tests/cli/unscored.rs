//! Scans without a classifier, and with one that nobody vouches for.

use std::path::Path;
use std::process::Output;

use gstm2sd::models::synth::{self, Synth};
use serde_json::Value;

use super::running::assert_code;
use super::{command, of_type, records, scene, stderr, text};

/// Scans the scene in an empty folder of an empty home, with the engines of `engines` alone.
fn scan(engines: &Path, more: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let video = scene().join("scene.mp4");
    let args = ["scan", text(&video), "--json", "-", "--engines", text(engines)];
    let mut command = command(&args);
    command.args(more).current_dir(home.path()).env("HOME", home.path());
    command.env_remove("XDG_DATA_HOME").output().unwrap()
}

/// The analytic detector, and nothing else.
fn detector_only() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    synth::write(&Synth::Detector, dir.path()).unwrap();
    dir
}

fn assert_followed_and_not_judged(run: &Output) -> Vec<Value> {
    assert_code(run, 0);
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    for unknown in ["classifier", "trained", "training", "threshold"] {
        assert!(records[0][unknown].is_null(), "{unknown}: {}", records[0]);
    }
    for classifier in ["provider", "precision"] {
        assert_eq!(records[0][classifier], "");
    }
    for detector in ["detect-provider", "detect-precision"] {
        assert!(!records[0][detector].as_str().unwrap().is_empty(), "{}", records[0]);
    }
    let frames = of_type(&records, "frame");
    assert_eq!(frames.len(), 60);
    for frame in frames {
        assert!(frame["score"].is_null(), "{frame}");
        let faces = frame["faces"].as_array().unwrap();
        assert!(faces.iter().all(|f| f["label"] == "unscored" && f["score"].is_null()), "{frame}");
        assert!(faces.iter().all(|f| f["track"].is_number() && f.get("reason").is_none()));
    }
    assert!(of_type(&records, "clip").is_empty());
    let end = of_type(&records, "footer")[0];
    let told = ["end", "faces", "clips", "frames-not-analysed"].map(|name| &end[name]);
    assert_eq!(told, [&"complete".into(), &3.into(), &0.into(), &Value::from(0)]);
    let said = stderr(run);
    assert_eq!(said.matches("  unscored").count(), 3, "{said}");
    assert!(!said.contains("fake") && !said.contains("real"), "{said}");
    records
}

#[test]
fn without_a_classifier_faces_are_followed_and_one_line_says_how_to_get_one() {
    let engines = detector_only();
    let run = scan(engines.path(), &[]);
    assert_followed_and_not_judged(&run);
    let said = stderr(&run);
    assert_eq!(said.matches("m2sd models fetch").count(), 1, "{said}");
}

#[test]
fn with_classifier_none_nobody_is_told_to_get_one() {
    let run = scan(&scene().join("engines"), &["--classifier", "none"]);
    assert_followed_and_not_judged(&run);
    assert!(!stderr(&run).contains("fetch"), "{}", stderr(&run));
    let run = scan(&scene().join("engines"), &["--classifier", "none", "--clips", "clips"]);
    assert_code(&run, 2);
    assert!(stderr(&run).contains("--clips"), "{}", stderr(&run));
}

#[test]
fn a_classifier_that_is_named_and_missing_is_an_error() {
    let engines = detector_only();
    let run = scan(engines.path(), &["--classifier", "m2sd"]);
    assert_code(&run, 4);
    assert!(stderr(&run).contains("m2sd.onnx"), "{}", stderr(&run));
}

#[test]
fn scores_of_random_weights_are_told_and_no_verdict() {
    let engines = detector_only();
    let model = synth::write(&Synth::analytic()[2], engines.path()).unwrap();
    let sidecar = engines.path().join("analytic_classifier.onnx.modelinfo");
    let written = std::fs::read_to_string(&sidecar).unwrap();
    assert!(model.is_file() && written.contains("training=analytic"), "{written}");
    for (training, words) in [
        ("training=untrained", "UNTRAINED"),
        ("training=unknown", "m2sd models import --training trained"),
    ] {
        std::fs::write(&sidecar, written.replace("training=analytic", training)).unwrap();
        let run = scan(engines.path(), &["--clip-stride", "16"]);
        assert_code(&run, 0);
        assert!(stderr(&run).contains(words), "{}", stderr(&run));
        assert!(!stderr(&run).contains("  fake") && !stderr(&run).contains("  real"));
        let records = records(std::str::from_utf8(&run.stdout).unwrap());
        let frames = of_type(&records, "frame");
        let faces = || frames.iter().flat_map(|f| f["faces"].as_array().unwrap());
        assert!(faces().any(|f| f["score"].is_number()));
        assert!(faces().all(|f| f["label"] == "insufficient"), "{training}");
        let reason = training.replace("training=unknown", "unknown-training");
        let reason = reason.trim_start_matches("training=");
        let told = |f: &Value| if f["score"].is_number() { reason } else { "no-clip" };
        assert!(faces().all(|f| f["reason"] == told(f)), "{training}");
    }
}
