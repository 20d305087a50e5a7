//! `m2sd report`: a page of a scan's results.

use std::path::Path;

use crate::{m2sd, scene, stderr, text};

fn scan(results: &Path, more: &[&str]) {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let args =
        ["scan", text(&video), "--out", text(results), "--engines", text(&engines), "--quiet"];
    let run = m2sd(&[&args[..], &["--clip-stride", "8"], more].concat());
    assert!(run.status.success(), "{}", stderr(&run));
}

#[test]
fn a_scan_has_a_page_that_needs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    scan(&results, &[]);
    let run = m2sd(&["report", text(&results)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let page = std::fs::read_to_string(results.join("report.html")).unwrap();
    for expected in [
        "called fake",
        "UNCALIBRATED",
        "The classifier knows drawn faces only",
        "data:image/jpeg;base64,",
        "Pictures are cut from the input",
        "m2sd reproduce",
        "The folder is not sealed",
    ] {
        assert!(page.contains(expected), "{expected} is not in the page");
    }
    // Nothing is fetched, nothing is run.
    for outside in ["http://", "https://", "<script", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Each picture has words, and headings are in order.
    assert_eq!(page.matches("<img").count(), page.matches("<img alt=\"").count());
    assert!(page.matches("<svg").count() >= 4);
    assert_eq!(page.matches("<svg").count(), page.matches("role=\"img\"").count());
    let levels = page.match_indices("<h").filter_map(|(at, _)| page[at + 2..].chars().next());
    let levels: Vec<_> = levels.filter_map(|level| level.to_digit(10)).collect();
    assert_eq!(levels.first(), Some(&1));
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");

    let again = m2sd(&["report", text(&results)]);
    assert_eq!(again.status.code(), Some(3));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    assert!(m2sd(&["report", text(&results), "--force"]).status.success());
    // Whatever is there and no report stays, by whatever name; and so does a folder that is sealed.
    let video = results.join("annotated.mp4");
    for there in [&video, &scene().join("scene.mp4")] {
        let before = std::fs::read(there).unwrap();
        let harm = m2sd(&["report", text(&results), "--force", "--out", text(there)]);
        assert_eq!(harm.status.code(), Some(3), "{}", stderr(&harm));
        assert_eq!(std::fs::read(there).unwrap(), before);
    }
    std::fs::write(results.join("seal.json"), "{}").unwrap();
    for out in [results.join("report.html"), results.join("new.html")] {
        let change = m2sd(&["report", text(&results), "--force", "--out", text(&out)]);
        assert_eq!(change.status.code(), Some(3), "{}", stderr(&change));
        assert!(stderr(&change).contains("is sealed"), "{}", stderr(&change));
    }
    std::fs::remove_file(results.join("seal.json")).unwrap();
    let records = results.join("scores.jsonl");
    let harm = m2sd(&["report", text(&results), "--force", "--out", text(&records)]);
    assert_eq!(harm.status.code(), Some(3));
    assert!(
        std::fs::read_to_string(&records).unwrap().starts_with('{'),
        "the records were replaced"
    );
}

#[test]
fn what_is_no_scan_is_told_and_what_is_half_of_one_is_reported_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = m2sd(&["report", text(dir.path())]);
    assert_eq!(nothing.status.code(), Some(3));
    assert!(stderr(&nothing).contains("m2sd scan VIDEO --out"), "{}", stderr(&nothing));
    let results = dir.path().join("results");
    scan(&results, &["--classifier", "none", "--no-video"]);
    // As a scan that was killed leaves it.
    let records = std::fs::read_to_string(results.join("scores.jsonl")).unwrap();
    let half: String = records.split_inclusive('\n').take(20).collect();
    std::fs::write(results.join("scores.jsonl"), half + "{\"type\":\"fra").unwrap();
    let page = dir.path().join("page.html");
    let run = m2sd(&["report", text(&results), "--out", text(&page)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let page = std::fs::read_to_string(page).unwrap();
    for expected in
        ["did not come to its end", "There was no classifier", "1 lines of the records are damaged"]
    {
        assert!(page.contains(expected), "{expected} is not in the page");
    }
}
