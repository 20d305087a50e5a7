//! Files of recordings: parts of them, and nothing but them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use gstm2sd::watch::status::RecordingStatus;
use serde_json::json;

use crate::client::{Reply, ask, get};
use crate::control::{Running, id, open, start};

const NAME: &str = "01JD00000000000000000000AA";

fn bytes() -> Vec<u8> {
    (0..300_000u32).map(|n| (n % 251) as u8).collect()
}

/// A server with a recording, and what must stay unseen beside it.
fn with_recording() -> (Running, PathBuf) {
    let running = start(open());
    let folder = running.folder.path().join("recordings");
    fs::create_dir(&folder).unwrap();
    let video = folder.join(format!("{NAME}.mp4"));
    fs::write(&video, bytes()).unwrap();
    fs::write(running.folder.path().join("secret.mp4"), "secret").unwrap();
    running.control.files.lock().unwrap().insert(format!("{NAME}.mp4"), video);
    (running, folder)
}

fn part(running: &Running, range: &str) -> Reply {
    let target = format!("/api/v1/recordings/{NAME}.mp4");
    ask(running.address, "GET", &target).header("Range", range).send()
}

#[test]
fn a_recording_comes_whole_or_in_parts() {
    let (running, _) = with_recording();
    let all = get(running.address, &format!("/api/v1/recordings/{NAME}.mp4"));
    assert_eq!((all.status, all.header("content-type")), (200, Some("video/mp4")));
    assert_eq!(all.header("accept-ranges"), Some("bytes"));
    assert!(all.body == bytes(), "{} bytes", all.body.len());
    for (range, expected, first, last) in [
        ("bytes=0-0", 1, 0, 0),
        ("bytes=1000-200999", 200_000, 1000, 200_999),
        ("bytes=299000-", 1000, 299_000, 299_999),
        ("bytes=-500", 500, 299_500, 299_999),
    ] {
        let reply = part(&running, range);
        assert_eq!((reply.status, reply.body.len()), (206, expected), "{range}");
        let told = format!("bytes {first}-{last}/300000");
        assert_eq!(reply.header("content-range"), Some(told.as_str()));
        assert_eq!(reply.header("content-length"), Some(expected.to_string().as_str()));
        assert!(reply.body == bytes()[first..=last], "{range}");
    }
    let beyond = part(&running, "bytes=300000-");
    assert_eq!(beyond.header("content-range"), Some("bytes */300000"));
    beyond.problem(416);
    assert_eq!(part(&running, "bytes=5-1").status, 200);
}

#[test]
fn a_recording_that_has_changed_comes_whole() {
    let (running, folder) = with_recording();
    let target = format!("/api/v1/recordings/{NAME}.mp4");
    let first = get(running.address, &target);
    let tag = first.header("etag").unwrap();
    let again = ask(running.address, "GET", &target).header("If-None-Match", tag).send();
    assert_eq!((again.status, again.body.len()), (304, 0));
    let part = || {
        let ask = ask(running.address, "GET", &target).header("Range", "bytes=0-9");
        ask.header("If-Range", tag).send()
    };
    assert_eq!(part().status, 206);
    fs::write(folder.join(format!("{NAME}.mp4")), "another").unwrap();
    let whole = part();
    assert_eq!((whole.status, whole.text()), (200, "another".to_owned()));
}

#[test]
fn a_head_request_has_the_length_and_no_body() {
    let (running, _) = with_recording();
    let reply = ask(running.address, "HEAD", &format!("/api/v1/recordings/{NAME}.mp4")).send();
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("300000")));
    assert!(reply.body.is_empty());
}

#[test]
fn nothing_else_can_be_had() {
    let (running, folder) = with_recording();
    // Should it ever be asked for a path, it would find these.
    let outside = running.folder.path().join("secret.mp4");
    let mut files = running.control.files.lock().unwrap();
    for name in ["../secret.mp4", "..\\secret.mp4", "/etc/passwd", "a/../../secret.mp4", ".mp4"] {
        files.insert(name.to_owned(), outside.clone());
    }
    for name in ["secret.mp4\0", "secret\0.mp4", "secret.txt", "secret"] {
        files.insert(name.to_owned(), outside.clone());
    }
    drop(files);
    let absolute = outside.to_str().unwrap().replace('/', "%2f");
    let targets = [
        "/api/v1/recordings/../secret.mp4",
        "/api/v1/recordings/..%2fsecret.mp4",
        "/api/v1/recordings/%2e%2e%2fsecret.mp4",
        "/api/v1/recordings/%2e%2e/secret.mp4",
        "/api/v1/recordings/..%5csecret.mp4",
        "/api/v1/recordings/a%2f..%2f..%2fsecret.mp4",
        "/api/v1/recordings//etc/passwd",
        "/api/v1/recordings/%2fetc%2fpasswd",
        "/api/v1/recordings/secret%00.mp4",
        "/api/v1/recordings/secret.mp4%00",
        "/api/v1/recordings/secret.txt",
        "/api/v1/recordings/secret",
        "/api/v1/recordings/.mp4",
        "/api/v1/recordings/..",
        "/api/v1/recordings/%2e%2e",
        "/api/v1/recordings/%ff.mp4",
        &format!("/api/v1/recordings/{absolute}"),
        &format!("/api/v1/recordings/{}.mp4", "x".repeat(2000)),
        "/page/../secret.mp4",
        "/page/%2e%2e/secret.mp4",
    ];
    for target in targets {
        let reply = get(running.address, target);
        assert!(matches!(reply.status, 400 | 404), "{target}: {}", reply.status);
        assert!(!reply.text().contains("secret\n") && reply.text() != "secret", "{target}");
    }
    let mut files = running.control.files.lock().unwrap();
    let link = folder.join("link.mp4");
    symlink(&outside, &link).unwrap();
    files.insert("link.mp4".into(), link);
    files.insert("folder.mp4".into(), folder.clone());
    files.insert("gone.mp4".into(), folder.join("gone.mp4"));
    let pipe = folder.join("pipe.mp4");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    files.insert("pipe.mp4".into(), pipe);
    drop(files);
    for name in ["link.mp4", "folder.mp4", "gone.mp4", "pipe.mp4"] {
        get(running.address, &format!("/api/v1/recordings/{name}")).problem(404);
    }
}

#[test]
fn recordings_are_listed() {
    let (running, _) = with_recording();
    running.control.recordings.lock().unwrap().push(RecordingStatus {
        id: NAME.into(),
        camera: id("door"),
        unfinished: false,
        bytes: 300_000,
        video: None,
        stills: vec![format!("{NAME}-1.jpg")],
        failure: None,
    });
    let listed = get(running.address, "/api/v1/recordings").json();
    assert_eq!(listed["recordings"][0]["stills"], json!([format!("{NAME}-1.jpg")]));
}
