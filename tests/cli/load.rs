//! `m2sd bench --remote`: virtual streams.

use gstm2sd::models::synth::ClipShape;
use serde_json::Value;

use crate::{classifier, m2sd, stderr, text};

#[test]
fn virtual_streams_offer_their_clips_on_time() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path(), ClipShape { frames: 1, ..ClipShape::default() });
    let model = text(&model);
    // 4 × 2 faces × 30 / 20 = 12 clips a second.
    let output = m2sd(&[
        "bench",
        "--remote",
        model,
        "--streams",
        "4",
        "--faces",
        "2",
        "--stride",
        "20",
        "--seconds",
        "2",
        "--json",
        "-",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["offered"], 24, "{figures}");
    let number = |name: &str| figures[name].as_u64().unwrap();
    assert_eq!(number("scored") + number("skipped"), 24, "{figures}");
    assert!(number("scored") > 0 && number("failed") == 0, "{figures}");
    assert!(figures["latency-p99-ms"].as_f64() >= figures["latency-p50-ms"].as_f64(), "{figures}");
    let seconds = figures["seconds"].as_f64().unwrap();
    assert!((1.5..4.0).contains(&seconds), "{figures}");
}

#[test]
fn what_no_run_can_be_is_told() {
    let missing = m2sd(&["bench", "--remote", "/no/such/model.onnx", "--seconds", "1"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(stderr(&missing).contains("/no/such/model.onnx"), "{}", stderr(&missing));
    let many = m2sd(&["bench", "--streams", "65", "--synthetic"]);
    assert_eq!(many.status.code(), Some(2));
    assert!(stderr(&many).contains("64 elements at most"), "{}", stderr(&many));
}
