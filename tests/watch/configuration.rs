//! What `--check` tells of configurations.

use std::path::Path;

use gstm2sd::watch::config::{ConfigError, WatchConfig};
use gstm2sd::watch::service::read_config;

use super::support::init;

/// What is said of a file with this text; `FILE` stands for its path.
fn said(text: &str) -> String {
    init();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("watch.toml");
    std::fs::write(&file, text).unwrap();
    let said = match read_config(&file) {
        Ok((_, warnings)) => warnings.join("\n"),
        Err(error) => error.to_string(),
    };
    said.replace(file.to_str().unwrap(), "FILE")
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, expected) in [
        ("[watch]\nname = \"a\nb\"\n", "FILE:2:10:"),
        ("[watch]\nnmae = \"a\"\n", "FILE:2:1: unknown field `nmae`, expected one of `name`"),
        ("[[camera]]\nid = \"a b\"\nuri = \"test://ball\"\n", "FILE:2:6: \"a b\" is no camera id"),
        ("[[camera]]\nid = \"a\"\n", "FILE:1:1: missing field `uri`"),
        (
            "[[sink]]\nurl = \"stdout:\"\n[[sink]]\nurl = \"stdout:?types=alert\"\n",
            "FILE:4:1: error: two sinks have the name stdout:",
        ),
        ("[http]\nlisten = \"localhost\"\n", "FILE:2:10: \"localhost\" is no address with a port;"),
        (
            "[[camera]]\nid = \"a\"\nuri = \"rtsp://x:99999/\"\n",
            "FILE:3:1: error: the address has the port \"99999\"; expected a number from 1 to 65535",
        ),
        (
            "[[sink]]\nurl = \"file:///no/such/folder/x.jsonl\"\ncameras = [\"b\"]\n",
            "FILE:2:1: warning: there is no folder /no/such/folder now; events wait for it",
        ),
        (
            "[[sink]]\nurl = \"stdout:\"\ncameras = [\"b\"]\n",
            "FILE:3:1: warning: no camera of this file has the id b",
        ),
        ("[[camera]]\nid = \"a\"\nuri = \"ftp://x\"\n", "FILE:3:1: error: ftp:// is not known"),
        (
            "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\nstall-timeout = 3\n",
            "FILE:4:17: invalid type: integer `3`",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\nstall-timeout = \"3\"\n",
            "FILE:4:17: \"3\" is no length of time",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\nstall-timeout = \"1ms\"\n",
            "FILE:4:1: error: stall-timeout is 1ms; expected 500ms to 600s",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\n[camera.filter]\nthread = 3\n",
            "FILE:5:1: error: m2sdfilter has no property \"thread\"; it has ",
        ),
        (
            "[defaults.filter]\nthreads = \"3\"\n",
            "FILE:2:1: error: threads is \"3\"; expected a whole number from 0 to 1024",
        ),
        (
            "[defaults.filter]\nprovider = \"gpu\"\n",
            "FILE:2:1: error: provider is \"gpu\"; expected one of \"auto\", \"cpu\"",
        ),
        ("[defaults.filter]\ndetect-threshold = 2\n", "expected a number from 0 to 1"),
        ("[defaults.filter]\nmax-latency = \"2 hours\"\n", "expected nanoseconds from 0 to"),
        ("[defaults.filter]\ndraw = 1\n", "draw is 1; expected true or false"),
        ("[defaults.filter]\npost-messages = false\n", "post-messages cannot be set"),
        ("[defaults.filter]\nstats = \"x\"\n", "no property \"stats\""),
        (
            "[[camera]]\nid = \"a\"\nuri = \"file:///no/such\"\n",
            "FILE:3:1: error: cannot open /no/such: No such file",
        ),
        ("[[camera]]\nid = \"a\"\nuri = \"file:///tmp\"\n", "/tmp is no file"),
        (
            "[[camera]]\nid = \"a\"\nuri = \"v4l2:///dev/nosuch\"\n",
            "FILE:3:1: warning: there is no",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\nfilter = { engines-dir = \"/no/such\" }\n",
            "FILE:4:12: error: there is no engines folder /no/such",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\nfilter.detector = \"nosuch\"\n",
            "FILE:4:8: error: no detector model",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"test://ball\"\n[[camera]]\nid = \"a\"\nuri = \"test://bar\"\n",
            "FILE:5:1: error: camera a is there twice",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"rtsp://h/x\"\npassword-env = \"M2SD_NO_SUCH\"\n",
            "FILE:4:1: error: there is no environment variable M2SD_NO_SUCH",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"rtsp://h/x\"\npassword-file = \"/no/such\"\n",
            "FILE:4:1: error: cannot read password-file /no/such",
        ),
        (
            "[[camera]]\nid = \"a\"\nuri = \"rtsp://bob:geheim@h/x\"\n",
            "FILE:3:1: warning: others may read",
        ),
    ] {
        let said = said(text);
        assert!(said.contains(expected), "{text}\nsaid: {said}\nexpected: {expected}");
        assert!(!said.contains("geheim"), "{said}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let said = said(
        "[[camera]]\nid = \"a\"\nuri = \"test://nosuch\"\nfilter = { thread = 3, draw = 7 }\n\
         [[camera]]\nid = \"a\"\nuri = \"x\"\n",
    );
    for line in ["FILE:3:1:", "FILE:4:12:", "FILE:4:24:", "FILE:6:1:", "FILE:7:1:"] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
}

#[test]
fn cameras_take_what_they_do_not_say_from_the_defaults() {
    init();
    let text = "[defaults]\ntransport = \"tcp\"\nlatency = \"50ms\"\nusername = \"bob\"\n\
                [defaults.filter]\nthreads = 2\nmax-latency = \"80ms\"\n\
                [[camera]]\nid = \"a\"\nuri = \"rtsp://h/x\"\nlatency = \"1s\"\n\
                [camera.filter]\nthreads = 3\n\
                [[camera]]\nid = \"b\"\nuri = \"rtsp://h/y\"\n";
    let (config, _) = WatchConfig::parse(text, Path::new("x")).unwrap();
    let settings: Vec<_> = config.settings().collect();
    assert_eq!(settings[0].latency.as_millis(), 1000);
    assert_eq!(settings[1].latency.as_millis(), 50);
    assert_eq!(settings[0].filter["threads"], 3);
    assert_eq!(settings[1].filter["threads"], 2);
    assert_eq!(settings[0].filter["max-latency"], "80ms");
    assert_eq!(settings[1].username.as_deref(), Some("bob"));
    assert!(!settings[0].repeat && settings[0].tls_verify);
}

#[test]
fn the_example_is_as_it_should_be() {
    init();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/watch.toml");
    let (config, warnings) = read_config(&file).unwrap();
    assert!(config.cameras.len() >= 3 && warnings.is_empty(), "{warnings:?}");
    let missing = WatchConfig::read(Path::new("/no/such.toml")).unwrap_err();
    assert!(matches!(missing, ConfigError::Unreadable { .. }), "{missing}");
}

/// Whoever may change cameras may not have this machine's files sent to one of his own.
#[test]
fn secrets_of_this_machine_are_not_for_cameras_of_others() {
    use gstm2sd::watch::config::CameraConfig;
    let _watchdog = super::support::Watchdog::new();
    let watching = super::support::Watching::start(
        "[[camera]]\nid = \"a\"\nuri = \"rtsp://u:geheim@127.0.0.1:1/x\"\n\
         [[camera]]\nid = \"b\"\nuri = \"rtsp://127.0.0.1:1/x\"\nusername = \"u\"\n\
         password-env = \"HOME\"\n",
    );
    let control = watching.control();
    let id = super::support::id;
    let refused = |config: CameraConfig| control.put(config).unwrap_err().to_string();

    let mut own = CameraConfig::new(id("c"), "rtsp://elsewhere/x");
    own.password_env = Some("HOME".into());
    assert!(refused(own.clone()).contains("in the configuration file only"));
    (own.password_env, own.password_file) = (None, Some("/etc/hostname".into()));
    assert!(refused(own).contains("in the configuration file only"));
    // One that the file has may keep it, but not take it elsewhere.
    let mut known = control.config(&id("b")).unwrap();
    assert!(control.put(known.clone()).is_ok());
    known.uri = "rtsp://elsewhere/x".into();
    assert!(refused(known).contains("in the configuration file only"));

    // What was read without its password goes back; the mask is no password.
    let read = control.config(&id("a")).unwrap();
    assert_eq!(read.uri, "rtsp://127.0.0.1:1/x");
    assert!(control.put(read).is_ok());
    let kept = std::fs::read_to_string(watching.folder.path().join("state/cameras.json")).unwrap();
    assert!(kept.contains("geheim"), "{kept}");
    for uri in ["rtsp://u:***@127.0.0.1:1/x", "http://127.0.0.1/x?token=***"] {
        assert!(refused(CameraConfig::new(id("a"), uri)).contains("give the password"));
    }
    watching.stop();
}
