//! `m2sd scan`, and the models that it finds.

use std::path::{Path, PathBuf};
use std::process::Command;

use gstm2sd::models::synth::{self, ClipShape, Synth};

use super::support;
use super::{classifier, command, m2sd, of_type, records, scene, stderr, text};

#[test]
fn scan_writes_an_annotated_video_records_and_a_table() {
    let out = tempfile::tempdir().unwrap();
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args = ["scan", text(&video), "--out", text(out.path()), "--engines", text(&engines)];
    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert!(run.stdout.is_empty());
    assert!(stderr(&run).contains("DRAWN SCENE"), "{}", stderr(&run));

    let records = records(&std::fs::read_to_string(out.path().join("scores.jsonl")).unwrap());
    assert_eq!(records[0]["type"], "header");
    assert_eq!(records[0]["trained"], false);
    assert_eq!(records[0]["classifiers"][0]["sha256"].as_str().map(str::len), Some(64));
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
    assert!(!stderr(&run).contains("ffmpeg"), "{}", stderr(&run));
}

/// A classifier that somebody brought: what nobody says of it is said.
#[test]
fn a_classifier_without_a_sidecar_is_not_called_trained() {
    let dir = tempfile::tempdir().unwrap();
    let classifier = classifier(dir.path(), ClipShape::default());
    let bare = dir.path().join("bare.onnx");
    std::fs::copy(classifier, &bare).unwrap();
    let engines = scene().join("engines");
    let file = scene().join("scene.mp4");
    let run = m2sd(&[
        "scan",
        text(&file),
        "--json",
        "-",
        "--engines",
        text(&engines),
        "--classifier",
        text(&bare),
        "--clip-stride",
        "16",
        "--max-faces",
        "1",
    ]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(stderr(&run).contains("no sidecar says whether it was trained"), "{}", stderr(&run));
    assert!(!stderr(&run).contains("called fake"), "{}", stderr(&run));
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    assert_eq!(
        (&records[0]["trained"], &records[0]["training"], &records[0]["threshold"]),
        (&false.into(), &"unknown".into(), &serde_json::Value::Null)
    );
    let most =
        of_type(&records, "frame").iter().map(|f| f["faces"].as_array().unwrap().len()).max();
    assert_eq!(most, Some(1));
}

#[test]
fn golden_a_damaged_stretch_costs_its_own_frames_only() {
    let shared = support::shared_dir();
    let sample = shared.join("media/poetry_jam_360p.mp4");
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(sample).unwrap();
    let (start, end) = (bytes.len() / 3, bytes.len() / 2);
    bytes[start..end].iter_mut().enumerate().for_each(|(n, byte)| *byte = (n * 31 % 251) as u8);
    let damaged = dir.path().join("damaged.mp4");
    std::fs::write(&damaged, bytes).unwrap();
    let engines = scene().join("engines");
    let run = m2sd(&["scan", text(&damaged), "--json", "-", "--engines", text(&engines)]);
    assert_eq!(run.status.code(), Some(5), "{}", stderr(&run));
    assert!(stderr(&run).contains("is damaged"), "{}", stderr(&run));
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    let footer = records.last().unwrap();
    assert_eq!(footer["end"], "truncated-input");
    let stretch = &footer["damage"][0];
    let [from, to] = ["start", "end"].map(|name| stretch[name].as_f64().unwrap());
    assert!(from > 2.0 && to < 7.0 && to - from > 0.5, "{footer}");
    let times: Vec<_> =
        of_type(&records, "frame").iter().map(|f| f["time"].as_f64().unwrap()).collect();
    assert!((150..299).contains(&times.len()), "{} frames", times.len());
    assert!(times.last().is_some_and(|last| *last > 9.5), "{:?}", times.last());
}

#[test]
fn models_are_listed_verified_and_damage_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let engines = text(dir.path());
    let mut verify = command(&["models", "verify", "--engines", engines]);
    // Nor is there a detector where a scan looks next.
    let verify = verify.current_dir(dir.path()).env("XDG_DATA_HOME", dir.path());
    assert_eq!(verify.output().unwrap().status.code(), Some(4));
    assert!(m2sd(&["models", "synth", "--engines", engines]).status.success());
    let listed = m2sd(&["models", "list", "--engines", engines]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    for words in ["detector", "aligner", "classifier", "for the drawn scene only", "boxes"] {
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
        let args = ["scan", text(video), "--out", text(&results), "--force"];
        m2sd(&[&args[..], &["--engines", text(&engines)]].concat())
    };
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let files = || {
        let all = list(&results).into_iter().chain(list(&results.join("crops")));
        let all = all.filter(|path| path.is_file());
        let mut files: Vec<_> = all.map(|path| (std::fs::read(&path).unwrap(), path)).collect();
        files.sort();
        files
    };
    assert_eq!(scan(&broken).status.code(), Some(3));
    assert_eq!(files(), [], "nothing was said, so there is no file");
    assert_eq!(scan(&scene().join("scene.mp4")).status.code(), Some(0));
    let before = files();
    assert!(before.len() > 2, "video, records and crops");
    assert_eq!(scan(&broken).status.code(), Some(3));
    assert!(files() == before, "the results of before are gone");
}

/// A demuxed file has two streams to end.
#[test]
fn golden_an_interrupt_ends_the_files_of_a_video_with_sound() {
    let shared = support::shared_dir();
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
    let scores = results.join("scores.jsonl.part");
    let begun = || scores.metadata().is_ok_and(|m| m.len() > 0);
    while !begun() && scan.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // SAFETY: signals a child that has not been waited for.
    unsafe { libc::kill(scan.id() as i32, libc::SIGINT) };
    assert_eq!(scan.wait().unwrap().code(), Some(130));
    let records = records(&std::fs::read_to_string(results.join("scores.jsonl")).unwrap());
    let frames = of_type(&records, "frame").len();
    assert!((1..200).contains(&frames), "{frames} of 275 frames: it went on to the end");
    let annotated = results.join("annotated.mp4");
    assert!(annotated.metadata().unwrap().len() > 1000, "the video is not finished");
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
