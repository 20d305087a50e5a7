//! What shows of a camera: its faces, and pictures for those who look.

use std::time::Duration;

use gstm2sd::events::body::CameraState::Online;
use gstm2sd::events::{Event, body::Body};

use super::support::{Watchdog, Watching, id, until};

/// Drawn faces with the networks that the service makes for them.
fn drawn(scene: &str) -> Watching {
    let folder = tempfile::tempdir().unwrap();
    let camera = format!(
        "[[camera]]\nid = \"a\"\nuri = \"drawn://{scene}?rate=15\"\n\
         filter = {{ classifier = \"analytic_classifier\", detect-interval = 1, clip-stride = 8 }}\n"
    );
    Watching::start_in(folder, &camera)
}

#[test]
fn drawn_faces_are_judged_and_told() {
    let _watchdog = Watchdog::new();
    let watching = drawn("fake");
    watching.until_state("a", Online);
    until("a fake face", || watching.status("a").faces.iter().any(|face| face.label == "fake"));
    let face = watching.status("a").faces.into_iter().find(|face| face.label == "fake").unwrap();
    assert!(face.score.unwrap() > 0.8 && face.track.is_some(), "{face:?}");
    assert_eq!(face.training, "analytic");
    let [x, y, width, height] = face.rect;
    assert!(x < 640 && y < 360 && (80..120).contains(&width) && (80..120).contains(&height));
    until("ready", || watching.control().ready());
    let figures = watching.status("a").figures;
    assert!(figures.clips_scored > 0 && figures.bytes_in > 0, "{figures:?}");
    let kinds = |events: &[Event]| -> Vec<&str> {
        events.iter().map(|event| event.body.type_name()).collect()
    };
    until("a verdict's event", || kinds(&watching.events()).contains(&"verdict"));
    let events = watching.events();
    assert!(kinds(&events).contains(&"clip"), "{events:?}");
    let verdict = events.iter().find_map(|event| match &event.body {
        Body::Verdict(verdict) if verdict.judgement.label == "fake" => Some(verdict),
        _ => None,
    });
    assert!(verdict.unwrap().judgement.score.unwrap() > 0.8);
    assert!(watching.stop().2);
}

#[test]
fn pictures_are_made_while_somebody_looks() {
    let _watchdog = Watchdog::new();
    let watching = drawn("real");
    watching.until_state("a", Online);
    assert!(watching.control().preview(&id("b")).is_none());
    let looks = watching.control().preview(&id("a")).unwrap();
    until("a picture", || looks.borrow().is_some());
    let first = looks.borrow().clone().unwrap();
    assert_eq!(&first[..2], b"\xff\xd8", "JPEG");
    until("another picture", || looks.borrow().as_ref() != Some(&first));
    drop(looks);
    let frames = watching.frames("a");
    until("frames", || watching.frames("a") > frames + 10);
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    assert!(names.filter(|name| name.starts_with("m2sd-picture")).count() <= 1);
    assert!(watching.stop().3 < Duration::from_secs(5));
}
