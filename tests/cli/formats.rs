//! Inputs that GStreamer reads badly.

use std::time::Duration;

use super::running::{Running, assert_code};
use super::{of_type, pictures, records, scene, stderr, text};

#[test]
fn an_input_that_cannot_be_decoded_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let engines = scene().join("engines");
    for (name, digits, format, reader) in [
        ("a.webp", pictures::ANIMATED_WEBP, "image/webp", "webpdec"),
        ("cmyk.jpg", pictures::CMYK_JPEG, "image/jpeg", "jpegdec"),
    ] {
        let file = dir.path().join(name);
        std::fs::write(&file, pictures::bytes(digits)).unwrap();
        let args = ["scan", text(&file), "--json", "-", "--engines", text(&engines)];
        let run = Running::start(&args, std::process::Stdio::null(), &[]);
        let run = run.end(Duration::from_secs(60));
        assert_code(&run, 3);
        for words in [name, "Internal data stream error", format, reader, "ffmpeg -i"] {
            assert!(stderr(&run).contains(words), "{words}: {}", stderr(&run));
        }
    }
}

#[test]
fn an_input_that_stops_in_its_midst_ends_the_scan_with_what_was_scored() {
    let dir = tempfile::tempdir().unwrap();
    let (engines, results) = (scene().join("engines"), dir.path().join("results"));
    let file = dir.path().join("a.gif");
    std::fs::write(&file, pictures::bytes(pictures::ANIMATED_GIF)).unwrap();
    let args = ["scan", text(&file), "--out", text(&results), "--engines", text(&engines)];
    let args = [&args[..], &["--timeout", "2"]].concat();
    let run = Running::start(&args, std::process::Stdio::null(), &[]);
    let run = run.end(Duration::from_secs(60));
    gst::init().unwrap();
    if gst::version() >= (1, 24, 0, 0) {
        // There the demuxer ends such a file.
        return assert_code(&run, 0);
    }
    assert_code(&run, 3);
    for words in ["nothing for 2 s", "image/gif", "ffmpeg -i"] {
        assert!(stderr(&run).contains(words), "{words}: {}", stderr(&run));
    }
    let records = records(&std::fs::read_to_string(results.join("scores.jsonl")).unwrap());
    assert_eq!(of_type(&records, "frame").len(), 3);
    let end = records.last().unwrap();
    assert_eq!((&end["type"], &end["end"]), (&"footer".into(), &"failed".into()));
}
