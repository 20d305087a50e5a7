//! Cameras that are lost and found again.
//!
//! | file | holds |
//! | --- | --- |
//! | `machine` | when a pipeline is started and stopped, and what is said: no input, no output |
//! | `worker` | the thread that feeds it |
//! | `faces` | events of what the element tells, and alerts |
//! | `record` | what is known of a camera |

mod faces;
mod machine;
mod record;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

pub use self::record::CameraRecord;
use self::worker::Worker;
use super::config::CameraSettings;
use super::pipeline::address::Source;
use super::recording::Recordings;
use crate::events::alert::Alerted;
use crate::events::{CameraId, Draft, EventId};
use crate::models::synth::{self, Synth};

/// Where events go. Nobody who records waits.
pub trait Recorder: Send + Sync {
    /// `None`: it was dropped, and counted.
    fn record(&self, draft: Draft) -> Option<EventId>;
    /// An id for what an event names.
    fn next_id(&self) -> EventId;
}

/// What has been alerted of a camera, for its next holder.
pub(super) type AlertedOf = (CameraId, Vec<Alerted>);

/// What the supervisors of a process share.
pub struct Context {
    log: Box<dyn Fn(&str) + Send + Sync>,
    events: Arc<dyn Recorder>,
    /// Where the networks for drawn faces are, or will be.
    drawn_engines: PathBuf,
    recordings: Option<Arc<Recordings>>,
    /// Where what has been alerted is kept for another worker.
    keep: Option<UnboundedSender<AlertedOf>>,
}

impl Context {
    /// `log` takes lines for whoever runs the process. Networks for drawn faces are written into
    /// `drawn_engines` when a camera needs them.
    pub fn new(
        log: impl Fn(&str) + Send + Sync + 'static,
        events: Arc<dyn Recorder>,
        drawn_engines: PathBuf,
        recordings: Option<Arc<Recordings>>,
    ) -> Self {
        Self { log: Box::new(log), events, drawn_engines, recordings, keep: None }
    }

    /// With a place that keeps what has been alerted for another worker.
    #[must_use]
    pub(super) fn keeping(self, keep: UnboundedSender<AlertedOf>) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// Says something to whoever runs the process.
    pub fn log(&self, text: &str) {
        (self.log)(text);
    }

    /// Records what happens.
    pub fn record(&self, draft: Draft) -> Option<EventId> {
        self.events.record(draft)
    }

    /// An id for what an event names.
    pub fn next_id(&self) -> EventId {
        self.events.next_id()
    }

    /// Where alerts are recorded; `None` where they are not.
    pub fn recordings(&self) -> Option<&Arc<Recordings>> {
        self.recordings.as_ref()
    }

    /// Keeps what has been alerted for another worker.
    fn keep(&self, camera: &CameraId, alerted: &[Alerted]) {
        if let Some(keep) = &self.keep {
            // Nobody takes it when everything stops.
            let _ = keep.send((camera.clone(), alerted.to_vec()));
        }
    }

    /// The folder with models for a camera that names none, where that is not the usual search.
    fn engines(
        &self,
        settings: &CameraSettings,
        source: &Source,
    ) -> Result<Option<PathBuf>, String> {
        let names_models =
            ["engines-dir", "detector"].iter().any(|name| settings.filter.contains_key(*name));
        if names_models || !matches!(source, Source::Drawn(..)) {
            return Ok(None);
        }
        // Only these see drawn faces.
        let folder = &self.drawn_engines;
        for network in Synth::analytic() {
            if !folder.join(network.file_name()).is_file() {
                std::fs::create_dir_all(folder)
                    .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
                synth::write(&network, folder).map_err(|error| error.to_string())?;
            }
        }
        Ok(Some(folder.clone()))
    }
}

/// What a supervisor is told.
enum Command {
    Stop,
    Change(Arc<CameraSettings>),
    /// What another has alerted comes with it; `None`: another worker watches it.
    Hold(Option<Vec<Alerted>>),
}

/// A camera that is watched.
pub struct Supervised {
    commands: Sender<Command>,
    record: Arc<CameraRecord>,
    thread: JoinHandle<()>,
}

impl Supervised {
    /// Starts a thread for it. One that is not held waits until it is.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start(
        context: Arc<Context>,
        settings: CameraSettings,
        is_held: bool,
    ) -> std::io::Result<Self> {
        let name = format!("camera-{}", settings.id);
        let record = Arc::new(CameraRecord::new(Arc::new(settings)));
        let (commands, received) = channel();
        let worker = Worker::new(context, Arc::clone(&record), received, is_held);
        let thread = std::thread::Builder::new().name(name).spawn(move || worker.run())?;
        Ok(Self { commands, record, thread })
    }

    /// What is known of it.
    pub fn record(&self) -> &Arc<CameraRecord> {
        &self.record
    }

    /// Starts it anew with other settings; what it does already goes on where they are the same.
    pub fn change(&self, settings: CameraSettings) {
        // A supervisor that has ended takes nothing.
        let _ = self.commands.send(Command::Change(Arc::new(settings)));
    }

    /// Whether this process watches it: what another has alerted, or `None`.
    pub fn hold(&self, held: Option<Vec<Alerted>>) {
        let _ = self.commands.send(Command::Hold(held));
    }

    /// Begins to stop it; its thread ends within four seconds.
    pub fn stop(self) -> JoinHandle<()> {
        let _ = self.commands.send(Command::Stop);
        self.thread
    }
}
