//! The description of the server, and whether the server keeps to it.

use gstm2sd::events::body::CameraState;
use gstm2sd::watch::control::Control;
use gstm2sd::watch::rest::openapi;
use gstm2sd::watch::status::{ModelStatus, RecordingStatus};
use serde_json::{Value, json};

use crate::client::{Reply, ask, get};
use crate::control::{Running, config, face, id, open, start};
use crate::events::{alert, camera, record};

/// Checks a body against the schema that the description has for this answer.
fn check(path: &str, method: &str, reply: &Reply) {
    let document = openapi();
    let operation = &document["paths"][path][method];
    let described = &operation["responses"][reply.status.to_string()];
    assert!(!described.is_null(), "{method} {path} answers {}", reply.status);
    let kind = reply.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap();
    let Some(content) = described.get("content") else {
        assert!(reply.body.is_empty(), "{method} {path} has a body");
        return;
    };
    let schema = &content[kind]["schema"];
    assert!(!schema.is_null(), "{method} {path} answers {} as {kind}: {content}", reply.status);
    if !kind.ends_with("json") {
        return;
    }
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let body = reply.json();
    let errors: Vec<_> = validator
        .iter_errors(&body)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:?}\n{body:#}");
}

fn everything() -> Running {
    let running = start(open());
    let recording = running.spool.next_id();
    let mut door = config("door");
    door.filter.insert("clip-stride".into(), 16.into());
    running.control.put(door).unwrap();
    running.control.put(config("yard")).unwrap();
    running.control.change("door", |status| {
        status.faces = vec![
            face("fake", None, true, "trained"),
            face("insufficient", Some("too-small"), false, "unknown"),
            face("unscored", None, false, ""),
        ];
    });
    running.control.change("yard", |status| {
        status.state = CameraState::Offline;
        status.reason = Some("no route to host".into());
        (status.video, status.last_frame) = (None, None);
    });
    running.control.models.lock().unwrap().extend([
        ModelStatus { role: "detector".into(), ..ModelStatus::default() },
        ModelStatus {
            role: "classifier".into(),
            calibrated: Some(true),
            sha256: Some("00".into()),
            busy: Some(0.5),
            ..ModelStatus::default()
        },
    ]);
    running.control.recordings.lock().unwrap().push(RecordingStatus {
        id: recording.to_string(),
        camera: id("door"),
        unfinished: false,
        bytes: 3,
        video: None,
        stills: vec!["a.jpg".into()],
        failure: Some("the disk is full".into()),
    });
    let video = running.folder.path().join("a.mp4");
    std::fs::write(&video, "abc").unwrap();
    running.control.files.lock().unwrap().insert("a.mp4".into(), video);
    running.spool.register("broker");
    record(&running, "door", camera(CameraState::Online));
    record(&running, "door", alert(Some(recording)));
    record(&running, "yard", alert(None));
    running
}

#[test]
fn answers_are_as_described() {
    let running = everything();
    let at = running.address;
    for (path, target) in [
        ("/api/v1/cameras", "/api/v1/cameras"),
        ("/api/v1/cameras/{id}", "/api/v1/cameras/door"),
        ("/api/v1/cameras/{id}", "/api/v1/cameras/yard"),
        ("/api/v1/cameras/{id}", "/api/v1/cameras/nobody"),
        ("/api/v1/cameras/{id}/config", "/api/v1/cameras/door/config"),
        ("/api/v1/cameras/{id}/config", "/api/v1/cameras/nobody/config"),
        ("/api/v1/cameras/{id}/snapshot.jpg", "/api/v1/cameras/nobody/snapshot.jpg"),
        ("/api/v1/cameras/{id}/snapshot.jpg", "/api/v1/cameras/yard/snapshot.jpg"),
        ("/api/v1/cameras/{id}/preview.mjpeg", "/api/v1/cameras/nobody/preview.mjpeg"),
        ("/api/v1/events", "/api/v1/events"),
        ("/api/v1/events", "/api/v1/events?limit=0"),
        ("/api/v1/events/stream", "/api/v1/events/stream?limit=1"),
        ("/api/v1/alerts", "/api/v1/alerts"),
        ("/api/v1/alerts", "/api/v1/alerts?limit=0"),
        ("/api/v1/recordings", "/api/v1/recordings"),
        ("/api/v1/recordings/{name}", "/api/v1/recordings/a.mp4"),
        ("/api/v1/recordings/{name}", "/api/v1/recordings/b.mp4"),
        ("/api/v1/models", "/api/v1/models"),
        ("/api/v1/status", "/api/v1/status"),
        ("/api/v1/openapi.json", "/api/v1/openapi.json"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/metrics", "/metrics"),
    ] {
        check(path, "get", &get(at, target));
    }
    let put = |id: &str, body: &Value| {
        let reply = ask(at, "PUT", &format!("/api/v1/cameras/{id}")).json(body).send();
        check("/api/v1/cameras/{id}", "put", &reply);
        reply.status
    };
    assert_eq!(put("new", &json!({ "id": "new", "uri": "test://a" })), 201);
    assert_eq!(put("new", &json!({ "id": "new", "uri": "test://b" })), 200);
    assert_eq!(put("new", &json!({ "id": "other", "uri": "test://b" })), 400);
    assert_eq!(put("new", &json!({ "id": "new", "uri": "b" })), 422);
    for _ in 0..2 {
        check("/api/v1/cameras/{id}", "delete", &ask(at, "DELETE", "/api/v1/cameras/new").send());
    }
    check("/api/v1/reload", "post", &ask(at, "POST", "/api/v1/reload").send());
}

#[test]
fn every_route_is_described_and_answered() {
    let running = everything();
    let paths = openapi()["paths"].as_object().unwrap();
    let described: Vec<_> = paths.keys().map(String::as_str).collect();
    let expected = [
        "/api/v1/alerts",
        "/api/v1/cameras",
        "/api/v1/cameras/{id}",
        "/api/v1/cameras/{id}/config",
        "/api/v1/cameras/{id}/preview.mjpeg",
        "/api/v1/cameras/{id}/snapshot.jpg",
        "/api/v1/events",
        "/api/v1/events/stream",
        "/api/v1/models",
        "/api/v1/openapi.json",
        "/api/v1/recordings",
        "/api/v1/recordings/{name}",
        "/api/v1/reload",
        "/api/v1/status",
        "/healthz",
        "/metrics",
        "/readyz",
    ];
    assert_eq!(described, expected);
    for (path, item) in paths {
        let target = path.replace("{id}", "door").replace("{name}", "a.mp4");
        for method in ["GET", "PUT", "POST", "DELETE"] {
            let opened = ask(running.address, method, &target).open();
            let described = item.get(method.to_lowercase()).is_some();
            assert_eq!(opened.status != 405, described, "{method} {path}: {}", opened.status);
        }
        for operation in item.as_object().unwrap().values() {
            let known = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
            assert!(known(&operation["operationId"]), "{path}");
            assert!(known(&operation["description"]) || known(&operation["summary"]), "{path}");
        }
    }
}

#[test]
fn the_description_is_whole() {
    let document = openapi();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut references = Vec::new();
    collect(document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
