//! Snapshots and previews.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gstm2sd::events::body::CameraState;
use gstm2sd::watch::control::Control;
use gstm2sd::watch::status::Jpeg;

use crate::client::{ask, get};
use crate::control::{Running, config, open, start};

/// No picture, but told from others.
fn frame(number: usize) -> Jpeg {
    Arc::from(format!("frame {number}").into_bytes())
}

/// Shows a new frame every 20 ms while `during` runs.
fn while_shown<T>(running: &Running, during: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                running.control.show("door", &frame(number));
                thread::sleep(Duration::from_millis(20));
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
        ended.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn a_snapshot_is_newer_than_its_request() {
    let running = start(open());
    running.control.put(config("door")).unwrap();
    running.control.show("door", &frame(999_999));
    while_shown(&running, || {
        let reply = get(running.address, "/api/v1/cameras/door/snapshot.jpg");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/jpeg")));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.text().starts_with("frame "), "{}", reply.text());
        assert_ne!(reply.text(), "frame 999999", "that one is old");
    });
}

#[test]
fn a_camera_that_shows_nothing_says_why() {
    let running = start(open());
    running.control.put(config("door")).unwrap();
    running.control.show("door", &frame(1));
    running.control.change("door", |status| {
        status.state = CameraState::Offline;
        status.reason = Some("no route to host".into());
    });
    let detail = get(running.address, "/api/v1/cameras/door/snapshot.jpg").problem(503);
    assert_eq!(detail, "camera door is offline: no route to host");
    for path in ["snapshot.jpg", "preview.mjpeg"] {
        let detail = get(running.address, &format!("/api/v1/cameras/window/{path}")).problem(404);
        assert!(detail.contains("no camera window"), "{detail}");
    }
}

#[test]
fn a_preview_is_one_picture_after_the_other() {
    let running = start(open());
    running.control.put(config("door")).unwrap();
    while_shown(&running, || {
        let mut preview = ask(running.address, "GET", "/api/v1/cameras/door/preview.mjpeg").open();
        let kind = preview.headers.iter().find(|(name, _)| name == "content-type").unwrap();
        assert_eq!(kind.1, "multipart/x-mixed-replace; boundary=m2sd-frame");
        let mut body = Vec::new();
        while body.windows(5).filter(|part| part == b"frame").count() < 8 {
            let chunk = preview.chunk();
            assert!(!chunk.is_empty(), "it ended");
            body.extend(chunk);
        }
        let body = String::from_utf8(body).unwrap();
        let mut parts = body.split("--m2sd-frame\r\n");
        assert_eq!(parts.next(), Some(""), "it begins with a boundary");
        let numbers: Vec<usize> = parts
            .filter_map(|part| {
                let (head, picture) = part.split_once("\r\n\r\n")?;
                let picture = picture.strip_suffix("\r\n")?;
                let length = format!("Content-Length: {}", picture.len());
                assert!(head.contains("image/jpeg") && head.contains(&length), "{head}");
                Some(picture.strip_prefix("frame ")?.parse().unwrap())
            })
            .collect();
        assert!(numbers.len() >= 3 && numbers.is_sorted(), "{numbers:?}");
    });
}

#[test]
fn a_preview_ends_with_its_camera_and_its_viewer() {
    let running = start(open());
    running.control.put(config("door")).unwrap();
    let mut ends = ask(running.address, "GET", "/api/v1/cameras/door/preview.mjpeg").open();
    let goes = ask(running.address, "GET", "/api/v1/cameras/door/preview.mjpeg").open();
    ends.chunk();
    assert_eq!(running.control.viewers("door"), 2);
    drop(goes);
    let deadline = Instant::now() + Duration::from_secs(5);
    while running.control.viewers("door") > 1 {
        assert!(Instant::now() < deadline, "nobody looks, and frames are still made");
        running.control.show("door", &frame(1));
        thread::sleep(Duration::from_millis(10));
    }
    running.control.remove(&crate::control::id("door")).unwrap();
    while !ends.chunk().is_empty() {}
}

#[test]
fn previews_are_limited() {
    let running = start(gstm2sd::watch::rest::HttpConfig { viewers: 2, ..open() });
    running.control.put(config("door")).unwrap();
    let preview = || ask(running.address, "GET", "/api/v1/cameras/door/preview.mjpeg").open();
    let first = preview();
    let second = preview();
    assert_eq!((first.status, second.status), (200, 200));
    let third = preview().finish();
    assert!(third.problem(503).contains("viewers"));
    assert!(third.header("retry-after").is_some());
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        running.control.show("door", &frame(1));
        if preview().status == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "the place of a viewer who went stays taken");
        thread::sleep(Duration::from_millis(20));
    }
}
