//! Records that are compared, and what runs a scan again.

use std::fs;
use std::path::Path;

use gstm2sd::evidence::records::{Edge, FORMAT, Header, InputKind, ModelFile};
use gstm2sd::evidence::reproduce::{Places, Plan, ReproduceError, compare, plan};
use gstm2sd::models::sha256;
use gstm2sd::models::synth::{self, Synth};
use serde_json::{Value, json};

fn header(provider: &str, precision: &str) -> Header {
    let mut header = Header { format: FORMAT, ..Header::default() };
    for field in [&mut header.provider, &mut header.detect_provider] {
        *field = provider.to_owned();
    }
    for field in [&mut header.precision, &mut header.detect_precision] {
        *field = precision.to_owned();
    }
    header
}

fn line(header: Header) -> String {
    Edge::Header(Box::new(header)).to_value().unwrap().to_string()
}

fn frame(number: u64, score: f64) -> Value {
    json!({ "type": "frame", "frame": number, "time": number as f64 / 25.0, "faces": [
        { "track": 3, "score": score, "label": "real", "box": [10, 20, 30, 40] },
        { "track": 4, "score": 0.25, "label": "fake", "box": [50, 20, 30, 40] },
    ] })
}

fn text(header: Header, body: &[Value], footer: Option<&str>) -> String {
    let mut lines = vec![line(header)];
    lines.extend(body.iter().map(Value::to_string));
    lines.extend(footer.map(|end| {
        json!({ "type": "footer", "end": end, "wall": { "seconds": 1.5 } }).to_string()
    }));
    lines.join("\n") + "\n"
}

fn body(score: f64) -> Vec<Value> {
    vec![
        frame(0, 0.5),
        json!({ "type": "clip", "track": 3, "start": 0.0, "end": 0.6, "score": score,
            "logits": [score, 1.0], "milliseconds": score * 7.0 }),
        frame(1, 0.5),
    ]
}

#[test]
fn on_the_cpu_every_bit_counts_and_no_time() {
    let cpu = || header("cpu", "fp32");
    let was = text(cpu(), &body(0.7), Some("complete"));
    let same = compare(
        &was,
        &was.replace("1.5", "9.5").replace("\"milliseconds\":4", "\"milliseconds\":5"),
    );
    let same = same.unwrap();
    assert!(same.is_reproduced(), "{same:?}");
    assert_eq!((same.records, same.equal, same.bounds.score), (3, 3, 0.0));

    let next = f64::from_bits(0.7f64.to_bits() + 1);
    let other = compare(&was, &text(cpu(), &body(next), Some("complete"))).unwrap();
    assert_eq!((other.records_beyond, other.equal), (1, 2));
    let first = &other.differences[0];
    assert_eq!((first.line, first.track), (3, Some(3)));
    assert!(first.what.contains("logits[0]") || first.what.contains("score"), "{first:?}");
}

#[test]
fn elsewhere_scores_may_differ_by_what_is_stated() {
    for (provider, precision, within, beyond) in [
        ("cuda", "fp32", 0.0009, 0.0011),
        ("openvino", "bf16", 0.019, 0.021),
        ("openvino", "int8", 0.049, 0.051),
    ] {
        let was = text(header("cpu", "fp32"), &body(0.5), Some("complete"));
        let at = |off: f64| {
            let mut body = body(0.5 + off);
            body[1]["precision"] = precision.into();
            let text = text(header(provider, precision), &body, Some("complete"));
            compare(&was, &text).unwrap()
        };
        let near = at(within);
        assert!(near.is_reproduced(), "{provider} {precision}: {near:?}");
        assert!((near.largest_score_difference - within).abs() < 1e-9);
        assert!(near.environment.iter().any(|what| what.contains(provider)), "{near:?}");
        assert_eq!(at(beyond).records_beyond, 1, "{provider} {precision}");
    }
    let mut other = header("cpu", "fp32");
    other.host.cpu = "another".to_owned();
    other.detector.sidecar_sha256 = Some("other".to_owned());
    let was = text(header("cpu", "fp32"), &body(0.5), Some("complete"));
    let found = compare(&was, &text(other, &body(0.5005), Some("complete"))).unwrap();
    assert!(found.is_reproduced(), "{found:?}");
    let environment = found.environment.join("\n");
    assert!(environment.contains("processor") && environment.contains("sidecar"), "{environment}");
}

#[test]
fn the_first_difference_of_each_face_is_told() {
    let cpu = || header("cpu", "fp32");
    let was: Vec<_> = (0..6).map(|n| frame(n, 0.5)).collect();
    let mut is = was.clone();
    is[2]["faces"][1]["label"] = "real".into();
    is[3]["faces"][0]["score"] = 0.6.into();
    is[4]["faces"][1]["label"] = "uncertain".into();
    let texts =
        |is: &[Value]| (text(cpu(), &was, Some("complete")), text(cpu(), is, Some("complete")));
    let (a, b) = texts(&is);
    let found = compare(&a, &b).unwrap();
    let told: Vec<_> = found.differences.iter().map(|d| (d.line, d.track)).collect();
    assert_eq!(told, [(4, Some(4)), (5, Some(3))]);
    assert_eq!(found.records_beyond, 3);
    let (a, b) = texts(&was[..4]);
    let found = compare(&a, &b).unwrap();
    assert_eq!((found.records_beyond, found.differences[0].line), (2, 6));
    // Of a scan that was interrupted what it has is compared.
    let found = compare(&text(cpu(), &was[..4], None), &a).unwrap();
    assert!(found.partial && found.is_reproduced(), "{found:?}");
    let cut = &text(cpu(), &was[..4], None);
    assert!(compare(&cut[..cut.len() - 9], &a).unwrap().is_reproduced());
}

#[test]
fn what_is_no_record_is_told() {
    let good = text(header("cpu", "fp32"), &body(0.5), Some("complete"));
    for bad in ["", "hello\n", "{}\n", "{\"type\":\"frame\"}\n"] {
        assert!(compare(bad, &good).unwrap_err().contains("earlier"), "{bad}");
        assert!(compare(&good, bad).unwrap_err().contains("new"), "{bad}");
    }
}

/// A folder with an input, models, and the header of a scan of them.
fn results(dir: &Path) -> Header {
    fs::write(dir.join("clip.mp4"), "video").unwrap();
    let mut header = header("cpu", "fp32");
    header.input.name = "somewhere/clip.mp4".to_owned();
    header.input.sha256 = Some(sha256(&dir.join("clip.mp4")).unwrap());
    let model = synth::write(&Synth::Detector, &dir.join("engines")).unwrap();
    header.detector = ModelFile {
        file: model.file_name().unwrap().to_str().unwrap().to_owned(),
        sha256: sha256(&model).unwrap(),
        sidecar_sha256: None,
    };
    header.settings.extend([
        ("max-faces".to_owned(), json!(3)),
        ("mode".to_owned(), json!("complete")),
        ("operating-point".to_owned(), Value::Null),
        ("detector".to_owned(), json!("elsewhere.onnx")),
        ("threshold".to_owned(), json!(-1.0)),
    ]);
    header.span.start = 1.5;
    fs::create_dir(dir.join("results")).unwrap();
    header
}

fn joined_arguments(plan: &Plan) -> String {
    let arguments: Vec<_> = plan.arguments.iter().map(|a| a.to_string_lossy()).collect();
    arguments.join(" ")
}

#[test]
fn the_input_and_the_models_are_those_of_the_scan_or_it_is_said_which_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut header = results(dir.path());
    let folder = dir.path().join("results");
    let records = folder.join("scores.jsonl");
    let places = Places { engines: Some(dir.path().join("engines")), ..Places::default() };
    let write = |header: &Header| fs::write(&records, line(header.clone()) + "\n").unwrap();
    assert!(matches!(plan(&folder, &places), Err(ReproduceError::Records { .. })));
    write(&header);
    let plan_of = |places: &Places| plan(&folder, places);
    let found = plan_of(&places).unwrap();
    assert_eq!(found.records, records);
    let joined = joined_arguments(&found);
    assert!(Path::new(&found.arguments[0]).ends_with("clip.mp4"), "{joined}");
    assert!(joined.contains("--classifier none --start 1.5"), "{joined}");
    assert!(joined.contains("--set max-faces=3 --set threshold=-1.0"), "{joined}");
    assert!(!joined.contains("elsewhere") && !joined.contains("mode="), "{joined}");

    let instead = [("max-faces".to_owned(), "7".to_owned())].into();
    let otherwise = joined_arguments(&plan_of(&Places { instead, ..places.clone() }).unwrap());
    assert!(otherwise.contains("max-faces=7") && !otherwise.contains("max-faces=3"), "{otherwise}");

    let other = dir.path().join("other.mp4");
    fs::write(&other, "another").unwrap();
    let named = Places { input: Some(other), ..places.clone() };
    assert!(matches!(plan_of(&named), Err(ReproduceError::OtherInput { .. })));
    header.detector.sha256 = "0".repeat(64);
    write(&header);
    assert!(matches!(plan_of(&places), Err(ReproduceError::OtherModel { .. })));
    header.detector.file = "none.onnx".to_owned();
    write(&header);
    assert!(matches!(plan_of(&places), Err(ReproduceError::Model(_))));
    header.input.name = "gone.mp4".to_owned();
    write(&header);
    assert!(matches!(plan_of(&places), Err(ReproduceError::NoInput(_))));
    header.input.kind = InputKind::Stream;
    write(&header);
    assert!(matches!(plan_of(&places), Err(ReproduceError::Stream(_))));
    header.format = FORMAT + 1;
    write(&header);
    assert!(matches!(plan_of(&places), Err(ReproduceError::Header { .. })));
    fs::write(&records, "{\"type\":\"header\",\"classifier\":\"old\"}\n").unwrap();
    assert!(matches!(plan_of(&places), Err(ReproduceError::Header { .. })));
}

#[test]
fn of_a_scan_that_did_not_reach_its_end_no_more_is_scanned_than_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    let mut header = results(dir.path());
    let folder = dir.path().join("results");
    let places = Places { engines: Some(dir.path().join("engines")), ..Places::default() };
    header.span.start = 0.0;
    let planned = |header: &Header, body: &[Value], end| {
        fs::write(folder.join("scores.jsonl"), text(header.clone(), body, end)).unwrap();
        let plan = plan(&folder, &places).unwrap();
        (plan.until, joined_arguments(&plan))
    };
    let body: Vec<_> = (0..300).map(|n| frame(n, 0.5)).chain(body(0.5)).collect();
    let last = body.iter().filter_map(|record| record["time"].as_f64()).fold(0.0, f64::max);
    // The last frame, the longest clip, and a second.
    let until = last + 0.6 + 1.0;
    for end in [None, Some("interrupted"), Some("failed")] {
        let (found, arguments) = planned(&header, &body, end);
        assert!((found.unwrap() - until).abs() < 1e-9, "{end:?}: {found:?}");
        assert!(arguments.contains(&format!("--duration {}", found.unwrap())), "{arguments}");
    }
    // The controls: to the end, with less asked for, and with nothing to go by.
    let (found, arguments) = planned(&header, &body, Some("complete"));
    assert!(found.is_none() && !arguments.contains("--duration"), "{arguments}");
    assert_eq!(planned(&header, &[], None).0, None);
    header.span.start = 1.0;
    let (found, arguments) = planned(&header, &body, None);
    let duration = found.unwrap() - 1.0;
    assert!(arguments.contains(&format!("--start 1 --duration {duration}")), "{arguments}");
    header.span.duration = Some(0.25);
    let (found, arguments) = planned(&header, &body, Some("interrupted"));
    assert!(found.is_none() && arguments.contains("--duration 0.25"), "{arguments}");

    // How much was asked for does not count then, and it does where all of it was scanned.
    let mut less = header.clone();
    less.span.duration = Some(9.0);
    let compared = |end: Option<&str>| {
        let texts = [&header, &less].map(|header| text(header.clone(), &body, end));
        compare(&texts[0], &texts[1]).unwrap().is_reproduced()
    };
    assert!(compared(Some("interrupted")) && !compared(Some("complete")));
}
