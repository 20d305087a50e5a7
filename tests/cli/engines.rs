//! `m2sd engines`.

use gstm2sd::infer::{CancelToken, EngineOptions, Provider, load_engine};
use gstm2sd::models::synth::{self, Synth};

use super::{m2sd, stderr, text};

#[test]
fn engines_are_listed_and_pruned_without_a_gpu() {
    let dir = tempfile::tempdir().unwrap();
    let engines = text(dir.path());
    let run = |args: &[&str]| {
        let run = m2sd(&[&["engines"], args, &["--engines", engines]].concat());
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    assert!(run(&["list"]).starts_with("No engines in "));

    let model = synth::write(&Synth::Aligner, dir.path()).unwrap();
    let record = |sha256: &str| {
        format!(
            "model=a\nmodel-sha256={sha256}\nprovider=tensorrt\nprecision=fp16\nprofile-min=image:1x3x112x112\n\
             profile-opt=image:4x3x112x112\nprofile-max=image:4x3x112x112\ntensorrt=10.3.0\n\
             driver=550.54.15\ngpu=sm_90\nonnxruntime={}\n",
            gstm2sd::infer::onnxruntime::version().unwrap()
        )
    };
    let put = |name: &str, record: Option<String>| {
        let place = dir.path().join("cache").join(name);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("TRTKernel.engine"), "bytes").unwrap();
        record.into_iter().for_each(|r| std::fs::write(place.join("engine.txt"), r).unwrap());
    };
    put("good", Some(record(&gstm2sd::models::sha256(&model).unwrap())));
    put("replaced", Some(record(&"0".repeat(64))));
    put("interrupted", None);

    let listed = run(&["list"]);
    let line = |name: &str| listed.lines().find(|l| l.starts_with(name)).unwrap().to_owned();
    assert!(line("replaced").ends_with("STALE: its model is gone or has changed"), "{listed}");
    assert!(line("interrupted").ends_with("STALE: not finished"), "{listed}");
    assert!(listed.contains("image:1x3x112x112 to image:4x3x112x112"), "{listed}");
    let would = run(&["prune", "--dry-run"]);
    assert!(would.contains("would remove interrupted"), "{would}");
    let there = |name: &str| dir.path().join("cache").join(name).is_dir();
    assert!(there("interrupted"));
    run(&["prune"]);
    assert!(!there("interrupted") && !there("replaced"));
    // Where there is a GPU it is stale for its versions, which are made up.
    assert!(there("good") || line("good").contains("STALE"), "{listed}");
    run(&["prune", "--all"]);
    assert!(!there("good"));
}

#[test]
fn what_openvino_compiled_is_listed_and_pruned_when_its_model_changes() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let run = m2sd(&[&["engines"], args, &["--engines", text(dir.path())]].concat());
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    let model = synth::write(&Synth::Aligner, dir.path()).unwrap();
    let options = EngineOptions { provider: Provider::OpenVino, ..EngineOptions::default() };
    load_engine(&model, &options, &CancelToken::new()).unwrap();
    let listed = run(&["list"]);
    assert!(listed.starts_with("analytic_aligner-") && listed.contains("  usable"), "{listed}");
    assert_eq!(run(&["prune"]), "Usable engines: 1\n");

    let bytes = std::fs::read(&model).unwrap();
    std::fs::write(&model, bytes).unwrap();
    let listed = run(&["list"]);
    assert!(listed.contains("STALE: its model is gone or has changed"), "{listed}");
    let pruned = run(&["prune"]);
    assert!(pruned.contains("removed analytic_aligner-"), "{pruned}");
    assert!(run(&["list"]).starts_with("No engines in "));
}

#[test]
fn building_engines_without_tensorrt_says_all_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    for network in Synth::analytic() {
        synth::write(&network, dir.path()).unwrap();
    }
    let build = ["engines", "build", "--engines", text(dir.path()), "--device", "gpu:99"];
    // Only the classifier has to be quantised.
    for more in [&[][..], &["--precision", "int8"]] {
        let run = m2sd(&[&build, more].concat());
        let error = stderr(&run);
        assert_eq!(run.status.code(), Some(4), "{error}");
        for provider in ["tensorrt", "tensorrt-rtx"] {
            assert!(error.contains(&format!("provider {provider} is not available")), "{error}");
        }
        assert!(error.contains("NVIDIA") && error.contains("M2SD_RUNTIME"), "{error}");
    }
    let one = stderr(&m2sd(&[&build[..], &["--provider", "tensorrt-rtx"]].concat()));
    assert!(one.contains("make setup GPU=1"), "{one}");
    assert!(!one.contains("provider tensorrt is"), "{one}");
    let classifier = ["classifier=analytic_classifier", "--precision", "int8"];
    let error = stderr(&m2sd(&[&build[..], &classifier].concat()));
    assert!(error.contains("analytic_classifier.onnx is not quantised"), "{error}");
    let unknown = m2sd(&[&build[..], &["--precision", "int4"]].concat());
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
    assert!(!dir.path().join("cache").exists(), "a folder for nothing");
}

#[test]
fn models_list_looks_where_a_scan_does() {
    let elsewhere = tempfile::tempdir().unwrap();
    let list = |engines: &std::path::Path| {
        let mut command = crate::command(&["models", "list"]);
        command.current_dir(elsewhere.path()).env("M2SD_ENGINES", engines);
        command.env("XDG_DATA_HOME", elsewhere.path());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(list(&crate::scene().join("engines")).contains("analytic_detector.onnx"));
    // The control: nothing there, nothing anywhere.
    assert!(list(elsewhere.path()).contains("No models in"));
}
