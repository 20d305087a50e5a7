//! Results that take the place of others: all of them go, or none, and what is sealed stays.

use std::path::Path;

use super::running::assert_code;
use super::{m2sd, scene, stderr, text};

/// What a scan of a part of the drawn scene into a folder says.
fn scan(out: &Path, more: &[&str]) -> std::process::Output {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args = ["scan", text(&video), "--out", text(out), "--engines", text(&engines), "--quiet"];
    m2sd(&[&args[..], &["--clip-stride", "8", "--duration", "1"], more].concat())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_below_a_seal_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let [case, open] = ["case", "open"].map(|name| dir.path().join(name));
    let inner = case.join("inner");
    assert_code(&scan(&inner, &["--no-video"]), 0);
    assert_code(&scan(&open, &["--no-video"]), 0);
    let (key, public) = (dir.path().join("key"), dir.path().join("key.pub"));
    assert_code(&m2sd(&["key", "new", "--out", text(&key)]), 0);
    assert_code(&m2sd(&["seal", text(&case), "--key", text(&key)]), 0);
    let (new, clips) = (case.join("new/deep"), case.join("clips"));
    let changes = [
        scan(&inner, &["--no-video", "--force"]),
        scan(&new, &["--no-video"]),
        scan(&open, &["--no-video", "--force", "--clips", text(&clips)]),
        m2sd(&["report", text(&inner)]),
        m2sd(&["report", text(&open), "--out", text(&inner.join("report.html"))]),
    ];
    for run in changes {
        assert!(!run.status.success() && stderr(&run).contains("is sealed"), "{}", stderr(&run));
    }
    assert_code(&m2sd(&["verify", text(&case), "--key", text(&public)]), 0);
    // The controls: what is there is told again, and what is not sealed may change.
    assert_code(&scan(&inner, &["--no-video"]), 0);
    assert_code(&scan(&open, &["--no-video", "--force"]), 0);
    let page = dir.path().join("page.html");
    assert_code(&m2sd(&["report", text(&inner), "--out", text(&page)]), 0);
}

#[test]
fn nothing_of_replaced_results_is_left_among_the_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert_code(&scan(&out, &[]), 0);
    assert!(out.join("annotated.mp4").is_file() && !names(&out.join("crops")).is_empty());
    std::fs::write(out.join("note.txt"), "of somebody").unwrap();
    let report = out.join("report.html");
    assert_code(&m2sd(&["report", text(&out), "--out", text(&report)]), 0);
    let run = scan(&out, &["--no-video", "--no-crops", "--max-faces", "3", "--force"]);
    assert_code(&run, 0);
    assert!(stderr(&run).contains("report.html is of the results that were here before"));
    std::fs::remove_file(report).unwrap();
    assert_eq!(names(&out).iter().filter(|name| *name != "crops").count(), 2, "{:?}", names(&out));
    assert_eq!(names(&out.join("crops")), [] as [&str; 0]);
    assert!(out.join("note.txt").is_file(), "it was nobody's result");
    // And their places are free.
    assert_code(&scan(&out, &["--force"]), 0);

    // What the records do not name is no picture of their faces.
    let video = std::fs::read(out.join("annotated.mp4")).unwrap();
    let plain = dir.path().join("plain");
    assert_code(&scan(&plain, &["--no-video"]), 0);
    std::fs::write(plain.join("annotated.mp4"), video).unwrap();
    for (folder, has_pictures) in [(&plain, false), (&out, true)] {
        let records = folder.join("scores.jsonl");
        let text_of = std::fs::read_to_string(&records).unwrap();
        // The input is not to be found.
        std::fs::write(&records, text_of.replace("scene.mp4", "gone.mp4")).unwrap();
        assert_code(&m2sd(&["report", text(folder)]), 0);
        let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
        assert_eq!(page.contains("cut from annotated.mp4"), has_pictures, "{}", folder.display());
    }
}

#[test]
fn results_of_which_something_is_missing_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert_code(&scan(&out, &[]), 0);
    let were_there = || stderr(&scan(&out, &[])).contains("These results were there");
    assert!(were_there());
    let before = names(&out.join("crops"));
    std::fs::remove_file(out.join("crops").join(&before[0])).unwrap();
    assert!(!were_there(), "a row of crops is missing");
    assert_eq!(names(&out.join("crops")), before);
    assert!(were_there());
}

#[test]
fn crops_that_are_wanted_later_are_made_then() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert_code(&scan(&out, &["--no-video", "--no-crops"]), 0);
    let were_there = |more: &[&str]| {
        let run = scan(&out, &[&["--no-video"], more].concat());
        assert_code(&run, 0);
        stderr(&run).contains("These results were there")
    };
    // The control: without crops nothing is missing.
    assert!(were_there(&["--no-crops"]));
    assert!(!were_there(&[]));
    assert!(!names(&out.join("crops")).is_empty());
    assert!(were_there(&[]));
}

#[test]
fn what_is_in_the_way_of_crops_is_told_before_anything_is_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let (mine, crops) = (dir.path().join("mine"), out.join("crops"));
    std::fs::write(&mine, "mine").unwrap();
    for link in [false, true] {
        let _ = std::fs::remove_file(&crops);
        if link {
            std::os::unix::fs::symlink(&mine, &crops).unwrap();
        } else {
            std::fs::write(&crops, "mine").unwrap();
        }
        for more in [&["--no-video"][..], &["--no-video", "--force"]] {
            let run = scan(&out, more);
            assert_code(&run, 2);
            assert!(stderr(&run).contains("--no-crops"), "{}", stderr(&run));
        }
        assert_eq!(
            (names(&out), std::fs::read_to_string(&crops).unwrap()),
            (vec!["crops".to_owned()], "mine".to_owned())
        );
    }
    assert_code(&scan(&out, &["--no-video", "--no-crops"]), 0);
}

/// A scan that was killed while it named its files had looked at what was there.
#[test]
fn a_scan_that_was_killed_at_its_end_is_done_again_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert_code(&scan(&out, &[]), 0);
    std::fs::rename(out.join("scores.jsonl"), out.join("scores.jsonl.part")).unwrap();
    let again = scan(&out, &[]);
    assert_code(&again, 0);
    assert!(stderr(&again).contains("of a scan that was killed"), "{}", stderr(&again));
    assert!(!names(&out).iter().any(|name| name.ends_with(".part")), "{:?}", names(&out));
}

/// The records tell where the networks were.
#[test]
fn a_scan_is_reproduced_without_saying_where_its_networks_are() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert_code(&scan(&out, &["--no-video"]), 0);
    assert_code(&m2sd(&["reproduce", text(&out)]), 0);
    let named = dir.path().join("named");
    let copy = dir.path().join("copy.onnx");
    let classifier = scene().join("engines/analytic_classifier.onnx");
    std::fs::copy(&classifier, &copy).unwrap();
    std::fs::copy(
        format!("{}.modelinfo", text(&classifier)),
        dir.path().join("copy.onnx.modelinfo"),
    )
    .unwrap();
    assert_code(&scan(&named, &["--no-video", "--classifier", text(&copy)]), 0);
    assert_code(&m2sd(&["reproduce", text(&named)]), 0);
    std::fs::remove_file(&copy).unwrap();
    let gone = m2sd(&["reproduce", text(&named)]);
    assert_code(&gone, 4);
    assert!(stderr(&gone).contains("copy.onnx"), "{}", stderr(&gone));
}
