//! Leases of cameras against a real NATS server.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

#[path = "../support/ports.rs"]
mod ports;
#[path = "../events/servers.rs"]
#[allow(dead_code, reason = "every test program uses its own part")]
mod servers;
#[path = "../support/watchdog.rs"]
#[allow(dead_code, reason = "every test program uses its own part")]
mod watchdog;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstm2sd::events::CameraId;
use gstm2sd::watch::leases::{Held, LeaseError, Leases, Share, TTL};
use serde_json::json;

use crate::servers::{Server, nats};
use crate::watchdog::Watchdog;

const PATIENCE: Duration = Duration::from_secs(30);
/// Others take over from a worker that was killed within this time.
const TAKE_OVER: Duration = Duration::from_secs(10);
const ADDRESS: &str = "M2SD_TEST_NATS";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

fn address(server: &Server) -> String {
    format!("nats://127.0.0.1:{}", server.port)
}

fn camera(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

fn cameras() -> BTreeSet<CameraId> {
    (0..8).map(|n| camera(&format!("camera-{n}"))).collect()
}

async fn connect(server: &Server, worker: &str) -> Leases {
    Leases::connect(&address(server), "test", worker).await.unwrap()
}

/// Waits until the worker holds what is expected; returns how long that took.
async fn wait_until(share: &Share, what: &str, fulfilled: impl Fn(&Held) -> bool) -> Duration {
    let begun = Instant::now();
    let mut held = share.held();
    let waited = tokio::time::timeout(PATIENCE, held.wait_for(|held| fulfilled(held))).await;
    let found = share.held().borrow().clone();
    waited.unwrap_or_else(|_| panic!("{what}: {found:?}")).unwrap();
    begun.elapsed()
}

#[test]
fn a_lease_is_one_workers_until_it_is_released() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let server = nats(dir.path(), "");
    block_on(async {
        let (first, second) = (connect(&server, "first").await, connect(&server, "second").await);
        let door = camera("door");
        let mut lease = first.take(&door).await.unwrap().unwrap();
        assert_eq!(second.take(&door).await.unwrap(), None);
        first.renew(&mut lease).await.unwrap();
        first.keep(&lease, json!({ "alerted": [1, 2] })).await.unwrap();
        let (workers, held) = second.list().await.unwrap();
        assert_eq!(workers.into_iter().collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(held, BTreeSet::from([door.clone()]));

        first.release(lease).await.unwrap();
        let lease = second.take(&door).await.unwrap().unwrap();
        assert_eq!(second.kept(&door).await.unwrap(), Some(json!({ "alerted": [1, 2] })));
        let large = json!("x".repeat(70_000));
        let error = second.keep(&lease, large).await.unwrap_err();
        assert!(matches!(error, LeaseError::TooLarge(bytes) if bytes > 70_000), "{error}");
        assert_eq!(second.kept(&camera("other")).await.unwrap(), None);
    });
}

#[test]
fn who_did_not_renew_in_time_has_lost_the_lease_and_what_is_kept_with_it() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let server = nats(dir.path(), "");
    block_on(async {
        let (slow, next) = (connect(&server, "slow").await, connect(&server, "next").await);
        let door = camera("door");
        let mut lease = slow.take(&door).await.unwrap().unwrap();
        let begun = Instant::now();
        let taken = loop {
            assert!(begun.elapsed() < TAKE_OVER, "the lease does not end");
            match next.take(&door).await.unwrap() {
                Some(taken) => break taken,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        assert!(begun.elapsed() > TTL - Duration::from_secs(1), "{:?}", begun.elapsed());
        next.keep(&taken, json!("of the next")).await.unwrap();
        let error = slow.renew(&mut lease).await.unwrap_err();
        assert!(matches!(&error, LeaseError::Lost { holder, .. } if holder == "next"), "{error}");
        let error = slow.keep(&lease, json!("of the slow")).await.unwrap_err();
        assert!(matches!(error, LeaseError::Lost { .. }), "{error}");
        // Nor does it end the other's lease.
        slow.release(lease).await.unwrap();
        assert_eq!(slow.take(&door).await.unwrap(), None);
        assert_eq!(next.kept(&door).await.unwrap(), Some(json!("of the next")));
    });
}

/// Holds its share until it is killed; says which cameras that are.
#[test]
#[ignore = "the process that the next test kills"]
fn holds_its_share_until_it_is_killed() {
    let address = std::env::var(ADDRESS).expect("started by the test beside it");
    block_on(async {
        let leases = Leases::connect(&address, "test", "killed").await.unwrap();
        let share = Share::start(leases, cameras());
        let mut held = share.held();
        loop {
            let names: Vec<_> =
                held.borrow_and_update().cameras.iter().map(ToString::to_string).collect();
            std::io::stderr().write_all(format!("{}\n", names.join(" ")).as_bytes()).unwrap();
            held.changed().await.unwrap();
        }
    });
}

#[test]
fn a_worker_takes_over_from_one_that_is_killed() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let server = nats(dir.path(), "");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "holds_its_share_until_it_is_killed", "--nocapture"])
        .env(ADDRESS, address(&server))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let theirs = Arc::new(Mutex::new(String::new()));
    let (lines, told) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&theirs));
    std::thread::spawn(move || lines.for_each(|line| *told.lock().unwrap() = line.unwrap()));
    let begun = Instant::now();
    while theirs.lock().unwrap().split_whitespace().count() < 8 {
        assert!(begun.elapsed() < PATIENCE, "it holds {:?}", theirs.lock().unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }

    block_on(async {
        let share = Share::start(connect(&server, "other").await, cameras());
        // The first one gives half of them back.
        wait_until(&share, "half of them", |held| held.cameras.len() == 4).await;
        let ours = share.held().borrow().cameras.clone();
        let theirs: BTreeSet<_> = theirs.lock().unwrap().split_whitespace().map(camera).collect();
        assert_eq!((ours.len(), theirs.len()), (4, 4));
        assert_eq!(&ours | &theirs, cameras());

        child.kill().unwrap();
        child.wait().unwrap();
        let all = |held: &Held| held.cameras.len() == 8;
        let took = wait_until(&share, "all of them", all).await;
        assert!(took < TAKE_OVER, "{took:?}");
        share.stop().await;
    });
}

#[test]
fn workers_and_cameras_come_and_go() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let server = nats(dir.path(), "");
    block_on(async {
        let mut shares = Vec::new();
        for name in ["a", "b", "c"] {
            shares.push(Share::start(connect(&server, name).await, cameras()));
        }
        for share in &shares {
            wait_until(share, "two or three of eight", |held| {
                (2..=3).contains(&held.cameras.len())
            })
            .await;
        }
        // An orderly end needs no waiting for leases to end.
        let begun = Instant::now();
        shares.pop().unwrap().stop().await;
        for share in &shares {
            wait_until(share, "four of eight", |held| held.cameras.len() == 4).await;
        }
        assert!(begun.elapsed() < TTL, "{:?}", begun.elapsed());

        for share in &shares {
            share.share([camera("camera-3")].into());
        }
        let begun = Instant::now();
        loop {
            let held: Vec<_> =
                shares.iter().flat_map(|share| share.held().borrow().cameras.clone()).collect();
            if held == [camera("camera-3")] {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{held:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let share = shares.iter().find(|share| !share.held().borrow().cameras.is_empty()).unwrap();
        share.keep(&camera("camera-3"), json!(3)).await.unwrap();
        let not_held = share.keep(&camera("nowhere"), json!(4)).await.unwrap_err();
        assert!(matches!(not_held, LeaseError::Lost { .. }), "{not_held}");
        assert_eq!(shares[0].kept(&camera("camera-3")).await.unwrap(), Some(json!(3)));
    });
}

#[test]
fn cameras_are_watched_on_while_the_server_is_away() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let mut server = nats(dir.path(), "");
    block_on(async {
        let share = Share::start(connect(&server, "a").await, cameras());
        wait_until(&share, "all", |held| held.cameras.len() == 8).await;
        server.kill();
        wait_until(&share, "a failure is told", |held| held.failure.is_some()).await;
        // Longer than leases last.
        tokio::time::sleep(TTL + Duration::from_secs(2)).await;
        assert_eq!(share.held().borrow().cameras.len(), 8);
        server.restart();
        wait_until(&share, "it is well again", |held| held.failure.is_none()).await;
        assert_eq!(share.held().borrow().cameras.len(), 8);
        share.stop().await;
    });
}

#[test]
fn what_cannot_be_is_told_without_credentials() {
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    let server = nats(dir.path(), "authorization { user: bob, password: geheim }");
    let address = |user: &str| format!("nats://{user}@127.0.0.1:{}", server.port);
    block_on(async {
        for (url, bucket, part) in [
            (address("bob:falsch"), "test", "authorization violation"),
            (address("bob:geheim"), "a.b", "no name of a bucket"),
            (format!("{}/x", address("bob:geheim")), "test", "it has a path"),
            (format!("{}?x=1", address("bob:geheim")), "test", "unknown parameter \"x\""),
            ("mqtt://bob:geheim@host/x".to_owned(), "test", "no NATS server"),
            ("nats://bob:geheim@127.0.0.1:1".to_owned(), "test", "cannot connect"),
        ] {
            let error = Leases::connect(&url, bucket, "a").await.unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains(part), "{told}");
            assert!(!told.contains("falsch") && !told.contains("geheim"), "{told}");
        }
        let url = address("bob:geheim");
        let first = Leases::connect(&url, "test", "same").await.unwrap();
        let stays = async {
            loop {
                first.stay().await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let second = Leases::connect(&url, "test", "same");
        let error = tokio::select! {
            () = stays => unreachable!(),
            second = second => second.unwrap_err(),
        };
        assert!(matches!(error, LeaseError::SameName(_)), "{error}");

        let client =
            async_nats::ConnectOptions::with_user_and_password("bob".into(), "geheim".into());
        let client = client.connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let other = async_nats::jetstream::stream::Config {
            name: "KV_other".to_owned(),
            subjects: vec!["$KV.other.>".to_owned()],
            max_messages_per_subject: 1,
            ..Default::default()
        };
        context.create_stream(other).await.unwrap();
        let error = Leases::connect(&url, "other", "b").await.unwrap_err().to_string();
        assert!(error.contains("keeps its keys for 0 s, and 6 s are expected"), "{error}");
    });
}
