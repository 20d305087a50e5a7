//! Recent events, those to come, and alerts.

use std::thread;
use std::time::{Duration, Instant};

use gstm2sd::events::body::{Alert, Camera, CameraState, FaceBox, Judgement, TrackStart};
use gstm2sd::events::{Body, CameraId, Draft, EventId};
use gstm2sd::watch::status::RecordingStatus;
use serde_json::Value;

use crate::client::{ask, get};
use crate::control::{Running, id, open, start};

pub fn record(running: &Running, camera: &str, body: Body) -> EventId {
    let camera: Option<CameraId> = (!camera.is_empty()).then(|| id(camera));
    let id = running.spool.record(Draft::now(camera, body)).unwrap();
    assert!(running.spool.flush(Duration::from_secs(10)));
    id
}

fn track(number: u64) -> Body {
    Body::TrackStart(TrackStart { track: number, face: FaceBox::default() })
}

pub fn camera(state: CameraState) -> Body {
    Body::Camera(Camera { state, reason: None, video: None, reconnects: 0 })
}

pub fn alert(recording: Option<EventId>) -> Body {
    let judgement = Judgement {
        label: "fake".into(),
        confidence: 0.97,
        score: Some(0.97),
        llr: Some(3.1),
        clips: Some(9),
        ..Judgement::default()
    };
    let face = FaceBox { x: 20.0, y: 30.0, width: 80.0, height: 90.0 };
    let classifier = Some(gstm2sd::events::body::Classifier {
        model_name: "m2sd".into(),
        training: "trained".into(),
        trained: true,
        calibrated: true,
        threshold: Some(0.5),
        ..Default::default()
    });
    Body::Alert(Box::new(Alert { track: 3, since: 0, judgement, face, classifier, recording }))
}

fn ids(list: &Value) -> Vec<String> {
    let events = list["events"].as_array().unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_are_read_on_from_a_cursor() {
    let running = start(open());
    let at = running.address;
    let empty = get(at, "/api/v1/events").json();
    assert_eq!((ids(&empty).len(), &empty["next"]), (0, &Value::Null));
    let made: Vec<_> = (0..5).map(|n| record(&running, "door", track(n)).to_string()).collect();
    let newest = get(at, "/api/v1/events?limit=2").json();
    assert_eq!(ids(&newest), [made[4].clone(), made[3].clone()], "the newest first");
    let older = format!("/api/v1/events?before={}", newest["next"].as_str().unwrap());
    assert_eq!(ids(&get(at, &older).json()), [made[2].clone(), made[1].clone(), made[0].clone()]);
    let mut found = Vec::new();
    let mut next = made[0].clone();
    loop {
        let part = get(at, &format!("/api/v1/events?after={next}&limit=2")).json();
        found.extend(ids(&part));
        match part["next"].as_str() {
            Some(id) => next = id.to_owned(),
            None => break,
        }
    }
    assert_eq!(found, made[1..], "the oldest first, each once");
}

#[test]
fn events_are_chosen_by_camera_and_type() {
    let running = start(open());
    let at = running.address;
    record(&running, "door", track(1));
    let online = record(&running, "door", camera(CameraState::Online)).to_string();
    let other = record(&running, "yard", camera(CameraState::Offline)).to_string();
    let found = |query: &str| ids(&get(at, &format!("/api/v1/events?{query}")).json());
    assert_eq!(found("type=camera"), [other.clone(), online.clone()]);
    assert_eq!(found("camera=door&type=camera"), [online]);
    assert_eq!(found("camera=yard&type=track-start,camera"), [other]);
    assert_eq!(found("camera=nobody").len(), 0);
}

#[test]
fn wrong_parameters_are_told() {
    let running = start(open());
    for (query, expected) in [
        ("limit=0", "1 to 1000"),
        ("limit=1001", "1 to 1000"),
        ("limit=many", "limit"),
        ("after=yesterday", "after"),
        ("type=film", "track-start"),
        ("camera=a/b", "A-Z"),
        ("colour=red", "colour"),
        ("wait=5", "after"),
        ("after=01JD00000000000000000000AA&wait=3600", "0 to 30"),
        ("after=01JD00000000000000000000AA&before=01JD00000000000000000000AA", "exclude"),
    ] {
        let detail = get(running.address, &format!("/api/v1/events?{query}")).problem(400);
        assert!(detail.contains(expected), "{query}: {detail}");
    }
    get(running.address, "/api/v1/events/stream?limit=5").problem(400);
    get(running.address, "/api/v1/alerts?limit=0").problem(400);
    get(running.address, "/api/v1/alerts?type=clip").problem(400);
}

#[test]
fn a_request_may_wait_for_an_event() {
    let running = start(open());
    let at = running.address;
    let first = record(&running, "door", track(1));
    let began = Instant::now();
    let none = get(at, &format!("/api/v1/events?after={first}&wait=1")).json();
    assert_eq!(ids(&none).len(), 0);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let waiting = thread::spawn(move || {
        get(at, &format!("/api/v1/events?after={first}&wait=30&type=camera")).json()
    });
    thread::sleep(Duration::from_millis(200));
    record(&running, "door", track(2));
    let expected = record(&running, "door", camera(CameraState::Online)).to_string();
    assert_eq!(ids(&waiting.join().unwrap()), [expected]);
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_stream_has_every_event_once_also_after_a_break() {
    let running = start(open());
    let at = running.address;
    record(&running, "door", track(0));
    let mut stream = ask(at, "GET", "/api/v1/events/stream").open();
    let kind = stream.headers.iter().find(|(name, _)| name == "content-type").unwrap();
    assert_eq!(kind.1, "text/event-stream");
    let first = record(&running, "door", track(1)).to_string();
    let (id, kind, data) = stream.event().unwrap();
    assert_eq!((&id, kind.as_str(), &data["track"]), (&first, "track-start", &1.into()));
    drop(stream);
    let missed: Vec<_> =
        (0..250).map(|n| running.spool.record(Draft::now(None, track(n)))).collect();
    assert!(running.spool.flush(Duration::from_secs(10)));
    let again = ask(at, "GET", "/api/v1/events/stream").header("Last-Event-ID", &first);
    let mut stream = again.open();
    for (number, missed) in missed.iter().enumerate() {
        let (id, _, data) = stream.event().unwrap();
        assert_eq!((Some(id), &data["track"]), (missed.map(|id| id.to_string()), &number.into()));
    }
}

#[test]
fn an_id_that_is_none_does_not_pass_for_the_beginning() {
    let running = start(open());
    let stream = ask(running.address, "GET", "/api/v1/events/stream");
    let detail = stream.header("Last-Event-ID", "41").send().problem(400);
    assert!(detail.contains("Last-Event-ID"), "{detail}");
}

#[test]
fn alerts_come_with_their_recordings() {
    let running = start(open());
    let recording = running.spool.next_id();
    let lost = running.spool.next_id();
    record(&running, "door", track(1));
    record(&running, "door", alert(Some(lost)));
    record(&running, "yard", alert(Some(recording)));
    running.control.recordings.lock().unwrap().push(RecordingStatus {
        id: recording.to_string(),
        camera: id("yard"),
        unfinished: true,
        bytes: 1,
        video: None,
        stills: Vec::new(),
        failure: None,
    });
    let alerts = get(running.address, "/api/v1/alerts").json();
    let list = alerts["alerts"].as_array().unwrap();
    assert_eq!((list.len(), &alerts["next"]), (2, &Value::Null));
    assert_eq!(list[0]["event"]["camera"], "yard");
    assert_eq!(list[0]["recording"]["id"], recording.to_string());
    assert_eq!((&list[1]["event"]["label"], &list[1]["recording"]), (&"fake".into(), &Value::Null));
    let first = get(running.address, "/api/v1/alerts?limit=1").json();
    let older = format!("/api/v1/alerts?limit=1&before={}", first["next"].as_str().unwrap());
    assert_eq!(get(running.address, &older).json()["alerts"][0], list[1]);
}
