//! `m2sd eval` and `m2sd calibrate`, on drawn faces whose redness is their score.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::models::synth::scene::Face;
use gstm2sd::models::synth::{self, ClipShape, Synth};
use serde_json::Value;

use super::ending::long_scene;
use super::running::wait_until;
use super::{command, m2sd, scene, stderr, text};

const SIDE_PX: usize = 160;

/// A picture of one drawn face, or of none.
pub fn draw(path: &Path, red: Option<u8>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut rgb = vec![90; SIDE_PX * SIDE_PX * 3];
    if let Some(red) = red {
        Face { left_px: 40, top_px: 40, side_px: 80, red }.draw(&mut rgb, SIDE_PX);
    }
    let mut encoder =
        png::Encoder::new(File::create(path).unwrap(), SIDE_PX as u32, SIDE_PX as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&rgb).unwrap();
}

/// A folder of `count` real and `count` fake pictures, of these rednesses in turn.
fn data(dir: &Path, count: usize, real: &[u8], fake: &[u8]) -> PathBuf {
    let data = dir.join("data");
    for n in 0..count {
        for (class, reds) in [("real", real), ("fake", fake)] {
            let group = ["phone", "studio"][n % 2];
            draw(
                &data.join(class).join(group).join(format!("{n:02}.png")),
                Some(reds[n % reds.len()]),
            );
        }
    }
    data
}

/// The analytic networks, with a classifier of one frame that is called `name`.
fn engines(dir: &Path) -> PathBuf {
    let engines = dir.join("engines");
    let shape = ClipShape { frames: 1, size_px: 32, ..ClipShape::default() };
    for network in Synth::analytic() {
        synth::write(&network, &engines).unwrap();
    }
    synth::write(&Synth::Classifier(shape), &engines).unwrap();
    engines
}

fn eval_args<'a>(data: &'a Path, out: &'a Path, engines: &'a Path) -> Vec<&'a str> {
    let classifier = ["--classifier", "analytic_classifier", "--provider", "cpu"];
    let fixed = ["eval", text(data), "--out", text(out), "--engines", text(engines), "--quiet"];
    [&fixed[..], &classifier[..], &["--replicates", "50"]].concat()
}

fn metrics(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("metrics.json")).unwrap()).unwrap()
}

/// The records in a folder of results, with the time at which each was written.
fn records(out: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let folder = out.join("records/analytic_classifier/none");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| (file.path(), file.metadata().unwrap().modified().unwrap())).collect()
}

#[test]
fn known_videos_give_figures_whatever_becomes_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path(), 6, &[20, 40, 60], &[180, 200, 220]);
    std::fs::write(data.join("real/phone/broken.mp4"), "no video").unwrap();
    draw(&data.join("fake/empty.png"), None);
    std::fs::write(data.join("fake/notes.txt"), "left out").unwrap();
    std::fs::create_dir(data.join("real/nobody")).unwrap();
    let (out, engines) = (dir.path().join("out"), engines(dir.path()));
    let args = eval_args(&data, &out, &engines);
    let run = m2sd(&[&args[..], &["--jobs", "2"]].concat());
    assert_eq!(run.status.code(), Some(5), "{}", stderr(&run));
    assert!(stderr(&run).contains("1 of 14 scans failed"), "{}", stderr(&run));
    assert!(stderr(&run).contains("1 file left out"), "{}", stderr(&run));

    let metrics = metrics(&out);
    let of = &metrics["evaluations"][0];
    assert_eq!(of["videos"], serde_json::json!({ "real": 7, "fake": 7 }));
    for level in ["video", "track", "frame"] {
        let figures = &of["levels"][level];
        assert_eq!(figures["videos"], serde_json::json!({ "real": 6, "fake": 6 }), "{level}");
        assert_eq!(figures["auc"]["value"], 1.0, "{level}");
        assert_eq!(figures["equal-error-rate"]["high"], 0.0, "{level}");
    }
    assert_eq!(of["across-groups"]["pairs"].as_array().unwrap().len(), 4);
    assert_eq!(of["across-groups"]["loss"], 0.0);
    let reason = |file: &str| {
        let mut all = of["abstentions"].as_array().unwrap().iter();
        all.find(|a| a["file"] == file).unwrap()["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason("fake/empty.png"), "no face was found");
    assert!(reason("real/phone/broken.mp4").contains("broken.mp4"), "{of}");

    let scores = std::fs::read_to_string(out.join("scores.csv")).unwrap();
    assert_eq!(scores.lines().count(), 15, "{scores}");
    assert!(
        scores.contains("real/phone/00.png,real,phone,analytic_classifier,none,0,0"),
        "{scores}"
    );
    let page = std::fs::read_to_string(out.join("page.html")).unwrap();
    for part in ["<svg", "ANALYTIC", "broken.mp4", "Across groups"] {
        assert!(page.contains(part), "no {part}");
    }

    // What is done is not done again, and not with other options.
    let before = records(&out);
    assert_eq!(before.len(), 13);
    assert_eq!(m2sd(&args).status.code(), Some(5));
    assert_eq!(records(&out), before);
    let other = m2sd(&[&args[..], &["--clip-stride", "3"]].concat());
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("clip-stride 16, and now it is 3"), "{}", stderr(&other));
    // A file that has changed is.
    draw(&data.join("real/phone/00.png"), Some(230));
    m2sd(&args);
    assert_eq!(records(&out).len(), 14);
    let figures = &self::metrics(&out)["evaluations"][0]["levels"]["video"];
    assert!(figures["auc"]["value"].as_f64().unwrap() < 1.0, "{figures}");
    let page = std::fs::read_to_string(out.join("page.html")).unwrap();
    assert!(page.contains("src=\"data:image/jpeg;base64,"), "the worst error has a face");
}

#[test]
fn one_forged_face_makes_a_forged_video() {
    let dir = tempfile::tempdir().unwrap();
    let (out, engines) = (dir.path().join("out"), engines(dir.path()));
    draw(&dir.path().join("real.png"), Some(60));
    // A red face and a bluer one, bluer than the picture's.
    let drawn = scene().join("scene.mp4");
    let csv = dir.path().join("list.csv");
    let list = format!("file,label\nreal.png,real\n{},fake\n", text(&drawn));
    std::fs::write(&csv, list).unwrap();
    let run = m2sd(&eval_args(&csv, &out, &engines));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let levels = &metrics(&out)["evaluations"][0]["levels"];
    assert_eq!(levels["video"]["auc"]["value"], 1.0, "{levels}");
    assert!(levels["track"]["auc"]["value"].as_f64().unwrap() < 1.0, "{levels}");
    assert!(levels["track"]["scores"]["fake"].as_u64().unwrap() > 1, "{levels}");
}

/// Waits until so many records are there.
fn wait_for(out: &Path, count: usize, child: &mut Child) {
    let started = Instant::now();
    while records(out).len() < count {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        assert!(started.elapsed() < Duration::from_secs(60), "too slow");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_that_was_killed_or_interrupted_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path(), 10, &[40], &[200]);
    let (out, engines) = (dir.path().join("out"), engines(dir.path()));
    let args = eval_args(&data, &out, &engines);
    let start = || {
        let mut command = command(&[&args[..], &["--jobs", "1"]].concat());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut killed = start();
    wait_for(&out, 2, &mut killed);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let first = records(&out);
    assert!(first.len() < 20 && !out.join("metrics.json").exists());

    let mut interrupted = start();
    wait_for(&out, first.len() + 2, &mut interrupted);
    let pid = i32::try_from(interrupted.id()).unwrap();
    // SAFETY: it is our child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let ended = interrupted.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("the same command goes on from here"), "{}", stderr(&ended));
    let second = records(&out);
    assert!(second.len() < 20, "it was interrupted");

    let run = m2sd(&args);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let all = records(&out);
    assert_eq!(all.len(), 20);
    assert!(first.iter().chain(&second).all(|(file, time)| all.get(file) == Some(time)));
    assert_eq!(metrics(&out)["evaluations"][0]["levels"]["video"]["auc"]["value"], 1.0);
    let mut left = std::fs::read_dir(&out).unwrap().flatten();
    assert!(!left.any(|file| file.file_name().to_string_lossy().starts_with("work")));
}

#[test]
fn a_scan_ends_in_order_when_its_run_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (out, engines) = (dir.path().join("out"), engines(dir.path()));
    let csv = dir.path().join("list.csv");
    draw(&dir.path().join("fake.png"), Some(200));
    let list = format!("file,label\n{},real\nfake.png,fake\n", text(long_scene()));
    std::fs::write(&csv, list).unwrap();
    let args = [&eval_args(&csv, &out, &engines)[..], &["--jobs", "1"]].concat();
    let mut killed = command(&args);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let work = out.join(format!("work-{}", killed.id()));
    let lines = |name| std::fs::read_to_string(work.join(name)).unwrap_or_default();
    wait_until("records", || lines("0.jsonl.part").lines().count() > 20);
    killed.kill().unwrap();
    killed.wait().unwrap();
    wait_until("end", || work.join("0.jsonl").is_file());
    let last = super::records(&lines("0.jsonl")).pop().unwrap();
    assert_eq!((&last["type"], &last["end"]), (&"footer".into(), &"interrupted".into()));
    // The control: the next run, which lives, has it done.
    assert_eq!(m2sd(&args).status.code(), Some(0));
    assert!(!work.exists());
}

#[test]
fn wrong_data_is_told_by_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let engines = engines(dir.path());
    let (csv, out) = (dir.path().join("list.csv"), dir.path().join("out"));
    for (content, expected) in [
        ("file,label,group\na.mp4,real,x\nb.mp4,genuine,x\n", "list.csv: line 3: the label"),
        ("file,label\na.mp4,real\na.mp4,fake\n", "list.csv: line 3: a.mp4 is there already"),
        ("path,label\na.mp4,real\n", "no column \"file\""),
        ("file,label\na.mp4,real\n", "no fake video"),
    ] {
        std::fs::write(&csv, content).unwrap();
        let run = m2sd(&eval_args(&csv, &out, &engines));
        assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
        assert!(stderr(&run).contains(expected), "{}", stderr(&run));
    }
    std::fs::create_dir_all(dir.path().join("data/real")).unwrap();
    let run = m2sd(&eval_args(&dir.path().join("data"), &out, &engines));
    assert_eq!(run.status.code(), Some(3));
    assert!(stderr(&run).contains("no folder fake"), "{}", stderr(&run));
    assert!(!out.exists(), "nothing is begun");
    // Files that are not there are listed; where none is, that is an error.
    std::fs::write(&csv, "file,label\na.mp4,real\nb.mp4,fake\n").unwrap();
    let run = m2sd(&eval_args(&csv, &out, &engines));
    assert_eq!(run.status.code(), Some(4), "{}", stderr(&run));
    assert!(stderr(&run).contains("none of 2 scans succeeded"), "{}", stderr(&run));
}

#[test]
fn degraded_copies_and_frames_are_scored_like_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let engines = engines(dir.path());
    let frames = |name: &str, red: u8| -> Vec<String> {
        let name = |n: usize| format!("{name}/{n:03}.png");
        (0..4).for_each(|n| draw(&dir.path().join(name(n)), Some(red)));
        // In the order of a folder that was listed.
        [2, 0, 3, 1].map(|n| name(n).replace('/', "\\")).into()
    };
    let video = |label: &str, red| {
        let entry = serde_json::json!({ "label": label, "frames": frames(label, red) });
        serde_json::json!({ "test": { "c23": { "000": entry } } })
    };
    let set = serde_json::json!({ "FF-DF": {
        "FF-real": video("FF-real", 40), "FF-DF": video("FF-DF", 200),
    } });
    let json = dir.path().join("FF-DF.json");
    std::fs::write(&json, set.to_string()).unwrap();
    let out = dir.path().join("out");
    let args = eval_args(&json, &out, &engines);
    let run =
        m2sd(&[&args[..], &["--degrade", "resize,noise,jpeg", "--clip-stride", "1"]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let metrics = metrics(&out);
    let evaluations = metrics["evaluations"].as_array().unwrap();
    let names: Vec<_> = evaluations.iter().map(|e| e["degradation"].as_str().unwrap()).collect();
    let expected = [
        "none", "resize-2", "resize-4", "noise-5", "noise-10", "noise-20", "jpeg-75", "jpeg-50",
        "jpeg-25",
    ];
    assert_eq!(names, expected);
    for of in evaluations {
        let figures = &of["levels"]["frame"];
        assert_eq!(figures["auc"]["value"], 1.0, "{of}");
        assert_eq!(figures["scores"], serde_json::json!({ "real": 4, "fake": 4 }), "{of}");
    }
    let brier = |name: &str| {
        let of = evaluations.iter().find(|e| e["degradation"] == name).unwrap();
        of["levels"]["frame"]["brier"]["value"].as_f64().unwrap()
    };
    assert!(brier("noise-20") != brier("none"), "noise changes scores");
}

#[test]
fn a_calibrated_sidecar_says_what_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    // They overlap: two of ten of each are on the wrong side.
    let real = [10, 30, 45, 60, 70, 85, 100, 120, 150, 170];
    let fake = [80, 110, 135, 160, 175, 190, 200, 215, 230, 245];
    let data = data(dir.path(), 20, &real, &fake);
    let (out, engines) = (dir.path().join("out"), engines(dir.path()));
    let sidecar = engines.join("analytic_classifier.onnx.modelinfo");
    let mut before = std::fs::read_to_string(&sidecar).unwrap();
    before.insert_str(0, "# mine\n");
    std::fs::write(&sidecar, &before).unwrap();
    let named = ["--engines", text(&engines), "--classifier", "analytic_classifier"];
    let calibrate = |scores: &Path, more: &[&str]| {
        m2sd(
            &[&["calibrate", text(scores)], &named[..], &["--provider", "cpu", "--quiet"], more]
                .concat(),
        )
    };

    let run = calibrate(&data, &[]);
    assert_eq!(run.status.code(), Some(2), "{}", stderr(&run));
    assert!(stderr(&run).contains("--out"), "{}", stderr(&run));
    let run = calibrate(&data, &["--out", text(&out), "--dry-run"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("[calibration]") && said.contains("it takes 99 real videos"), "{said}");
    assert_eq!(std::fs::read_to_string(&sidecar).unwrap(), before);

    let run = calibrate(&out.join("scores.csv"), &["--name", "drawn faces"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let written = std::fs::read_to_string(&sidecar).unwrap();
    assert!(written.starts_with("# mine\n"), "{written}");
    let info: ModelInfo = written.parse().unwrap();
    let population = info.calibration.unwrap().population;
    assert_eq!((population.real, population.fake), (20, 20));
    assert_eq!((population.name.as_str(), population.list_sha256.len()), ("drawn faces", 64));
    let points: Vec<_> = info.points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!(points, ["eer"]);
    let eer = &info.points[0];
    assert!(eer.fpr.low <= eer.fpr.value && eer.fpr.value <= eer.fpr.high && eer.fpr.high < 1.0);
    // A scan reads it, and an evaluation goes on: its scores are the same.
    let run = m2sd(&eval_args(&data, &out, &engines));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let threshold = metrics(&out)["classifiers"][0]["threshold"].as_f64();
    assert!(threshold.is_some(), "the measured point is the operating point");

    let stranger = scene().join("engines");
    let other = ["--engines", text(&stranger), "--classifier", "analytic_detector"];
    let run = m2sd(&[&["calibrate", text(&out)], &other[..]].concat());
    assert_eq!(run.status.code(), Some(4), "a detector: {}", stderr(&run));
    std::fs::write(dir.path().join("s.csv"), "file,label,score\na,real,0.1\nb,fake,2\n").unwrap();
    let run = calibrate(&dir.path().join("s.csv"), &[]);
    assert_eq!(run.status.code(), Some(3));
    assert!(stderr(&run).contains("line 3: score is \"2\""), "{}", stderr(&run));
}
