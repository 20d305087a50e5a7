//! Made-up cameras, and a server that shows them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gstm2sd::events::body::{CameraState, VideoFormat};
use gstm2sd::events::spool::Limits;
use gstm2sd::events::{CameraId, EventMaker, Spool, UtcTime};
use gstm2sd::watch::config::CameraConfig;
use gstm2sd::watch::control::{Control, ControlError};
use gstm2sd::watch::rest::{HttpConfig, Server};
use gstm2sd::watch::status::{
    CameraFigures, CameraStatus, FaceStatus, Jpeg, ModelStatus, RecordingStatus,
};
use tokio::runtime::Runtime;
use tokio::sync::watch::{Receiver, Sender};

/// A camera that is made up.
struct Camera {
    config: CameraConfig,
    status: CameraStatus,
    frames: Sender<Option<Jpeg>>,
}

/// A service without pipelines.
#[derive(Default)]
pub struct MadeUp {
    cameras: Mutex<BTreeMap<CameraId, Camera>>,
    pub models: Mutex<Vec<ModelStatus>>,
    pub recordings: Mutex<Vec<RecordingStatus>>,
    /// Files of recordings by name, wherever they are.
    pub files: Mutex<BTreeMap<String, PathBuf>>,
    pub unready: AtomicBool,
    pub reloads: AtomicU32,
    /// What `reload` fails with.
    pub reload_error: Mutex<Option<String>>,
}

pub fn id(text: &str) -> CameraId {
    CameraId::new(text).unwrap()
}

pub fn config(name: &str) -> CameraConfig {
    serde_json::from_value(serde_json::json!({ "id": name, "uri": format!("test://{name}") }))
        .unwrap()
}

pub fn face(label: &str, reason: Option<&str>, calibrated: bool, training: &str) -> FaceStatus {
    let scored = label != "unscored";
    FaceStatus {
        track: Some(7),
        label: label.into(),
        reason: reason.map(str::to_owned),
        reason_text: reason.map(|reason| format!("{reason}: 12 px between the eyes, 40 needed")),
        score: scored.then_some(0.83),
        llr: (scored && calibrated).then_some(2.4),
        calibrated,
        training: training.into(),
        rect: [10, 20, 80, 90],
    }
}

impl MadeUp {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Camera>> {
        self.cameras.lock().unwrap()
    }

    /// Changes what is told of a camera.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut CameraStatus)) {
        change(&mut self.lock().get_mut(&id(name)).unwrap().status);
    }

    /// Shows a frame; returns how many look.
    pub fn show(&self, name: &str, frame: &Jpeg) -> usize {
        let cameras = self.lock();
        let Some(camera) = cameras.get(&id(name)) else { return 0 };
        camera.frames.send_replace(Some(frame.clone()));
        camera.frames.receiver_count()
    }

    pub fn viewers(&self, name: &str) -> usize {
        self.lock()[&id(name)].frames.receiver_count()
    }
}

fn status(config: &CameraConfig) -> CameraStatus {
    CameraStatus {
        id: config.id.clone(),
        name: config.name.clone().unwrap_or_else(|| config.id.to_string()),
        uri: config.uri.clone(),
        state: CameraState::Online,
        since: UtcTime::now(),
        reason: None,
        video: Some(VideoFormat {
            width: 640,
            height: 360,
            frame_rate: 25.0,
            codec: Some("video/x-h264".into()),
        }),
        last_frame: Some(UtcTime::now()),
        figures: CameraFigures { frames_in: 1000, frames_out: 998, ..CameraFigures::default() },
        faces: Vec::new(),
    }
}

impl Control for MadeUp {
    fn cameras(&self) -> Vec<CameraStatus> {
        self.lock().values().map(|camera| camera.status.clone()).collect()
    }

    fn camera(&self, id: &CameraId) -> Option<CameraStatus> {
        Some(self.lock().get(id)?.status.clone())
    }

    fn config(&self, id: &CameraId) -> Option<CameraConfig> {
        Some(self.lock().get(id)?.config.clone())
    }

    fn put(&self, config: CameraConfig) -> Result<bool, ControlError> {
        if !config.uri.contains("://") {
            return Err(ControlError::Invalid(format!("{} is no address", config.uri)));
        }
        let status = status(&config);
        let (id, frames) = (config.id.clone(), Sender::new(None));
        Ok(self.lock().insert(id, Camera { config, status, frames }).is_none())
    }

    fn remove(&self, id: &CameraId) -> Result<(), ControlError> {
        self.lock().remove(id).map(drop).ok_or_else(|| ControlError::NoCamera(id.clone()))
    }

    fn reload(&self) -> Result<(), ControlError> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        match self.reload_error.lock().unwrap().clone() {
            Some(error) => Err(ControlError::Invalid(error)),
            None => Ok(()),
        }
    }

    fn preview(&self, id: &CameraId) -> Option<Receiver<Option<Jpeg>>> {
        Some(self.lock().get(id)?.frames.subscribe())
    }

    fn models(&self) -> Vec<ModelStatus> {
        self.models.lock().unwrap().clone()
    }

    fn recordings(&self) -> Vec<RecordingStatus> {
        self.recordings.lock().unwrap().clone()
    }

    fn recording_file(&self, name: &str) -> Option<PathBuf> {
        self.files.lock().unwrap().get(name).cloned()
    }

    fn ready(&self) -> bool {
        !self.unready.load(Ordering::Relaxed)
    }
}

/// A server with made-up cameras; it stops with this.
pub struct Running {
    pub control: Arc<MadeUp>,
    pub spool: Arc<Spool>,
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    config: HttpConfig,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    runtime: Option<Runtime>,
}

/// On a free port, without a token.
pub fn open() -> HttpConfig {
    HttpConfig { listen: "127.0.0.1:0".parse().unwrap(), ..HttpConfig::default() }
}

pub fn start(config: HttpConfig) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let spool =
        Spool::open(&folder.path().join("spool"), EventMaker::new("test"), Limits::default())
            .unwrap();
    let control = Arc::new(MadeUp::default());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let address = config.listen;
    let runtime = Some(runtime);
    let mut running =
        Running { control, spool, address, folder, config, stop: None, served: None, runtime };
    running.start_again();
    running
}

impl Running {
    /// Serves, after a stop on the same port as before.
    pub fn start_again(&mut self) {
        let config = HttpConfig { listen: self.address, ..self.config.clone() };
        let server = Server::bind(&config, self.control.clone(), self.spool.clone())
            .unwrap_or_else(|error| panic!("{error}"));
        self.address = server.address();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = server.serve(async { drop(stopped.await) });
        self.served = self.runtime.as_ref().map(|runtime| runtime.spawn(served));
        self.stop = Some(stop);
    }

    /// Stops the server; returns how long that took.
    pub fn stop(&mut self) -> Duration {
        let began = Instant::now();
        drop(self.stop.take());
        if let (Some(runtime), Some(served)) = (&self.runtime, self.served.take()) {
            runtime.block_on(served).unwrap().unwrap();
        }
        began.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(3));
        }
    }
}
