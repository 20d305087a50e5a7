//! What is sent fits the schema that is published.

use gstm2sd::events::body::{
    Alert, Body, Camera, CameraState, Classifier, FaceBox, Health, HealthStatus, Judgement,
    TrackEnd, TrackStart, Verdict, VideoFormat,
};
use gstm2sd::events::{Draft, Event, EventMaker, TimeSource, UtcTime, json_schema};
use serde_json::{Value, json};

use crate::camera;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.schema.json");

/// An event of each type with every field, and with as few as possible.
fn bodies() -> Vec<Body> {
    let full: Vec<Value> =
        vec![json!({"type": "clip", "track": 3, "score": 0.7, "llr": 1.5, "sufficient": false,
            "reason": "blurred", "reason-text": "sharpness 0.1, at least 0.3 is expected",
            "fused-score": 0.8, "logit-fake": 1.0, "logit-real": -1.0, "frames": 16,
            "start": 0, "end": 640_000_000, "provider": "cpu", "provider-ms": 12.5,
            "precision": "fp32", "audio-level-db": -20.0, "audio-coverage": 1.0, "audio-gaps": 0,
            "x": 10.0, "y": 20.0, "width": 64.0, "height": 80.0, "model-name": "net",
            "model-sha256": "00", "training": "trained", "trained": true, "calibrated": true,
            "threshold": 0.5, "operating-point": "user", "threshold-source": "user"})];
    let mut bodies: Vec<Body> =
        full.into_iter().map(|body| serde_json::from_value(body).expect("a clip")).collect();
    let face = FaceBox { x: -3.5, y: 20.0, width: 64.0, height: 80.0 };
    let classifier = Classifier {
        model_name: "net".to_owned(),
        training: "trained".to_owned(),
        trained: true,
        calibrated: true,
        threshold: Some(0.5),
        ..Classifier::default()
    };
    let judgement = Judgement {
        label: "fake".to_owned(),
        confidence: 0.9,
        score: Some(0.95),
        llr: Some(3.0),
        clips: Some(4),
        ..Judgement::default()
    };
    bodies.extend([
        Body::Verdict(Box::new(Verdict {
            track: 3,
            label_before: "uncertain".to_owned(),
            judgement: judgement.clone(),
            face,
            classifier: Some(classifier.clone()),
        })),
        Body::Verdict(Box::new(Verdict {
            track: 3,
            label_before: "insufficient".to_owned(),
            judgement: Judgement { label: "unscored".to_owned(), ..Judgement::default() },
            face,
            classifier: None,
        })),
        Body::TrackStart(TrackStart { track: 3, face }),
        Body::TrackEnd(TrackEnd {
            track: 3,
            reason: "left".to_owned(),
            first_seen: Some(0),
            last_seen: None,
            label: Some("fake".to_owned()),
            label_reason: None,
            score: Some(0.95),
            llr: None,
            clips: Some(4),
        }),
        Body::Alert(Box::new(Alert {
            track: 3,
            since: 640_000_000,
            judgement,
            face,
            classifier: Some(classifier),
            recording: Some(EventMaker::new("test").next_id()),
        })),
        Body::Camera(Camera {
            state: CameraState::Online,
            reason: None,
            video: Some(VideoFormat {
                width: 640,
                height: 360,
                frame_rate: 25.0,
                codec: Some("video/x-h264".to_owned()),
            }),
            reconnects: 2,
        }),
        Body::Health(Health {
            component: "spool".to_owned(),
            status: HealthStatus::Degraded,
            text: "a disk is slow".to_owned(),
            dropped: Some(7),
        }),
    ]);
    bodies
}

fn events() -> Vec<Event> {
    let maker = EventMaker::new("worker-1");
    let of_frame = |body: Body| Draft {
        camera: camera("door"),
        time: UtcTime::from_unix_ns(1_700_000_000_123_456_789).unwrap(),
        time_source: TimeSource::Ntp,
        running_time: Some(640_000_000),
        body,
    };
    let drafts = bodies().into_iter().map(of_frame);
    let health = bodies().pop().map(|body| Draft::now(None, body));
    drafts.chain(health).map(|draft| maker.make(draft)).collect()
}

fn validator() -> jsonschema::Validator {
    let text = std::fs::read_to_string(FILE).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let made = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
    if std::env::var_os("M2SD_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let published = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        made == published,
        "docs/events.schema.json is not what the types say. Fields may be added; anything else is \
         another version of the schema. If the change is meant, run this test with \
         M2SD_UPDATE_SNAPSHOTS=1 and say so in CHANGELOG.md"
    );
}

#[test]
fn every_type_of_event_fits_the_schema_and_comes_back_as_it_was() {
    let validator = validator();
    let mut types = std::collections::BTreeSet::new();
    for event in events() {
        let json = serde_json::to_value(&event).unwrap();
        let errors: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{json}: {errors:?}");
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        types.insert(event.body.type_name());
    }
    assert_eq!(types, Body::TYPES.into_iter().collect());
}

#[test]
fn what_is_no_event_does_not_fit() {
    let validator = validator();
    let event = serde_json::to_value(&events()[0]).unwrap();
    for (pointer, value) in [
        ("/schema", json!("m2sd.event/2")),
        ("/id", json!("01ARZ3NDEKTSV4RRFFQ69G5FA")),
        ("/time", json!("yesterday")),
        ("/time-source", json!("watch")),
        ("/camera", json!("a/b")),
        ("/type", json!("clap")),
        ("/score", json!("high")),
        ("/track", json!(-1)),
        ("/running-time", json!(-1)),
    ] {
        let mut spoiled = event.clone();
        *spoiled.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} of {event}")) = value;
        assert!(!validator.is_valid(&spoiled), "{spoiled}");
    }
    for field in ["schema", "id", "instance", "time", "type", "score"] {
        let mut spoiled = event.clone();
        assert!(spoiled.as_object_mut().unwrap().remove(field).is_some());
        assert!(!validator.is_valid(&spoiled), "without {field}");
    }
}

#[test]
fn the_examples_of_the_documentation_fit() {
    let text = include_str!("../../docs/events.md");
    let validator = validator();
    let examples = text.split("```json\n").skip(1).filter_map(|block| block.split("```").next());
    let mut types = std::collections::BTreeSet::new();
    for example in examples {
        let json: Value = serde_json::from_str(example).expect(example);
        let errors: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{example}: {errors:?}");
        // Nothing in it is unknown to us.
        let event: Event = serde_json::from_value(json.clone()).expect(example);
        assert_eq!(serde_json::to_value(&event).unwrap(), json);
        types.insert(event.body.type_name());
        let field = format!("### `{}`", event.body.type_name());
        assert!(text.contains(&field) || event.body.type_name() == "track-end", "{field}");
    }
    assert_eq!(types.len(), Body::TYPES.len() - 1, "track-start is in words: {types:?}");
}
