//! Clips in shared memory, to Triton on this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gstm2sd::infer::{CancelToken, Classifier, Clip, ClipScore};

use crate::servers::{Proxy, Server};
use crate::{classifier, load, load_here, name, pixels, score};

fn until(what: &str, mut is_it: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_it() {
        assert!(started.elapsed() < Duration::from_secs(30), "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The regions that a server has mapped, by its word.
fn regions(server: &Server) -> Vec<String> {
    let url = format!("http://127.0.0.1:{}/v2/systemsharedmemory/status", server.http_port());
    let text = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
    let regions: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    regions.iter().map(|region| region["name"].as_str().unwrap().to_owned()).collect()
}

fn file(region: &str) -> PathBuf {
    Path::new("/dev/shm").join(region)
}

/// Scores until a region is registered. Meanwhile clips go as bytes, and the scores are the same.
fn score_until_shared(there: &mut Classifier, server: &Server) -> Vec<ClipScore> {
    let first = score(there, &[3, 70]).unwrap();
    until("region", || {
        assert_eq!(score(there, &[3, 70]).unwrap(), first);
        !regions(server).is_empty()
    });
    first
}

fn assert_near(some: &[ClipScore], others: &[ClipScore]) {
    assert_eq!(some.len(), others.len());
    for (one, other) in some.iter().zip(others) {
        assert!((one.fake - other.fake).abs() <= 1e-5, "{one:?} {other:?}");
    }
}

#[test]
fn clips_in_shared_memory_score_as_bytes_and_as_the_file_here() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let here = score(&mut load_here(&model), &[3, 70]).unwrap();
    let server = Server::triton(&[&model]);
    let proxy = Proxy::to(server.address());
    let mut there = load(&proxy.model(name(&model))).unwrap();
    score_until_shared(&mut there, &server);
    let before = proxy.passed();
    for _ in 0..10 {
        assert_near(&score(&mut there, &[3, 70]).unwrap(), &here);
    }
    let shared = proxy.passed() - before;
    let mut raw = load(&format!("{}?shared-memory=off", proxy.model(name(&model)))).unwrap();
    let before = proxy.passed();
    for _ in 0..10 {
        assert_near(&score(&mut raw, &[3, 70]).unwrap(), &here);
    }
    let bytes = proxy.passed() - before;
    let clip = pixels(&there, 0).len();
    assert!(bytes > 10 * 2 * clip && shared < clip, "{shared} of {bytes}");
    // A larger run does not fit into the region of a smaller one.
    let eight = [1, 2, 3, 4, 5, 6, 7, 8];
    let expected = score(&mut raw, &eight).unwrap();
    until("larger region", || {
        let before = proxy.passed();
        assert_near(&score(&mut there, &eight).unwrap(), &expected);
        proxy.passed() - before < clip
    });
    // Nobody else may read them, and nothing is left of them.
    let names = regions(&server);
    assert!(!names.is_empty());
    for name in &names {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(file(name).metadata().unwrap().mode() & 0o777, 0o600);
    }
    drop(there);
    assert!(names.iter().all(|name| !file(name).exists()));
    assert_eq!(regions(&server), [""; 0]);
}

#[test]
fn a_run_that_is_cancelled_leaves_no_region() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let server = Server::triton(&[&model]);
    let proxy = Proxy::to(server.address());
    let mut there = load(&proxy.model(name(&model))).unwrap();
    score_until_shared(&mut there, &server);
    let names = regions(&server);
    proxy.be_silent(true);
    let cancel = CancelToken::new();
    let on_time = cancel.clone();
    let waiting = std::thread::spawn(move || {
        let clip = there.spec().clip(pixels(&there, 1).view(), Vec::new).unwrap();
        there.run(&[Clip { frames: clip.view(), audio: None }], &on_time).unwrap_err();
        let started = Instant::now();
        drop(there);
        started.elapsed()
    });
    std::thread::sleep(Duration::from_millis(300));
    cancel.cancel();
    // A server that does not answer is not waited for.
    let took = waiting.join().unwrap();
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(names.iter().all(|name| !file(name).exists()), "{names:?}");
}

#[test]
fn a_server_that_refuses_regions_gets_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let here = score(&mut load_here(&model), &[3, 70]).unwrap();
    let restricted = "--grpc-restricted-protocol=shared-memory:token=none";
    let refuses = Server::triton_with(&[&model], &[restricted]);
    let mut there = load(&refuses.model(name(&model))).unwrap();
    for _ in 0..40 {
        assert_near(&score(&mut there, &[3, 70]).unwrap(), &here);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(regions(&refuses), [""; 0]);
    // One that knows nothing of it, on this machine as well.
    let kserve = Server::kserve(name(&model), &model);
    let mut there = load(&kserve.model(name(&model))).unwrap();
    for _ in 0..10 {
        assert_near(&score(&mut there, &[3, 70]).unwrap(), &here);
    }
}

#[test]
fn a_server_that_lost_its_regions_gets_bytes_and_then_regions_again() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let mut server = Server::triton(&[&model]);
    let mut there = load(&server.model(name(&model))).unwrap();
    let expected = score_until_shared(&mut there, &server);
    for _ in 0..40 {
        assert_eq!(score(&mut there, &[3, 70]).unwrap(), expected);
    }
    let names = regions(&server);
    server.kill();
    assert!(score(&mut there, &[3, 70]).is_err());
    server.restart();
    assert_eq!(regions(&server), [""; 0]);
    until("region again", || {
        // An error while it is out, no other score ever.
        score(&mut there, &[3, 70]).is_ok_and(|scores| {
            assert_eq!(scores, expected);
            !regions(&server).is_empty()
        })
    });
    assert!(names.iter().all(|name| !file(name).exists()), "those that it had");
}

#[test]
fn two_servers_behind_one_address_get_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let servers = [Server::triton(&[&model]), Server::triton(&[&model])];
    let proxy = Proxy::to(servers[0].address());
    let mut there = load(&proxy.model(name(&model))).unwrap();
    let expected = score_until_shared(&mut there, &servers[0]);
    // The next connection is to the other one, which has no such region.
    proxy.lead_to(servers[1].address());
    until("scores", || score(&mut there, &[3, 70]).is_ok());
    let clip = pixels(&there, 0).len();
    for _ in 0..10 {
        assert_eq!(score(&mut there, &[3, 70]).unwrap(), expected);
    }
    let before = proxy.passed();
    assert_eq!(score(&mut there, &[3, 70]).unwrap(), expected);
    assert!(proxy.passed() - before > clip, "nothing was answered by the first long enough");
}

/// Another process that offers clips.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let model = classifier(dir.path());
    let server = Server::triton(&[&model]);
    let address = server.model(name(&model));
    let bench = ["bench", "--remote", &address, "--streams", "2", "--seconds", "60"];
    let child = Command::new(env!("CARGO_BIN_EXE_m2sd")).args(bench).stdout(Stdio::null()).spawn();
    let mut other = Other(child.unwrap());
    until("region of the other process", || !regions(&server).is_empty());
    let prefix = format!("m2sd-{}-", other.0.id());
    let of_other = |name: &String| name.starts_with(&prefix);
    let left = regions(&server);
    assert!(left.iter().all(of_other), "{left:?}");
    // While it lives they are not ours to remove.
    let mut there = load(&address).unwrap();
    score(&mut there, &[3]).unwrap();
    until("own region", || {
        score(&mut there, &[3]).unwrap();
        !regions(&server).iter().all(of_other)
    });
    drop(there);
    assert!(left.iter().all(|name| file(name).exists()));
    other.0.kill().unwrap();
    other.0.wait().unwrap();
    assert!(left.iter().all(|name| file(name).exists()), "nobody could remove them");
    let mut there = load(&address).unwrap();
    until("own regions only", || {
        score(&mut there, &[3]).unwrap();
        let now = regions(&server);
        !now.is_empty() && now.iter().all(|name| !of_other(name))
    });
    assert!(left.iter().all(|name| !file(name).exists()), "{left:?}");
}
