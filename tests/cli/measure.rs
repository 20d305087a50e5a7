//! `m2sd bench`.

use serde_json::Value;

use super::{m2sd, scene, stderr, text};

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

    let missing = m2sd(&["bench", "--baseline", "/nowhere.json"]);
    assert_eq!(missing.status.code(), Some(3), "{}", stderr(&missing));
    let wrong = m2sd(&["bench", "--resolution", "huge"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
}
