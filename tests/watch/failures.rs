//! Cameras that fail, each in its own way, beside one that does not.

use std::time::{Duration, Instant};

use gstm2sd::events::body::CameraState::{Connecting, Ended, Offline, Online, Stalled};

use super::server::{self, PASSWORD, Server, USER};
use super::support::{Watchdog, Watching, is_in_folder, until};

/// Whoever watches is told within this.
const TOLD: Duration = Duration::from_secs(5);

fn camera(id: &str, uri: &str, more: &str) -> String {
    format!("[[camera]]\nid = \"{id}\"\nuri = \"{uri}\"\ntransport = \"tcp\"\n{more}\n")
}

#[test]
fn cameras_that_fail_are_told_apart_come_back_and_harm_nobody() {
    let _watchdog = Watchdog::with_patience(Duration::from_secs(300));
    let [healthy, stalls, closes, changes] = [(); 4].map(|()| Server::start(false));
    let guarded = Server::start(true);
    let with_password =
        |password: &str| guarded.uri().replace("rtsp://", &format!("rtsp://{USER}:{password}@"));
    let started = Instant::now();
    let watching = Watching::start(
        &[
            camera("healthy", &healthy.uri(), ""),
            camera("stalls", &stalls.uri(), ""),
            camera("closes", &closes.uri(), ""),
            camera("changes", &changes.uri(), ""),
            camera("nonsense", &format!("rtsp://127.0.0.1:{}/x", server::nonsense()), ""),
            camera("silent", &format!("rtsp://127.0.0.1:{}/x", server::silence()), ""),
            camera("refused", &with_password("falsch-und-lang"), ""),
            camera("let-in", &with_password(PASSWORD), ""),
        ]
        .concat(),
    );
    let reason = |camera: &str| watching.status(camera).reason.unwrap_or_default();
    // Those that never work are told while the others connect.
    until("word of the refusal", || reason("refused").contains("refuses"));
    until("word of the nonsense", || watching.status("nonsense").state == Offline);
    until("word of the silence", || reason("silent").contains("nothing has come"));
    assert!(started.elapsed() < 2 * TOLD, "{:?}: {:#?}", started.elapsed(), watching.said());
    for camera in ["healthy", "stalls", "closes", "changes", "let-in"] {
        watching.until_state(camera, Online);
    }
    assert_eq!(watching.status("healthy").video.unwrap().codec.unwrap(), "video/x-h264");
    let (before, healthy_since) = (watching.frames("healthy"), Instant::now());

    stalls.stall(true);
    let took = watching.until_state("stalls", Stalled);
    assert!(took < TOLD, "{took:?}");
    assert!(reason("stalls").contains("no frame and no byte"), "{}", reason("stalls"));
    stalls.stall(false);
    watching.until_state("stalls", Online);

    closes.close();
    let took = until("loss", || watching.states("closes").contains(&Offline));
    assert!(took < TOLD, "{took:?}");
    watching.until_state("closes", Online);
    assert_eq!(watching.status("closes").figures.reconnects, 1);

    changes.enlarge();
    let took = until("change", || watching.told("changes").len() == 3);
    assert!(took < TOLD, "{took:?}");
    let told = watching.told("changes").pop().unwrap();
    assert_eq!((told.state, told.video.unwrap().width), (Online, 480));
    assert!(told.reason.unwrap().contains("480x360"));

    // One that stays away is found again without help.
    stalls.stall(true);
    until("loss", || watching.states("stalls").contains(&Offline));
    stalls.stall(false);
    watching.until_state("stalls", Online);

    let frames = watching.frames("healthy") - before;
    let expected = healthy_since.elapsed().as_secs_f64() * 10.0;
    assert!(frames as f64 > expected * 0.8, "{frames} of {expected}");
    assert_eq!(watching.states("healthy"), [Connecting, Online]);
    assert!(!watching.states("refused").contains(&Online));

    let faults = [PASSWORD, "falsch-und-lang"];
    for status in watching.control().cameras() {
        let text = serde_json::to_string(&status).unwrap();
        assert!(faults.iter().all(|fault| !text.contains(fault)), "{text}");
    }
    let config = watching.control().config(&super::support::id("let-in")).unwrap();
    assert_eq!(config.uri, guarded.uri());
    let (folder, said, stopped, took) = watching.stop();
    println!("{said:#?}");
    assert!(stopped && took < Duration::from_secs(5), "{took:?}");
    for fault in faults {
        assert!(said.iter().all(|line| !line.contains(fault)), "{said:#?}");
        let found = is_in_folder(&folder.path().join("state"), fault);
        assert_eq!(found, None, "the password is in a file");
    }
}

/// A file that nobody writes into holds up whoever opens it, for ever.
#[test]
fn a_pipeline_that_does_not_stop_is_left_alone_and_holds_nobody() {
    let _watchdog = Watchdog::new();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let other = "[[camera]]\nid = \"other\"\nuri = \"test://ball?width=64&height=64&rate=10\"\n";
    let held = format!(
        "[[camera]]\nid = \"held\"\nuri = \"file://{}\"\nconnect-timeout = \"1s\"\n\
         stall-timeout = \"500ms\"\n",
        pipe.display()
    );
    let watching = Watching::start(&format!("{held}{other}"));
    watching.until_state("other", Online);
    until("a pipeline that is left alone", || watching.status("held").figures.abandoned > 0);
    let before = watching.frames("other");
    until("frames", || watching.frames("other") > before + 20);
    let (_folder, said, _, took) = watching.stop();
    assert!(took < Duration::from_secs(6), "{took:?}: {said:#?}");
    assert!(said.iter().any(|line| line.contains("left alone")), "{said:#?}");
    // Lets the threads go that wait for it.
    std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
}

#[test]
fn a_file_ends_and_one_in_a_loop_does_not() {
    let _watchdog = Watchdog::new();
    let folder = tempfile::tempdir().unwrap();
    let video = super::files::short_video(folder.path());
    let camera = |id: &str, more: &str| {
        format!("[[camera]]\nid = \"{id}\"\nuri = \"file://{}\"\n{more}\n", video.display())
    };
    let watching = Watching::start(&[camera("once", ""), camera("again", "loop = true")].concat());
    watching.until_state("once", Ended);
    assert_eq!(watching.states("once"), [Connecting, Online, Ended]);
    // 20 frames in two seconds, at the speed of the video.
    let took = until("a third time", || watching.frames("again") > 45);
    assert!(took > Duration::from_secs(1), "{took:?}");
    assert_eq!(watching.states("again"), [Connecting, Online]);
    assert_eq!(watching.status("again").figures.reconnects, 0);
    assert_eq!(watching.status("once").figures.frames_in, 20);
    assert!(watching.stop().2);
}

/// The camera is there; the models are not.
#[test]
fn models_that_are_missing_are_not_taken_for_a_camera_that_is() {
    let _watchdog = Watchdog::with_patience(Duration::from_secs(120));
    let watching = Watching::start(
        "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\nfilter = { detector = \"not_there\" }\n",
    );
    watching.until_state("a", Offline);
    let reason = || watching.status("a").reason.unwrap_or_default();
    assert!(reason().contains("no detector model"), "{}", reason());
    assert!(!reason().contains("nothing at this address"), "{}", reason());
    assert!(!watching.control().ready());
    // It is tried again, and the same reason is no news.
    let first = reason();
    // A try may end sooner than anybody sees it; that its state has changed stays.
    let since = watching.status("a").since;
    until("another try", || watching.status("a").since != since);
    until("its end", || watching.status("a").state == Offline);
    assert_eq!(reason(), first);
    let told = watching.events().into_iter().filter(|event| match &event.body {
        gstm2sd::events::Body::Camera(camera) => camera.state == Offline,
        _ => false,
    });
    assert_eq!(told.count(), 1);
}
