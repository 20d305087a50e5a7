//! A service in this process, with what it says and records.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use gstm2sd::events::body::{Body, Camera, CameraState};
use gstm2sd::events::spool::Query;
use gstm2sd::events::{CameraId, Event};
use gstm2sd::watch::config::WatchConfig;
use gstm2sd::watch::control::Control;
use gstm2sd::watch::process::Process;
use gstm2sd::watch::status::CameraStatus;

#[path = "../support/watchdog.rs"]
mod watchdog;
pub use watchdog::Watchdog;

/// More than any wait takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstm2sd::plugin_register_static().unwrap();
    });
}

pub fn id(text: &str) -> CameraId {
    CameraId::new(text).unwrap()
}

/// Waits until `is_it` says so.
pub fn until(what: &str, is_it: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while !is_it() {
        assert!(started.elapsed() < PATIENCE, "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    started.elapsed()
}

/// Networks that see drawn faces, and next to nothing else, in next to no time.
pub fn engines() -> &'static Path {
    use gstm2sd::models::synth::{Synth, write};
    static ENGINES: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    ENGINES.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watch-engines");
        std::fs::create_dir_all(&dir).unwrap();
        for network in Synth::analytic() {
            write(&network, &dir).unwrap();
        }
        dir
    })
}

pub struct Watching {
    process: Option<Process>,
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
    said: Arc<Mutex<Vec<String>>>,
}

impl Watching {
    /// `cameras` is TOML.
    pub fn start(cameras: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), cameras)
    }

    pub fn start_in(folder: tempfile::TempDir, cameras: &str) -> Self {
        Self::start_as(folder, "test", cameras)
    }

    pub fn start_named(name: &str, cameras: &str) -> Self {
        Self::start_as(tempfile::tempdir().unwrap(), name, cameras)
    }

    fn start_as(folder: tempfile::TempDir, name: &str, cameras: &str) -> Self {
        init();
        let file = folder.path().join("watch.toml");
        write_config_named(&file, name, cameras);
        let (config, _) = WatchConfig::read(&file).unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&said);
        let log = move |line: &str| lines.lock().unwrap().push(line.to_owned());
        let process = Process::start(file.clone(), config, log).unwrap();
        Self { process: Some(process), folder, file, said }
    }

    fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub fn control(&self) -> &dyn Control {
        &**self.process().service()
    }

    /// Where its REST server is; it is one whose cameras' TOML begins with `[http]`.
    pub fn address(&self) -> &str {
        self.process().page().unwrap().trim_end_matches('/')
    }

    pub fn status(&self, camera: &str) -> CameraStatus {
        self.control().camera(&id(camera)).unwrap()
    }

    pub fn frames(&self, camera: &str) -> u64 {
        self.status(camera).figures.frames_in
    }

    pub fn until_state(&self, camera: &str, state: CameraState) -> Duration {
        let started = Instant::now();
        while self.status(camera).state != state {
            assert!(started.elapsed() < PATIENCE, "no {camera} {state:?}: {:#?}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        started.elapsed()
    }

    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub fn events(&self) -> Vec<Event> {
        let spool = self.process().spool();
        assert!(spool.flush(PATIENCE));
        let query = Query { limit: 10_000, ..Query::default() };
        let mut events = spool.recent(&query).unwrap();
        events.reverse();
        events
    }

    /// What was told of a camera, in order.
    pub fn told(&self, camera: &str) -> Vec<Camera> {
        let of_camera = |event: Event| match event.body {
            Body::Camera(told) if event.camera == Some(id(camera)) => Some(told),
            _ => None,
        };
        self.events().into_iter().filter_map(of_camera).collect()
    }

    pub fn states(&self, camera: &str) -> Vec<CameraState> {
        self.told(camera).iter().map(|told| told.state).collect()
    }

    /// Stops it; returns its folder, and how long that took.
    pub fn stop(mut self) -> (tempfile::TempDir, Vec<String>, bool, Duration) {
        let started = Instant::now();
        let stopped = self.process.take().unwrap().stop();
        let took = started.elapsed();
        let said = self.said();
        (self.folder, said, stopped, took)
    }
}

pub fn write_config(file: &Path, cameras: &str) {
    write_config_named(file, "test", cameras);
}

pub fn write_config_named(file: &Path, name: &str, cameras: &str) {
    let state = file.parent().unwrap().join("state");
    let text = format!(
        "[watch]\nname = \"{name}\"\nstate-dir = \"{}\"\n\n[defaults.filter]\n\
         engines-dir = \"{}\"\nclassifier = \"none\"\ndetect-interval = 10\n\n{cameras}",
        state.display(),
        engines().display()
    );
    std::fs::write(file, text).unwrap();
}

/// Whether a text is in any file of a folder.
pub fn is_in_folder(folder: &Path, text: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).unwrap().flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_in_folder(&path, text);
        }
        let bytes = std::fs::read(&path).ok()?;
        bytes.windows(text.len()).any(|part| part == text.as_bytes()).then_some(path)
    })
}
