//! All cameras of a process together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch::{self, Receiver};

use super::config::{
    CameraConfig, CameraSettings, ConfigError, FilterProperties, WatchConfig, check, check_camera,
    shown,
};
use super::control::{Control, ControlError};
use super::kept::{Hidden, Kept};
use super::models::Busy;
use super::status::{CameraStatus, Jpeg, ModelStatus, RecordingStatus};
use super::supervisor::{Context, Supervised};
use crate::events::CameraId;
use crate::events::alert::Alerted;

/// The running service.
pub struct Service {
    file: PathBuf,
    context: Arc<Context>,
    properties: FilterProperties,
    busy: Busy,
    /// Lock order: first; records are leaves behind it. Never held while a camera is waited for.
    cameras: Mutex<Cameras>,
}

struct Cameras {
    config: WatchConfig,
    kept: Kept,
    watched: BTreeMap<CameraId, Watched>,
    /// Threads that have been told to stop.
    leaving: Vec<JoinHandle<()>>,
    is_stopping: bool,
    /// What is shared with other workers, and which of it is here; `None`: all is here.
    shared: Option<Shared>,
}

struct Shared {
    wanted: watch::Sender<BTreeSet<CameraId>>,
    held: BTreeSet<CameraId>,
}

struct Watched {
    config: CameraConfig,
    /// What its supervisor has been told last.
    settings: CameraSettings,
    supervised: Supervised,
}

/// Reads and checks a configuration file; returns its warnings, too.
///
/// # Errors
/// Everything that is wrong with it, by line.
pub fn read_config(file: &std::path::Path) -> Result<(WatchConfig, Vec<String>), ConfigError> {
    let (config, positions) = WatchConfig::read(file)?;
    let problems = check(&config, file);
    let texts = problems.iter().map(|problem| problem.in_file(file, &positions)).collect();
    match WatchConfig::errors(&problems).is_empty() {
        true => Ok((config, texts)),
        false => Err(ConfigError::Problems(texts)),
    }
}

impl Service {
    /// Starts every camera. `file` is where `config` was read from, and `state_dir` holds what REST
    /// has changed. `wanted` is told which cameras to share with other workers; where it is there, a
    /// camera begins when this worker holds it.
    ///
    /// # Errors
    /// When what was kept cannot be read, or a thread cannot be started.
    pub fn start(
        file: PathBuf,
        config: WatchConfig,
        state_dir: &std::path::Path,
        context: Arc<Context>,
        wanted: Option<watch::Sender<BTreeSet<CameraId>>>,
    ) -> Result<Arc<Self>, ControlError> {
        let kept = Kept::read(state_dir).map_err(ControlError::Failed)?;
        for (id, hidden) in kept.hidden(&config.cameras) {
            let (differs, how) = match hidden {
                Hidden::Changed => ("not as", "changed"),
                Hidden::Removed => ("not watched, as", "removed"),
            };
            context.log(&format!(
                "camera {id} is {differs} {} says: it was {how} over REST, which {} keeps",
                file.display(),
                kept.path().display()
            ));
        }
        let cameras = Cameras {
            config,
            kept,
            watched: BTreeMap::new(),
            leaving: Vec::new(),
            is_stopping: false,
            shared: wanted.map(|wanted| Shared { wanted, held: BTreeSet::new() }),
        };
        let properties = FilterProperties::new();
        let service =
            Self { file, context, properties, busy: Busy::default(), cameras: Mutex::new(cameras) };
        service.lock().adjust(&service.context)?;
        Ok(Arc::new(service))
    }

    fn lock(&self) -> MutexGuard<'_, Cameras> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops every camera, for so long at most; returns whether all have stopped.
    pub fn stop(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut leaving = {
            let mut cameras = self.lock();
            cameras.is_stopping = true;
            let watched = std::mem::take(&mut cameras.watched);
            let stopping = watched.into_values().map(|watched| watched.supervised.stop());
            let mut leaving: Vec<_> = stopping.collect();
            leaving.append(&mut cameras.leaving);
            leaving
        };
        loop {
            leaving.retain(|thread| !thread.is_finished());
            if leaving.is_empty() || Instant::now() >= until {
                return leaving.is_empty();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How long the slowest supervisor has not turned.
    pub fn quiet(&self) -> Duration {
        let cameras = self.lock();
        let quiet = cameras.watched.values().map(|watched| watched.supervised.record().quiet());
        quiet.max().unwrap_or_default()
    }

    /// Which of these this process does not watch yet.
    pub(super) fn not_held(&self, held: &BTreeSet<CameraId>) -> Vec<CameraId> {
        let cameras = self.lock();
        let is_new = |id: &&CameraId| {
            cameras.shared.as_ref().is_none_or(|shared| !shared.held.contains(*id))
        };
        held.iter().filter(is_new).cloned().collect()
    }

    /// Watches these cameras and no others; new ones with what other workers have alerted of them.
    pub(super) fn hold(&self, held: &BTreeSet<CameraId>, new: Vec<(CameraId, Vec<Alerted>)>) {
        let mut cameras = self.lock();
        let mut new: BTreeMap<_, _> = new.into_iter().collect();
        for (id, watched) in &cameras.watched {
            if !held.contains(id) {
                watched.supervised.hold(None);
            } else if let Some(alerted) = new.remove(id) {
                watched.supervised.hold(Some(alerted));
            }
        }
        if let Some(shared) = &mut cameras.shared {
            shared.held.clone_from(held);
        }
    }

    /// Says something to whoever runs the process.
    pub(super) fn log(&self, text: &str) {
        self.context.log(text);
    }
}

impl Cameras {
    fn start(
        &self,
        context: &Arc<Context>,
        settings: CameraSettings,
    ) -> std::io::Result<Supervised> {
        let shared = self.shared.as_ref();
        let is_here = shared.is_none_or(|shared| shared.held.contains(&settings.id));
        Supervised::start(Arc::clone(context), settings, is_here)
    }

    /// Starts, changes and stops cameras until they are as configured. Those that are already go on.
    fn adjust(&mut self, context: &Arc<Context>) -> Result<(), ControlError> {
        self.leaving.retain(|thread| !thread.is_finished());
        if self.is_stopping {
            return Err(ControlError::Failed("the service is being stopped".to_owned()));
        }
        let wanted = self.kept.over(&self.config.cameras);
        let is_gone = |id: &CameraId| wanted.iter().all(|camera| camera.id != *id);
        let gone: Vec<_> = self.watched.keys().filter(|id| is_gone(id)).cloned().collect();
        for id in gone {
            if let Some(watched) = self.watched.remove(&id) {
                self.leaving.push(watched.supervised.stop());
                context.log(&format!("camera {id}: removed"));
            }
        }
        if let Some(shared) = &self.shared {
            shared.wanted.send_replace(wanted.iter().map(|camera| camera.id.clone()).collect());
        }
        for camera in wanted {
            let settings = camera.settings(&self.config.defaults);
            match self.watched.get_mut(&camera.id) {
                Some(watched) => {
                    if watched.settings != settings {
                        watched.supervised.change(settings.clone());
                        watched.settings = settings;
                    }
                    watched.config = camera;
                }
                None => {
                    let id = camera.id.clone();
                    let started = self.start(context, settings.clone());
                    let supervised = started.map_err(|error| {
                        ControlError::Failed(format!("camera {id} cannot be started: {error}"))
                    })?;
                    self.watched.insert(id, Watched { config: camera, settings, supervised });
                }
            }
        }
        Ok(())
    }
}

/// Whoever may change cameras may not read files and variables of this machine by having them sent to a
/// camera of his own as a password; and what is shown in place of a password is none.
fn refuse_secrets_of_others(
    config: &CameraConfig,
    before: Option<&CameraConfig>,
) -> Result<(), ControlError> {
    let named = |config: &CameraConfig| (config.password_env.clone(), config.password_file.clone());
    let is_as_before = before.is_some_and(|before| {
        named(before) == named(config) && shown(&before.uri) == shown(&config.uri)
    });
    if named(config) != (None, None) && !is_as_before {
        let text = "password-env and password-file can be set in the configuration file only: they \
                    name variables and files of this machine; give username, and the password in the \
                    address";
        return Err(ControlError::Invalid(text.to_owned()));
    }
    if config.uri.contains("***") {
        let text = "uri: *** stands where a password was, and the address is another one than before: \
                    give the password";
        return Err(ControlError::Invalid(text.to_owned()));
    }
    Ok(())
}

impl Control for Service {
    fn cameras(&self) -> Vec<CameraStatus> {
        let records: Vec<_> = {
            let cameras = self.lock();
            cameras.watched.values().map(|w| Arc::clone(w.supervised.record())).collect()
        };
        records.iter().map(|record| record.status()).collect()
    }

    fn camera(&self, id: &CameraId) -> Option<CameraStatus> {
        let record = self.lock().watched.get(id).map(|w| Arc::clone(w.supervised.record()));
        record.map(|record| record.status())
    }

    fn config(&self, id: &CameraId) -> Option<CameraConfig> {
        let mut config = self.lock().watched.get(id).map(|watched| watched.config.clone())?;
        config.uri = shown(&config.uri);
        Some(config)
    }

    fn put(&self, mut config: CameraConfig) -> Result<bool, ControlError> {
        let mut cameras = self.lock();
        let before = cameras.watched.get(&config.id).map(|watched| &watched.config);
        // What was read without its password is written back without it.
        if let Some(before) = before
            && shown(&before.uri) == config.uri
        {
            config.uri.clone_from(&before.uri);
        }
        refuse_secrets_of_others(&config, before)?;
        let is_new = before.is_none();
        let problems = check_camera(&config, &cameras.config.defaults, &self.properties);
        let errors: Vec<_> = WatchConfig::errors(&problems)
            .iter()
            .map(|problem| format!("{}: {}", problem.path.join("."), problem.text))
            .collect();
        if !errors.is_empty() {
            return Err(ControlError::Invalid(errors.join("; ")));
        }
        cameras.kept.put(config).map_err(ControlError::Failed)?;
        cameras.adjust(&self.context)?;
        Ok(is_new)
    }

    fn remove(&self, id: &CameraId) -> Result<(), ControlError> {
        let mut cameras = self.lock();
        if !cameras.watched.contains_key(id) {
            return Err(ControlError::NoCamera(id.clone()));
        }
        let is_in_file = cameras.config.cameras.iter().any(|camera| camera.id == *id);
        cameras.kept.remove(id, is_in_file).map_err(ControlError::Failed)?;
        cameras.adjust(&self.context)
    }

    fn reload(&self) -> Result<(), ControlError> {
        let invalid = |error: ConfigError| ControlError::Invalid(error.to_string());
        let (config, warnings) = read_config(&self.file).map_err(invalid)?;
        let mut cameras = self.lock();
        for warning in warnings {
            self.context.log(&warning);
        }
        let before = &cameras.config;
        let is_same = (&config.watch, &config.spool, &config.sinks, &config.recordings)
            == (&before.watch, &before.spool, &before.sinks, &before.recordings)
            && (&config.http, &config.leases) == (&before.http, &before.leases);
        if !is_same {
            self.context.log("what is not about cameras counts from the next start");
        }
        cameras.config.defaults = config.defaults;
        cameras.config.cameras = config.cameras;
        cameras.adjust(&self.context)?;
        self.context.log(&format!("{} is read again", self.file.display()));
        Ok(())
    }

    fn preview(&self, id: &CameraId) -> Option<Receiver<Option<Jpeg>>> {
        let cameras = self.lock();
        cameras.watched.get(id).map(|watched| watched.supervised.record().view.pictures())
    }

    fn models(&self) -> Vec<ModelStatus> {
        let filters: Vec<_> = {
            let cameras = self.lock();
            let watched = cameras.watched.values();
            watched.filter_map(|watched| watched.supervised.record().filter()).collect()
        };
        super::models::of(&filters, &self.busy)
    }

    fn recordings(&self) -> Vec<RecordingStatus> {
        self.context.recordings().map(|recordings| recordings.list()).unwrap_or_default()
    }

    fn recording_file(&self, name: &str) -> Option<PathBuf> {
        self.context.recordings()?.file(name)
    }

    fn ready(&self) -> bool {
        let cameras = self.lock();
        cameras.watched.values().all(|watched| watched.supervised.record().is_ready())
    }
}
