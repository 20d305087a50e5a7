//! Cameras, health, reload, errors and limits.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gstm2sd::events::body::CameraState;
use gstm2sd::watch::control::Control;
use serde_json::json;

use crate::client::{ask, get};
use crate::control::{config, face, id, open, start};

#[test]
fn cameras_are_added_listed_changed_and_removed() {
    let running = start(open());
    let at = running.address;
    assert_eq!(get(at, "/api/v1/cameras").json(), json!({ "cameras": [] }));
    let camera = json!({ "id": "door", "name": "Front door", "uri": "rtsp://host/a" });
    let added = ask(at, "PUT", "/api/v1/cameras/door").json(&camera).send();
    assert_eq!((added.status, added.header("location")), (201, Some("/api/v1/cameras/door")));
    let changed = ask(at, "PUT", "/api/v1/cameras/door").json(&camera).send();
    assert_eq!(changed.status, 200, "{}", changed.text());
    let one = get(at, "/api/v1/cameras/door").json();
    assert_eq!((&one["name"], &one["state"]), (&json!("Front door"), &json!("online")));
    assert_eq!(get(at, "/api/v1/cameras").json()["cameras"][0], one);
    assert_eq!(get(at, "/api/v1/cameras/door/config").json()["uri"], "rtsp://host/a");
    assert_eq!(ask(at, "DELETE", "/api/v1/cameras/door").send().status, 204);
    let gone = ask(at, "DELETE", "/api/v1/cameras/door").send().problem(404);
    assert!(gone.contains("door"), "{gone}");
    get(at, "/api/v1/cameras/door").problem(404);
    get(at, "/api/v1/cameras/door/config").problem(404);
}

#[test]
fn what_cannot_be_a_camera_is_refused_with_the_reason() {
    let running = start(open());
    let at = running.address;
    let put = |target: &str, body: &str| {
        ask(at, "PUT", target).body("application/json", body.to_owned()).send()
    };
    let cases = [
        ("/api/v1/cameras/a", "{", 400, "parse"),
        ("/api/v1/cameras/a", r#"{"id":"a"}"#, 422, "uri"),
        ("/api/v1/cameras/a", r#"{"id":"a","uri":"x://y","colour":1}"#, 422, "colour"),
        ("/api/v1/cameras/a", r#"{"id":"b","uri":"x://y"}"#, 400, "camera b"),
        ("/api/v1/cameras/a%20b", r#"{"id":"a","uri":"x://y"}"#, 400, "A-Z"),
        ("/api/v1/cameras/a", r#"{"id":"../etc","uri":"x://y"}"#, 422, "A-Z"),
        ("/api/v1/cameras/a", r#"{"id":"a","uri":"nonsense"}"#, 422, "no address"),
    ];
    for (target, body, status, text) in cases {
        let detail = put(target, body).problem(status);
        assert!(detail.contains(text), "{body}: {detail}");
    }
    let no_json = ask(at, "PUT", "/api/v1/cameras/a").body("text/plain", "{}").send();
    assert!(no_json.problem(415).contains("application/json"));
    assert!(running.control.cameras().is_empty());
}

#[test]
fn no_credential_leaves() {
    let running = start(open());
    let at = running.address;
    let uri = "rtsp://user:geheim@host/a?token=geheim";
    let camera = json!({ "id": "door", "uri": uri });
    let added = ask(at, "PUT", "/api/v1/cameras/door").json(&camera).send();
    running.control.change("door", |status| {
        status.state = CameraState::Offline;
        status.reason = Some(format!("{uri} does not answer"));
    });
    *running.control.reload_error.lock().unwrap() = Some(format!("{uri} is wrong"));
    let answers = [
        added,
        get(at, "/api/v1/cameras"),
        get(at, "/api/v1/cameras/door"),
        get(at, "/api/v1/cameras/door/config"),
        get(at, "/api/v1/cameras/door/snapshot.jpg"),
        ask(at, "POST", "/api/v1/reload").send(),
        get(at, "/metrics"),
    ];
    for answer in answers {
        assert!(!answer.text().contains("geheim"), "{}", answer.text());
    }
    assert_eq!(running.control.config(&id("door")).unwrap().uri, uri, "it was passed on whole");
}

#[test]
fn health_tells_alive_from_ready() {
    let running = start(open());
    let at = running.address;
    running.control.unready.store(true, Ordering::Relaxed);
    assert_eq!(get(at, "/healthz").text(), "ok\n");
    get(at, "/readyz").problem(503);
    assert_eq!(get(at, "/api/v1/status").json()["ready"], false);
    running.control.unready.store(false, Ordering::Relaxed);
    assert_eq!(get(at, "/readyz").status, 200);
    let status = get(at, "/api/v1/status").json();
    assert_eq!(status["ready"], true);
    assert!(status["process"]["threads"].as_u64().unwrap() > 1, "{status}");
    assert!(status["spool"]["sinks"].as_array().unwrap().is_empty());
}

#[test]
fn reload_passes_on_what_is_wrong() {
    let running = start(open());
    let at = running.address;
    assert_eq!(ask(at, "POST", "/api/v1/reload").send().status, 204);
    *running.control.reload_error.lock().unwrap() = Some("watch.toml:3: no such key".into());
    let detail = ask(at, "POST", "/api/v1/reload").send().problem(422);
    assert_eq!(detail, "watch.toml:3: no such key");
    assert_eq!(running.control.reloads.load(Ordering::Relaxed), 2);
}

#[test]
fn what_is_not_there_and_what_is_not_possible_are_told() {
    let running = start(open());
    let at = running.address;
    assert!(get(at, "/api/v2/cameras").problem(404).contains("/api/v1/openapi.json"));
    let refused = ask(at, "POST", "/api/v1/cameras").send();
    refused.problem(405);
    assert!(refused.header("allow").is_some_and(|methods| methods.contains("GET")));
}

#[test]
fn bodies_are_limited() {
    let running = start(open());
    let long = format!(r#"{{"id":"a","uri":"test://{}"}}"#, "x".repeat(100_000));
    let put = ask(running.address, "PUT", "/api/v1/cameras/a").body("application/json", long);
    put.send().problem(413);
    assert!(running.control.cameras().is_empty());
}

#[test]
fn heads_are_limited_and_odd_ones_do_no_harm() {
    let running = start(open());
    let at = running.address;
    let long = "x".repeat(100_000);
    let reply = ask(at, "GET", "/healthz").header("X-Long", &long).send();
    assert_eq!(reply.status, 431);
    for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}"]
    {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(garbage.as_bytes()).unwrap();
    }
    assert_eq!(get(at, "/healthz").status, 200);
}

#[test]
fn an_address_gets_no_more_than_its_rate() {
    let mut http = open();
    http.requests_per_second = 1.try_into().unwrap();
    let running = start(http);
    let replies: Vec<_> = (0..12).map(|_| get(running.address, "/healthz")).collect();
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!((6..=8).contains(&refused.len()), "{} of 12 were refused", refused.len());
    assert_eq!(refused[0].header("retry-after"), Some("1"));
    refused[0].problem(429);
}

#[test]
fn a_stop_ends_what_would_never_end() {
    let mut running = start(open());
    let at = running.address;
    running.control.put(config("door")).unwrap();
    let mut preview = ask(at, "GET", "/api/v1/cameras/door/preview.mjpeg").open();
    let mut stream = ask(at, "GET", "/api/v1/events/stream").open();
    assert_eq!((preview.status, stream.status), (200, 200));
    preview.chunk();
    let took = running.stop();
    assert!(took < Duration::from_millis(900), "it took {took:?}");
    assert!(preview.chunk().is_empty());
    assert!(stream.event().is_none());
    assert!(TcpStream::connect(at).is_err());
}

#[test]
fn faces_are_told_with_their_labels() {
    let running = start(open());
    running.control.put(config("door")).unwrap();
    running.control.change("door", |status| {
        status.faces = vec![face("insufficient", Some("too-small"), false, "trained")];
    });
    let face = &get(running.address, "/api/v1/cameras/door").json()["faces"][0];
    assert_eq!(face["label"], "insufficient");
    assert_eq!(face["reason"], "too-small");
    assert_eq!(face["box"], json!([10, 20, 80, 90]));
}
