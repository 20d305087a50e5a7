//! Cameras that are added, changed and removed while others run.

use gstm2sd::events::body::CameraState::Online;
use gstm2sd::watch::config::CameraConfig;
use gstm2sd::watch::control::ControlError;

use super::resident::resident_mib;
use super::support::{PATIENCE, Watchdog, Watching, id, until, write_config};

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Adds the camera over REST; returns the answer's status.
fn add(agent: &ureq::Agent, camera: &str) -> u16 {
    let body = r#"{"id": "comes", "uri": "test://snow?width=64&height=64&rate=30"}"#;
    let request = agent.put(camera).content_type("application/json");
    request.send(body).unwrap().status().as_u16()
}

/// In a process of its own, where nothing else takes memory and threads.
#[test]
fn cameras_come_and_go_200_times() {
    const ALONE: &str = "M2SD_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "cycles::cameras_come_and_go_200_times";
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ALONE, "1")
            .status();
        assert!(alone.unwrap().success());
        return;
    }
    let _watchdog = Watchdog::with_patience(5 * PATIENCE);
    let stays = "[http]\nlisten = \"127.0.0.1:0\"\n\n[[camera]]\nid = \"stays\"\nuri = \"test://ball?width=64&height=64&rate=10\"\n";
    let watching = Watching::start(stays);
    watching.until_state("stays", Online);
    let camera = format!("{}/api/v1/cameras/comes", watching.address());
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
    let agent = ureq::Agent::from(agent);
    let cycle = |number: usize| {
        assert_eq!(add(&agent, &camera), 201, "it is new");
        if number.is_multiple_of(4) {
            watching.until_state("comes", Online);
        }
        assert_eq!(agent.delete(&camera).call().unwrap().status(), 204);
        assert_eq!(agent.get(&camera).call().unwrap().status(), 404);
    };
    let settle = || {
        until("an end of all threads", || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
            let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
            let mut names = tasks.filter_map(|task| name(task).ok());
            !names.any(|name| name.starts_with("camera-comes"))
        });
        let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
        (threads, files, resident_mib())
    };
    (0..40).for_each(cycle);
    let before = settle();
    (0..200).for_each(cycle);
    settle();
    // Pools keep threads for a while that nobody needs; those of a leak stay.
    until("an end of what nobody needs", || count("/proc/self/task") <= before.0 + 2);
    let after = settle();
    println!("threads, files, MiB: {before:?}, after 200 more {after:?}");
    assert!(after.0 <= before.0 + 2, "threads: {before:?} {after:?}");
    assert!(after.1 <= before.1 + 2, "files: {before:?} {after:?}");
    assert!(after.2 <= before.2 + 25, "MiB: {before:?} {after:?}");
    let frames = watching.frames("stays");
    until("frames", || watching.frames("stays") > frames + 5);
    assert_eq!(watching.status("stays").figures.abandoned, 0);
    let metrics = agent.get(format!("{}/metrics", watching.address())).call().unwrap();
    let metrics = metrics.into_body().read_to_string().unwrap();
    let timed = metrics
        .lines()
        .find_map(|line| line.strip_prefix("m2sd_frame_latency_seconds_count{camera=\"stays\"} "))
        .unwrap();
    let (timed, sent) =
        (timed.parse::<u64>().unwrap(), watching.status("stays").figures.frames_out);
    assert!(timed > frames && sent.abs_diff(timed) < 20, "{timed} frames timed of {sent}");
    assert!(watching.stop().2);
}

#[test]
fn a_reload_restarts_what_has_changed_and_nothing_else() {
    let _watchdog = Watchdog::new();
    let camera = |id: &str, rate: u32| {
        format!("[[camera]]\nid = \"{id}\"\nuri = \"test://ball?width=64&height=64&rate={rate}\"\n")
    };
    let all = [camera("a", 10), camera("b", 10), camera("c", 10)].concat();
    let watching = Watching::start(&all);
    for camera in ["a", "b", "c"] {
        watching.until_state(camera, Online);
    }
    let told = |camera: &str| watching.told(camera).len();
    let before = told("a");
    write_config(&watching.file, &[camera("a", 10), camera("b", 20), camera("d", 10)].concat());
    watching.control().reload().unwrap();
    watching.until_state("d", Online);
    until("b's new rate", || {
        watching.status("b").video.is_some_and(|video| video.frame_rate == 20.0)
    });
    assert!(watching.control().camera(&id("c")).is_none());
    assert_eq!(told("a"), before, "it went on");

    // What is wrong changes nothing.
    write_config(&watching.file, "[[camera]]\nid = \"e\"\nuri = \"test://nosuch\"\n");
    let error = watching.control().reload().unwrap_err();
    assert!(
        matches!(&error, ControlError::Invalid(text) if text.contains("watch.toml:")),
        "{error}"
    );
    assert_eq!(watching.control().cameras().len(), 3);
    assert!(watching.stop().2);
}

#[test]
fn what_rest_changes_is_kept_over_a_restart() {
    let _watchdog = Watchdog::new();
    let file = "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\n\n[[camera]]\nid = \"b\"\n\
                uri = \"test://ball\"\n";
    let watching = Watching::start(file);
    let mut camera = CameraConfig::new(id("c"), "rtsp://bob:geheim99@127.0.0.1:1/x");
    assert!(watching.control().put(camera.clone()).unwrap());
    watching.control().remove(&id("a")).unwrap();
    let error = watching.control().remove(&id("a")).unwrap_err();
    assert!(matches!(error, ControlError::NoCamera(_)), "{error}");
    // Read without its password, and written back: the password is still there.
    let read = watching.control().config(&id("c")).unwrap();
    assert_eq!(read.uri, "rtsp://127.0.0.1:1/x");
    camera.name = Some("Yard".to_owned());
    let changed = CameraConfig { name: camera.name.clone(), ..read };
    assert!(!watching.control().put(changed).unwrap());
    for (uri, expected) in [("test://nosuch", "smpte"), ("file:///no/such/file", "No such file")] {
        let error = watching.control().put(CameraConfig::new(id("d"), uri)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let (folder, _, stopped, _) = watching.stop();
    assert!(stopped);
    let kept = folder.path().join("state/cameras.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.contains("bob:geheim99@") && text.contains("Yard"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&kept.metadata().unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "others may read a password");

    let watching = Watching::start_in(folder, file);
    let cameras = watching.control().cameras();
    let ids: Vec<_> = cameras.iter().map(|camera| camera.id.to_string()).collect();
    assert_eq!(ids, ["b", "c"]);
    assert_eq!(cameras[1].name, "Yard");
    assert!(watching.said().iter().any(|line| line.contains("camera a is not watched, as")));
    assert!(watching.stop().2);
}
