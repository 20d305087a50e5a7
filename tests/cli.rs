//! The command as a user runs it: exit codes, files, standard output.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use gstm2sd::models::synth::{self, Synth};
use serde_json::Value;

fn m2sd(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m2sd"));
    command.args(args).env_remove("M2SD_ENGINES").output().expect("the command runs")
}

/// A folder with the analytic networks and a drawn scene, made once.
fn scene() -> &'static Path {
    static SCENE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = SCENE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        for network in Synth::analytic() {
            synth::write(&network, &dir.path().join("engines")).unwrap();
        }
        let scene = dir.path().join("scene.mp4");
        let made = m2sd(&["synth-video", "--frames", "60", "--out", scene.to_str().unwrap()]);
        assert!(made.status.success(), "{made:?}");
        dir
    });
    made.path()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn of_type<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

#[test]
fn scan_writes_an_annotated_video_records_and_a_table() {
    let out = tempfile::tempdir().unwrap();
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args = ["scan", text(&video), "--out", text(out.path()), "--engines", text(&engines)];
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(run.stdout.is_empty());
    assert!(stderr(&run).contains("UNTRAINED"), "{}", stderr(&run));

    let records = records(&std::fs::read_to_string(out.path().join("scores.jsonl")).unwrap());
    assert_eq!(records[0]["type"], "header");
    assert_eq!(records[0]["trained"], false);
    assert_eq!(records[0]["classifier"]["sha256"].as_str().map(str::len), Some(64));
    assert!(records[0]["provider"].is_string());
    let frames = of_type(&records, "frame");
    assert_eq!(frames.len(), 60);
    assert_eq!(frames[0]["faces"].as_array().map(Vec::len), Some(2));
    // The red of the first face is 230; what encoding does to it is small.
    let clips = of_type(&records, "clip");
    let red = clips.iter().find(|clip| clip["track"] == 0).unwrap();
    assert!((red["score"].as_f64().unwrap() - 230.0 / 255.0).abs() < 0.05, "{red}");

    let annotated: Vec<PathBuf> = std::fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem().is_some_and(|stem| stem == "annotated"))
        .collect();
    assert_eq!(annotated.len(), 1);
    let again = m2sd(&["scan", text(&annotated[0]), "--json", "-", "--engines", text(&engines)]);
    assert_eq!(again.status.code(), Some(0), "the annotated video plays: {}", stderr(&again));
}

#[test]
fn json_to_standard_output_is_alone_there() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let run = m2sd(&["scan", text(&video), "--json", "-", "--engines", text(&engines)]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    assert_eq!(of_type(&records, "frame").len(), 60);
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let engines = scene().join("engines");
    let empty = tempfile::tempdir().unwrap();
    let broken = empty.path().join("broken.mp4");
    std::fs::write(&broken, b"not a video, whatever its name says").unwrap();
    let video = scene().join("scene.mp4");
    let cases: [(&[&str], i32, &str); 5] = [
        (&["scan"], 2, "Usage"),
        (&["scan", text(&video), "--json", "-", "--threshold", "2"], 2, "expected 0 to 1"),
        (
            &["scan", "/nowhere.mp4", "--json", "-", "--engines", text(&engines)],
            3,
            "neither a file nor a URI",
        ),
        (&["scan", text(&broken), "--json", "-", "--engines", text(&engines)], 3, "m2sd: "),
        (
            &["scan", text(&video), "--json", "-", "--detector", "no-such-model"],
            4,
            "no-such-model.onnx",
        ),
    ];
    for (args, code, words) in cases {
        let run = m2sd(args);
        assert_eq!(run.status.code(), Some(code), "{args:?}: {}", stderr(&run));
        assert!(stderr(&run).contains(words), "{args:?}: {}", stderr(&run));
    }
}

#[test]
fn sound_without_video_is_an_input_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sound.wav");
    // 0.1 s of silence: a canonical 44-byte header and 16-bit mono samples at 8 kHz.
    let samples = [0u8; 1600];
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + samples.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    wav.extend([1u16, 1].map(u16::to_le_bytes).concat());
    wav.extend([8000u32, 16000].map(u32::to_le_bytes).concat());
    wav.extend([2u16, 16].map(u16::to_le_bytes).concat());
    wav.extend(b"data");
    wav.extend((samples.len() as u32).to_le_bytes());
    wav.extend(samples);
    std::fs::write(&file, wav).unwrap();
    let engines = scene().join("engines");
    let run = m2sd(&["scan", text(&file), "--json", "-", "--engines", text(&engines)]);
    assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
    assert!(stderr(&run).contains("no video stream"), "{}", stderr(&run));
}

#[test]
fn models_are_listed_verified_and_damage_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let engines = text(dir.path());
    assert_eq!(m2sd(&["models", "verify", "--engines", engines]).status.code(), Some(4));
    assert!(m2sd(&["models", "synth", "--engines", engines]).status.success());
    let listed = m2sd(&["models", "list", "--engines", engines]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    for words in ["detector", "aligner", "classifier", "UNTRAINED", "boxes"] {
        assert!(listed.contains(words), "{listed}");
    }
    assert_eq!(m2sd(&["models", "verify", "--engines", engines]).status.code(), Some(0));
    let model = dir.path().join("analytic_classifier.onnx");
    let mut bytes = std::fs::read(&model).unwrap();
    bytes.push(0);
    std::fs::write(&model, bytes).unwrap();
    let verified = m2sd(&["models", "verify", "--engines", engines]);
    assert_eq!(verified.status.code(), Some(4));
    assert!(String::from_utf8(verified.stdout).unwrap().contains("CHANGED"));
}

/// Times are the machine's; what is asserted is that every figure is there and what must be so.
#[test]
fn bench_counts_what_the_element_did() {
    let engines = scene().join("engines");
    let engines = text(&engines);
    let networks = ["--engines", engines, "--classifier", "analytic_classifier"];
    let size = ["--frames", "8", "--seconds", "10", "--faces", "2", "--detect-interval", "2"];
    // A format that has to be converted, so that this stage has work too.
    let how = ["bench", "--provider", "cpu", "--json", "-", "--format", "YUY2"];
    let args = [&how[..], &networks[..], &size[..]].concat();
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(stderr(&run).contains("classifier alone"), "{}", stderr(&run));
    let figures: Value = serde_json::from_slice(&run.stdout).unwrap();
    let measured = &figures["results"][0]["measured"];
    assert_eq!(measured["faces_per_detection"], 2.0, "{measured}");
    assert_eq!(measured["clips_failed"], 0);
    let stages = measured["stages"].as_object().unwrap();
    assert_eq!(stages.len(), 13);
    let idle: Vec<_> = stages.iter().filter(|(_, stage)| stage["p50_ms"] == 0.0).collect();
    assert_eq!(idle, [], "every stage has something to do");
    assert!(figures["limits"]["tflop_per_s"].as_f64().unwrap() > 0.0);

    let missing = m2sd(&["bench", "--against", "/nowhere.json"]);
    assert_eq!(missing.status.code(), Some(3), "{}", stderr(&missing));
    let wrong = m2sd(&["bench", "--resolution", "huge"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
}

#[test]
fn networks_that_read_bytes_see_the_same() {
    let (video, floats) = (scene().join("scene.mp4"), scene().join("engines"));
    let bytes = tempfile::tempdir().unwrap();
    for network in Synth::analytic() {
        let model = synth::write(&network, &floats).unwrap();
        let import = ["models", "import", text(&model), "--input", "u8", "--engines"];
        let run = m2sd(&[&import[..], &[text(bytes.path())]].concat());
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    }
    let listed = m2sd(&["models", "list", "--engines", text(bytes.path())]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.matches("_u8 u8[").count(), 3, "{listed}");

    let clips = |engines: &Path| {
        let scan = ["scan", text(&video), "--json", "-", "--no-video", "--engines", text(engines)];
        let run = m2sd(&[&scan[..], &["--provider", "cpu"]].concat());
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        let records = records(&String::from_utf8_lossy(&run.stdout));
        let clips = of_type(&records, "clip").into_iter();
        clips.map(|clip| clip["score"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (floats, bytes) = (clips(&floats), clips(bytes.path()));
    assert!(!floats.is_empty() && floats.len() == bytes.len(), "{floats:?} {bytes:?}");
    assert!(floats.iter().zip(&bytes).all(|(a, b)| (a - b).abs() < 1e-3), "{floats:?} {bytes:?}");
}

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
            "model=a\nmodel-sha256={sha256}\nprecision=fp16\nprofile-min=image:1x3x112x112\n\
             profile-opt=image:4x3x112x112\nprofile-max=image:4x3x112x112\ntensorrt=10.3.0\n\
             driver=550.54.15\ngpu=sm_90\nonnxruntime={}\n",
            gstm2sd::infer::runtime_version().unwrap()
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
fn building_engines_without_tensorrt_says_all_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    for network in Synth::analytic() {
        synth::write(&network, dir.path()).unwrap();
    }
    let run = m2sd(&["engines", "build", "--engines", text(dir.path()), "--device", "gpu:99"]);
    let error = stderr(&run);
    assert_eq!(run.status.code(), Some(4), "{error}");
    assert!(error.contains("provider tensorrt is not available"), "{error}");
    assert!(error.contains("NVIDIA") && error.contains("M2SD_RUNTIME"), "{error}");
    assert!(!dir.path().join("cache").exists(), "a folder for nothing");
}
