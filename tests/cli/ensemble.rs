//! Several classifiers of one scan.

use gstm2sd::models::synth::ClipShape;

use super::running::assert_code;
use super::{classifier, m2sd, of_type, records, scene, stderr, text};

#[test]
fn a_scan_by_two_classifiers_tells_what_each_says_and_what_both_say() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clips = ClipShape { frames: 4, size_px: 32, ..ClipShape::default() };
    let a = classifier(first.path(), clips.clone());
    let single = classifier(second.path(), ClipShape { frames: 1, ..clips });
    let b = second.path().join("single.onnx");
    for ending in ["onnx", "onnx.modelinfo"] {
        std::fs::rename(single.with_extension(ending), b.with_extension(ending)).unwrap();
    }
    let both = format!("{},{}", text(&a), text(&b));
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args = ["scan", text(&video), "--engines", text(&engines), "--provider", "cpu"];
    let args = [&args[..], &["--classifier", &both]].concat();
    let run = m2sd(&[&args[..], &["--json", "-"]].concat());
    assert_code(&run, 0);
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    let files = records[0]["classifiers"].as_array().unwrap();
    assert_eq!(
        files.iter().map(|file| &file["file"]).collect::<Vec<_>>(),
        ["analytic_classifier.onnx", "single.onnx"]
    );
    assert_eq!(records[0]["threshold-source"], "fused");
    let clips = of_type(&records, "clip");
    let by = |name: &str| clips.iter().filter(|clip| clip["classifier"] == name).count();
    assert!(by("single") > 4 && by("single") == by("analytic_classifier"), "{}", clips.len());
    for clip in clips {
        let fused = clip["fused-score"].as_f64();
        assert_eq!(fused.is_some(), clip["classifier"] == "analytic_classifier", "{clip}");
    }
    let said = stderr(&run);
    assert!(said.contains("fused by the mean of their log odds"), "{said}");

    let folder = second.path().join("clips");
    let run = m2sd(&[&args[..], &["--clips", text(&folder)]].concat());
    assert!(stderr(&run).contains("there is more than one"), "{}", stderr(&run));
    assert_eq!(run.status.code(), Some(2));
}
