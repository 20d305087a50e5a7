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
