//! Cameras that two workers share.

use std::time::{Duration, Instant};

use gstm2sd::events::body::CameraState::Online;

use super::command::{Running, camera};
use super::servers;
use super::support::{Watchdog, Watching, until};

#[test]
fn the_cameras_of_a_worker_that_is_killed_go_on_elsewhere() {
    let _watchdog = Watchdog::with_patience(Duration::from_secs(240));
    let folder = tempfile::tempdir().unwrap();
    let nats = servers::nats(folder.path(), "");
    let ball = "test://ball?width=64&height=64&rate=10";
    let ids = ["a", "b", "c", "d"];
    let cameras: String = ids.iter().map(|id| camera(id, ball)).collect();
    let leases = format!("[leases]\nurl = \"nats://127.0.0.1:{}\"\n", nats.port);
    let here = Watching::start_named("here", &format!("{cameras}{leases}"));
    let is_here = |id: &str| here.status(id).state == Online;
    let count = || ids.iter().filter(|id| is_here(id)).count();
    until("all cameras", || count() == 4);

    let mut there = Running::start_named("there", &format!("{cameras}{leases}"), &[]);
    until("a fair share", || count() == 2);
    for id in ids.iter().filter(|id| !is_here(id)) {
        there.until_said(&format!("camera {id}: online"));
        assert!(here.status(id).reason.unwrap().contains("another worker"));
    }
    // Events of the cameras that are watched elsewhere come from there.
    let told = here.told("a").len();
    there.kill();
    let killed = Instant::now();
    until("all cameras again", || count() == 4);
    let took = killed.elapsed();
    println!("{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(here.told("a").len() >= told);
    let (_, said, stopped, took) = here.stop();
    assert!(stopped && took < Duration::from_secs(5), "{took:?} {said:#?}");
}

/// The face that one worker has alerted is the same one for the next, wherever it is by then.
#[test]
fn what_a_worker_has_alerted_the_next_one_does_not_alert_again() {
    let _watchdog = Watchdog::with_patience(Duration::from_secs(240));
    let folder = tempfile::tempdir().unwrap();
    let nats = servers::nats(folder.path(), "");
    let leases = format!("[leases]\nurl = \"nats://127.0.0.1:{}\"\n", nats.port);
    let filter =
        "filter = { classifier = \"analytic_classifier\", detect-interval = 1, clip-stride = 8 }\n";
    let camera = format!("{}{filter}", camera("hall", "drawn://fake?rate=15"));
    let mut there = Running::start_named("there", &format!("{camera}{leases}"), &[]);
    there.until_said("camera hall: ALERT");
    let here = Watching::start_named("here", &format!("{camera}{leases}"));
    until("the other worker", || {
        here.status("hall").reason.is_some_and(|reason| reason.contains("another worker"))
    });
    // What is alerted is kept without anybody waiting for it.
    std::thread::sleep(Duration::from_secs(1));
    there.kill();
    let is_fake = || here.status("hall").faces.iter().any(|face| face.label == "fake");
    until("the face", is_fake);
    // As long as it takes a verdict to be confirmed, and more.
    std::thread::sleep(Duration::from_secs(6));
    let alerts = here.events().into_iter().filter(|event| event.body.type_name() == "alert");
    assert_eq!(alerts.count(), 0, "{:#?}", here.said());
    assert_eq!(here.status("hall").figures.alerts, 0);
    here.stop();
}
