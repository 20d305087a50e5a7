//! The command as a user runs it: exit codes, files, standard output.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use gstm2sd::models::synth::{self, ClipShape, Synth};
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
    let cases: [(&[&str], i32, &str); 6] = [
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
        (
            &["scan", text(&video), "--json", "-", "--engines", "/nowhere/engines"],
            4,
            "no engines folder /nowhere/engines",
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

#[test]
fn a_scan_that_fails_leaves_what_was_there() {
    let out = tempfile::tempdir().unwrap();
    let broken = out.path().join("broken.mp4");
    std::fs::write(&broken, b"not a video, whatever its name says").unwrap();
    let (engines, results) = (scene().join("engines"), out.path().join("results"));
    let scan = |video: &Path| {
        m2sd(&["scan", text(video), "--out", text(&results), "--engines", text(&engines)])
    };
    let files = || {
        let entries = std::fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.map(|path| (std::fs::read(&path).unwrap(), path)).collect();
        files.sort();
        files
    };
    assert_eq!(scan(&broken).status.code(), Some(3));
    assert_eq!(files(), [], "nothing was said, so there is no file");
    assert_eq!(scan(&scene().join("scene.mp4")).status.code(), Some(0));
    let before = files();
    assert_eq!(before.len(), 2);
    assert_eq!(scan(&broken).status.code(), Some(3));
    assert!(files() == before, "the results of before are gone");
}

/// A demuxed file has two streams to end.
#[test]
fn golden_an_interrupt_ends_the_files_of_a_video_with_sound() {
    let Some(shared) = common::shared_dir() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (engines, results) = (dir.path().join("engines"), dir.path().join("results"));
    let models =
        ["retinaface_mobilenet0.25.pth", "m2sd_tiny.pt"].map(|m| shared.join("models").join(m));
    let import = ["models", "import", "--engines", text(&engines)];
    let run = m2sd(&[&import[..], &[text(&models[0]), text(&models[1])]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let video = shared.join("media/poetry_jam_360p.mp4");
    let mut scan = Command::new(env!("CARGO_BIN_EXE_m2sd"))
        .args(["scan", text(&video), "--out", text(&results), "--engines", text(&engines)])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let scores = results.join("scores.jsonl");
    let begun = || scores.metadata().is_ok_and(|m| m.len() > 0);
    while !begun() && scan.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // SAFETY: signals a child that has not been waited for.
    unsafe { libc::kill(scan.id() as i32, libc::SIGINT) };
    assert!(scan.wait().unwrap().success());
    let records = records(&std::fs::read_to_string(&scores).unwrap());
    let frames = of_type(&records, "frame").len();
    assert!((1..200).contains(&frames), "{frames} of 275 frames: it went on to the end");
    let annotated = results.join("annotated.mp4");
    assert!(annotated.metadata().unwrap().len() > 1000, "the video is not finished");
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

/// The analytic classifier of another folder, in another shape or quantised.
fn classifier(dir: &Path, shape: ClipShape) -> PathBuf {
    synth::write(&Synth::Classifier(shape), dir).unwrap()
}

/// The drawn scene's clips, stored once.
fn clips() -> &'static Path {
    static CLIPS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = CLIPS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
        let folder = dir.path().join("clips");
        let mut args = vec!["scan", text(&video), "--engines", text(&engines)];
        args.extend(["--clips", text(&folder), "--clip-stride", "16"]);
        let run = m2sd(&args);
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        dir
    });
    made.path()
}

#[test]
fn a_scan_s_clips_tell_how_far_a_quantised_classifier_is_from_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let int8 = classifier(dir.path(), ClipShape { quantised: true, ..ClipShape::default() });
    let listed = m2sd(&["models", "list", "--engines", text(dir.path())]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("int8"), "{listed:?}");

    let (engines, folder) = (scene().join("engines"), clips().join("clips"));
    let mut args = vec!["models", "compare", "analytic_classifier", text(&int8)];
    args.extend(["--clips", text(&folder), "--engines", text(&engines), "--provider", "cpu"]);
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let table = String::from_utf8(run.stdout).unwrap();
    for words in ["UNTRAINED", "int8", "ms a clip", "0 clips are fake to one", "Most on scene_0"] {
        assert!(table.contains(words), "{words}: {table}");
    }

    args.extend(["--json", "-", "--precision", "fp32"]);
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let result = &records(std::str::from_utf8(&run.stdout).unwrap())[0];
    assert_eq!(
        (&result["a"]["precision"], &result["b"]["precision"]),
        (&"fp32".into(), &"int8".into())
    );
    assert_eq!(result["a"]["provider"], "cpu");
    let stored = std::fs::read_dir(&folder).unwrap().count();
    assert!(stored > 4, "{stored}");
    assert_eq!(result["clips"], stored);
    let [mean, p95, max] =
        ["mean", "p95", "max"].map(|k| result["difference"][k].as_f64().unwrap());
    assert!(0.0 < mean && mean <= p95 && p95 <= max, "{result}");
    assert!(max < 0.5 / 255.0 + 1e-6, "rounding to a 255th changes no more: {result}");
    assert!(folder.join(result["worst"]["clip"].as_str().unwrap()).is_file());

    args.extend(["--threshold", "0.9"]);
    let run = m2sd(&args);
    let result = &records(std::str::from_utf8(&run.stdout).unwrap())[0];
    assert_eq!(result["b"]["threshold"], 0.9);
}

#[test]
fn a_classifier_that_reads_bytes_is_compared_with_its_origin() {
    let (engines, folder) = (scene().join("engines"), clips().join("clips"));
    let bytes = tempfile::tempdir().unwrap();
    let origin = classifier(&bytes.path().join("origin"), ClipShape::default());
    let import = ["models", "import", text(&origin), "--name", "reads_bytes", "--input", "u8"];
    let run = m2sd(&[&import[..], &["--engines", text(bytes.path())]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));

    let model = bytes.path().join("reads_bytes.onnx");
    let args = ["models", "compare", "analytic_classifier", text(&model), "--json", "-"];
    let places = ["--clips", text(&folder), "--engines", text(&engines), "--provider", "cpu"];
    let run = m2sd(&[args, places].concat());
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let result = &records(std::str::from_utf8(&run.stdout).unwrap())[0];
    assert!(result["difference"]["max"].as_f64().unwrap() < 1e-5, "{result}");
    assert_eq!(result["label-changes"], 0);
}

#[test]
fn stored_clips_are_what_the_classifier_sees() {
    let paths = std::fs::read_dir(clips().join("clips")).unwrap();
    let mut reds: Vec<_> = paths
        .map(|entry| {
            let pixels: ndarray::Array4<u8> = ndarray_npy::read_npy(entry.unwrap().path()).unwrap();
            assert_eq!(pixels.dim(), (3, 16, 224, 224));
            [0, 1, 2].map(|channel| pixels[(channel, 8, 112, 112)])
        })
        .collect();
    reds.sort_unstable();
    // The faces that `m2sd synth-video` draws: red decides, no green, blue; encoded and decoded.
    let [first, last] = [reds[0], reds[reds.len() - 1]];
    assert!(first[0].abs_diff(25) < 13 && last[0].abs_diff(230) < 13, "{reds:?}");
    assert!(reds.iter().all(|[_, green, blue]| *green < 20 && *blue > 235), "{reds:?}");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let model = classifier(&folder("model"), ClipShape::default());
    let small = classifier(&folder("small"), ClipShape { size_px: 32, ..ClipShape::default() });
    let audio = Some(synth::Audio { mels: 80, frames: 50 });
    let listens = classifier(&folder("listens"), ClipShape { audio, ..ClipShape::default() });
    let empty = folder("empty");
    let store = |name: &str, write: &dyn Fn(&Path)| {
        let path = folder(name);
        write(&path.join("clip.npy"));
        path
    };
    let floats = ndarray::Array4::<f32>::zeros((3, 16, 224, 224));
    let floats = store("floats", &|path| ndarray_npy::write_npy(path, &floats).unwrap());
    let bytes = ndarray::Array4::<u8>::zeros((3, 16, 112, 112));
    let other_size = store("other", &|path| ndarray_npy::write_npy(path, &bytes).unwrap());
    let still = ndarray::Array3::<u8>::zeros((3, 224, 224));
    let still = store("still", &|path| ndarray_npy::write_npy(path, &still).unwrap());
    let damaged = store("damaged", &|path| std::fs::write(path, "no numbers").unwrap());

    let good = clips().join("clips");
    let compare = |b: &Path, clips: &Path, more: &[&str]| {
        let args = ["models", "compare", text(&model), text(b), "--clips", text(clips)];
        m2sd(&[&args, more].concat())
    };
    for (run, code, words) in [
        (compare(&model, &empty, &[]), 3, "m2sd scan VIDEO --clips"),
        (compare(&model, &dir.path().join("none"), &[]), 3, "cannot read"),
        (compare(&model, &floats, &[]), 3, "its elements are '<f4'; expected"),
        (compare(&model, &other_size, &[]), 3, "it is uint8 [3, 16, 112, 112]; expected"),
        (compare(&model, &still, &[]), 3, "it has 3 axes; expected"),
        (compare(&model, &damaged, &[]), 3, "clip.npy: "),
        (compare(&small, &good, &[]), 4, "no clip fits both"),
        (compare(&listens, &good, &[]), 4, "listens"),
        (compare(&dir.path().join("gone.onnx"), &good, &[]), 4, "gone.onnx"),
        (compare(&model, &good, &["--precision", "int8"]), 4, "is not quantised"),
    ] {
        assert_eq!(run.status.code(), Some(code), "{words}: {}", stderr(&run));
        assert!(stderr(&run).contains(words), "{words}: {}", stderr(&run));
    }
}

#[test]
fn int8_is_asked_of_the_classifier_alone() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let dir = tempfile::tempdir().unwrap();
    let int8 = classifier(dir.path(), ClipShape { quantised: true, ..ClipShape::default() });
    let mut args = vec!["scan", text(&video), "--engines", text(&engines), "--json", "-"];
    args.extend(["--precision", "int8", "--clip-stride", "16"]);
    let float = m2sd(&args);
    assert_eq!(float.status.code(), Some(4), "{}", stderr(&float));
    assert!(stderr(&float).contains("analytic_classifier.onnx is not quantised"), "{float:?}");
    args.extend(["--classifier", text(&int8)]);
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    assert!(of_type(&records, "clip").iter().all(|clip| clip["precision"] == "int8"));
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
    let build = ["engines", "build", "--engines", text(dir.path()), "--device", "gpu:99"];
    // Only the classifier has to be quantised.
    for more in [&[][..], &["--precision", "int8"]] {
        let run = m2sd(&[&build, more].concat());
        let error = stderr(&run);
        assert_eq!(run.status.code(), Some(4), "{error}");
        assert!(error.contains("provider tensorrt is not available"), "{error}");
        assert!(error.contains("NVIDIA") && error.contains("M2SD_RUNTIME"), "{error}");
    }
    let classifier = ["classifier=analytic_classifier", "--precision", "int8"];
    let error = stderr(&m2sd(&[&build[..], &classifier].concat()));
    assert!(error.contains("analytic_classifier.onnx is not quantised"), "{error}");
    let unknown = m2sd(&[&build[..], &["--precision", "int4"]].concat());
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
    assert!(!dir.path().join("cache").exists(), "a folder for nothing");
}
