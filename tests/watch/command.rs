//! The command as a user, or a service manager, runs it.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server::{PASSWORD, Server, USER};
use super::support::{PATIENCE, Watchdog, is_in_folder, write_config, write_config_named};

pub struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

impl Running {
    fn start(cameras: &str, env: &[(&str, &str)]) -> Self {
        Self::start_named("test", cameras, env)
    }

    pub fn start_named(name: &str, cameras: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_config_named(&folder.path().join("watch.toml"), name, cameras);
        let said = std::fs::File::create(folder.path().join("stderr")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_m2sd"));
        command.arg("watch").arg(folder.path().join("watch.toml"));
        command.envs(env.iter().copied()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(said);
        Self { child: command.spawn().unwrap(), folder }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    pub fn until_said(&mut self, text: &str) {
        let started = Instant::now();
        while !self.said().contains(text) {
            assert_eq!(self.child.try_wait().unwrap(), None, "{}", self.said());
            assert!(started.elapsed() < PATIENCE, "no {text:?} in {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: signals a child that has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(&mut self) -> (Option<i32>, Duration, String) {
        let started = Instant::now();
        let status = self.child.wait().unwrap();
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        (status.code(), started.elapsed(), stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn camera(id: &str, uri: &str) -> String {
    format!("[[camera]]\nid = \"{id}\"\nuri = \"{uri}\"\n")
}

#[test]
fn it_tells_its_manager_reads_again_and_stops_in_order() {
    let _watchdog = Watchdog::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    // It reads all the time, as managers do: the system holds few messages that nobody reads.
    let (read, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(length) = manager.recv(&mut bytes) {
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if read.send(text).is_err() {
                break;
            }
        }
    });
    let hear = || heard.recv_timeout(PATIENCE).unwrap();
    let ball = "test://ball?width=64&height=64&rate=10";
    let socket = socket.to_str().unwrap();
    let env = [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", "600000")];
    let mut running = Running::start(&camera("a", ball), &env);
    assert_eq!(hear().trim(), "READY=1");
    running.until_said("camera a: online");
    assert_eq!(hear().trim(), "WATCHDOG=1");

    let file = running.folder.path().join("watch.toml");
    write_config(&file, &[camera("a", ball), camera("b", ball)].concat());
    running.signal(libc::SIGHUP);
    running.until_said("camera b: online");
    write_config(&file, "[watch\n");
    running.signal(libc::SIGHUP);
    running.until_said("nothing has changed");
    assert_eq!(running.said().matches("camera a: online").count(), 1, "{}", running.said());

    running.signal(libc::SIGTERM);
    let (code, took, _) = running.end();
    assert_eq!(code, Some(143), "{}", running.said());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut last = hear();
    while last.trim() == "WATCHDOG=1" {
        last = hear();
    }
    assert_eq!(last.trim(), "STOPPING=1");
}

#[test]
fn one_that_cannot_stop_ends_within_its_time_all_the_same() {
    let _watchdog = Watchdog::new();
    let silence = super::server::silence();
    let cameras: Vec<_> = (0..4)
        .map(|n| camera(&format!("c{n}"), &format!("rtsp://127.0.0.1:{silence}/x")))
        .collect();
    let mut running = Running::start(&cameras.concat(), &[]);
    running.until_said("camera c3: connecting");
    std::thread::sleep(Duration::from_millis(500));
    running.signal(libc::SIGINT);
    let (code, took, _) = running.end();
    assert_eq!(code, Some(130), "{}", running.said());
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn passwords_are_nowhere() {
    let _watchdog = Watchdog::new();
    let server = Server::start(true);
    let more = |id: &str, more: &str| format!("{}{more}\n", camera(id, &server.uri()));
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    let in_file = format!("username = \"{USER}\"\npassword-file = \"{}\"", secret.display());
    let in_env = format!("username = \"{USER}\"\npassword-env = \"M2SD_TEST_PASSWORD\"");
    let cameras = [
        more("file", &in_file),
        more("env", &in_env),
        more("nobody", ""),
        more("wrong", &in_env.replace("M2SD_TEST_PASSWORD", "M2SD_TEST_WRONG")),
    ];
    // GStreamer's own log is part of what is looked through.
    let env = [
        ("M2SD_TEST_PASSWORD", PASSWORD),
        ("M2SD_TEST_WRONG", "falsch-und-lang"),
        ("GST_DEBUG", "2"),
    ];
    let mut running = Running::start(&cameras.concat(), &env);
    running.until_said("camera file: online");
    running.until_said("camera env: online");
    running.until_said("camera nobody: offline: the camera wants a user name and a password");
    running.until_said("camera wrong: offline: the camera refuses the user name or the password");
    running.signal(libc::SIGTERM);
    let (code, _, stdout) = running.end();
    assert_eq!(code, Some(143), "{}", running.said());
    for secret in [PASSWORD, "falsch-und-lang"] {
        assert!(!stdout.contains(secret));
        assert_eq!(is_in_folder(running.folder.path(), secret), None);
    }
}

#[test]
fn a_check_ends_with_what_is_wrong() {
    super::support::init();
    let check = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("watch.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_m2sd"));
        let run = command.arg("watch").arg(&file).arg("--check").output().unwrap();
        let [out, err] = [run.stdout, run.stderr].map(|text| String::from_utf8(text).unwrap());
        (run.status.code(), out, err, folder)
    };
    let (code, out, err, _) = check("[[camera]]\nid = \"a\"\nuri = \"drawn://mixed\"\n");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("1 camera, 0 sinks: can be used"), "{out}");
    let (code, out, err, _) = check("[[camera]]\nid = \"a\"\nuri = \"drawn://x\"\n");
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("watch.toml:3:1: error: there is no drawn scene"), "{err}");
    let (code, ..) = check("");
    assert_eq!(code, Some(0));
    assert!(Path::new(env!("CARGO_BIN_EXE_m2sd")).exists());
}
