//! What records say, and in which order.

use gstm2sd::evidence::records::without_wall;
use gstm2sd::models::synth::ClipShape;
use serde_json::Value;

use super::networks::{self, Fault};
use super::running::assert_code;
use super::{classifier, m2sd, of_type, records, scene, stderr, text};

/// Scans the scene with this classifier; exit code, records, and what was said.
fn scan(model: &std::path::Path, more: &[&str]) -> (Option<i32>, String, String) {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args = ["scan", text(&video), "--json", "-", "--engines", text(&engines)];
    let run =
        m2sd(&[&args[..], &["--classifier", text(model), "--provider", "cpu"], more].concat());
    let said = stderr(&run);
    (run.status.code(), String::from_utf8(run.stdout).unwrap(), said)
}

/// The lines of six scans that differ in their threads only.
fn six_scans(stride: &str) -> [Vec<String>; 6] {
    let dir = tempfile::tempdir().unwrap();
    let one_frame = ClipShape { frames: 1, size_px: 32, ..ClipShape::default() };
    let model = classifier(dir.path(), one_frame);
    ["1", "2", "1", "2", "1", "0"].map(|threads| {
        let more = ["--clip-stride", stride, "--threads", threads];
        let (code, text, said) = scan(&model, &more);
        assert_eq!(code, Some(0), "{said}");
        assert!(text.lines().filter(|line| line.contains("\"clip\"")).count() > 4, "{text}");
        let threads = |mut record: Value| {
            if let Some(settings) = record["settings"].as_object_mut() {
                settings.remove("threads");
            }
            record
        };
        records(&text).into_iter().map(|r| threads(without_wall(r)).to_string()).collect()
    })
}

#[track_caller]
fn assert_same(scans: &[Vec<String>; 6]) {
    for (run, next) in scans.iter().enumerate() {
        let differing: Vec<_> = scans[0].iter().zip(next).filter(|(a, b)| a != b).collect();
        assert!(scans[0] == *next, "run {run} differs: {differing:#?}");
    }
}

#[test]
fn the_same_scan_gives_the_same_records() {
    assert_same(&six_scans("1"));
}

#[test]
fn frames_between_clips_say_the_same_in_every_scan() {
    assert_same(&six_scans("8"));
}

#[test]
fn clips_have_the_frame_rate_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let shape = ClipShape { frames: 4, size_px: 32, ..ClipShape::default() };
    let model = classifier(dir.path(), shape);
    let sidecar = model.with_added_extension("modelinfo");
    let plain = std::fs::read_to_string(&sidecar).unwrap();
    let longest = |more: &[&str]| {
        let (code, text, said) = scan(&model, more);
        assert_eq!(code, Some(0), "{said}");
        let records = records(&text);
        let seconds = of_type(&records, "clip")
            .iter()
            .map(|clip| clip["end"].as_f64().unwrap() - clip["start"].as_f64().unwrap())
            .fold(0.0, f64::max);
        let frames = of_type(&records, "frame").len();
        (seconds, frames, records[0]["settings"]["clip-fps"].as_str().unwrap().to_owned())
    };
    let (native, frames, asked) = longest(&[]);
    assert_eq!(asked, "auto");
    // The scene has 30 frames a second: three steps and a frame of it, and then of every other one.
    assert!((native - 4.0 / 30.0).abs() < 1e-3, "{native}");
    let (half, as_many, asked) = longest(&["--clip-fps", "15"]);
    assert!((half - 7.0 / 30.0).abs() < 1e-3, "{half}");
    assert_eq!((as_many, asked.as_str()), (frames, "15"));

    let slow = plain.replacen("[modelinfo]", "[modelinfo]\nfps=13,16", 1);
    std::fs::write(&sidecar, slow).unwrap();
    assert!((longest(&[]).0 - 7.0 / 30.0).abs() < 1e-3);
    assert!((longest(&["--clip-fps", "native"]).0 - 4.0 / 30.0).abs() < 1e-3);
    let (code, _, said) = scan(&model, &["--clip-fps", "fast"]);
    assert!(
        code == Some(2) && said.contains("expected auto, native, or frames a second"),
        "{said}"
    );
}

#[test]
fn a_clip_is_told_of_when_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let shape = ClipShape { frames: 4, size_px: 32, ..ClipShape::default() };
    let (code, text, said) = scan(&classifier(dir.path(), shape), &[]);
    assert_eq!(code, Some(0), "{said}");
    let records = records(&text);
    assert_eq!(records.last().unwrap()["type"], "footer");
    assert_eq!(records.last().unwrap()["clips"], of_type(&records, "clip").len());
    let number = |record: &Value, name: &str| record[name].as_f64().unwrap();
    let mut newest = None;
    let mut clips = Vec::new();
    for record in &records {
        if record["type"] == "frame" {
            newest = Some(number(record, "time"));
        } else if record["type"] == "clip" {
            let end = number(record, "end");
            assert!(newest.is_none_or(|newest| newest < end), "too late: {record}");
            assert!(record.get("milliseconds").is_none(), "not the same in every run: {record}");
            clips.push(["end", "start", "track"].map(|name| number(record, name)));
        }
    }
    assert!(clips.len() > 20 && clips.is_sorted(), "{clips:?}");
    let (_, text, _) = scan(&classifier(dir.path(), ClipShape::default()), &["--timings"]);
    let records = super::records(&text);
    let timed = of_type(&records, "clip").into_iter().all(|clip| clip["milliseconds"].is_f64());
    assert!(timed, "{text}");
}

#[test]
fn clips_without_a_score_are_counted_and_told() {
    let dir = tempfile::tempdir().unwrap();
    networks::write(dir.path(), "nan", Fault::NaN);
    networks::write(dir.path(), "half", Fault::NaNUnlessRed);
    let end = |text: &str| records(text).last().unwrap().clone();
    let count = |end: &Value, name: &str| end[name].as_u64().unwrap();

    let (code, text, said) = scan(&dir.path().join("nan.onnx"), &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no clip could be scored"), "{said}");
    let none = end(&text);
    assert_eq!((&none["end"], count(&none, "clips")), (&"failed".into(), 0));
    assert!(count(&none, "clips-failed") > 0, "{none}");

    let (code, text, said) = scan(&dir.path().join("half.onnx"), &[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("NOT ALL IS SCORED"), "{said}");
    let half = end(&text);
    assert_eq!(half["end"], "complete");
    assert!(count(&half, "clips") > 0 && count(&half, "clips-failed") > 0, "{half}");
    assert_eq!(count(&half, "frames"), 60);

    // The control.
    let shape = ClipShape { frames: 1, size_px: 32, ..ClipShape::default() };
    let (code, text, said) = scan(&classifier(dir.path(), shape), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("NOT ALL IS SCORED"), "{said}");
    let all = end(&text);
    let lost =
        ["clips-failed", "clips-skipped", "frames-not-analysed"].map(|name| count(&all, name));
    assert_eq!(lost, [0, 0, 0], "{all}");
}

#[test]
fn a_model_that_fails_ends_the_scan_if_it_should() {
    let dir = tempfile::tempdir().unwrap();
    networks::write(dir.path(), "fails", Fault::Fails);
    let model = dir.path().join("fails.onnx");
    let scan = |on_error| scan(&model, &["--on-error", on_error]);
    let (code, text, said) = scan("pass");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no clip could be scored") && said.contains("warning"), "{said}");
    assert_eq!(of_type(&records(&text), "frame").len(), 60, "{said}");
    let (code, text, said) = scan("fail");
    assert_eq!(code, Some(4), "{said}");
    assert!(!said.contains("no clip could be scored"), "the element says why: {said}");
    let records = records(&text);
    assert!(of_type(&records, "frame").len() < 60, "{said}");
    assert!(records.last().is_none_or(|end| end["end"] == "failed"), "{text}");
    assert_code(&m2sd(&["scan", "x.mp4", "--json", "-", "--on-error", "guess"]), 2);
}
