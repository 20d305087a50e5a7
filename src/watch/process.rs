//! The whole of `m2sd watch`: the spool, and the cameras that fill it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::config::{RecordingsSection, WatchConfig};
use super::control::ControlError;
use super::recording::Recordings;
use super::rest::{HttpConfig, HttpError, Server};
use super::service::Service;
use super::sharing::{self, Sharer};
use super::supervisor::{Context, Recorder};
use crate::events::body::Health;
use crate::events::sinks::{SinkError, Sinks};
use crate::events::spool::Limits;
use crate::events::{Body, Draft, EventId, EventMaker, Spool, SpoolError};
use crate::models::folders::state_home;

/// How long an orderly stop may take, where the file does not say.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Why it cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no place for what must survive a restart.
    #[error(
        "there is no folder for state: this user has no home; set state-dir in [watch], or the \
         environment variable XDG_STATE_HOME"
    )]
    NoStateDir,
    /// Events cannot be stored.
    #[error("{0}")]
    Spool(#[from] SpoolError),
    /// Events cannot be sent.
    #[error("{0}")]
    Sink(#[from] SinkError),
    /// Alerts cannot be recorded.
    #[error("recordings cannot be kept in {}: {source}; set folder in [recordings]", folder.display())]
    Recordings {
        /// Where they were to be.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no page.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// The system has no more threads.
    #[error("threads cannot be started: {0}")]
    Threads(std::io::Error),
    /// Cameras cannot be started.
    #[error("{0}")]
    Service(#[from] ControlError),
}

/// What runs.
pub struct Process {
    service: Arc<Service>,
    spool: Arc<Spool>,
    sinks: Sinks,
    http: Option<Http>,
    sharer: Option<Sharer>,
    stop_time: Duration,
}

/// The REST server, on threads of its own.
struct Http {
    page: String,
    stop: oneshot::Sender<()>,
    runtime: Runtime,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Http {
    fn start(
        config: &HttpConfig,
        control: Arc<Service>,
        spool: Arc<Spool>,
    ) -> Result<Self, ProcessError> {
        let server = Server::bind(config, control, spool)?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_name("m2sd-http").enable_all().build();
        let runtime = runtime.map_err(ProcessError::Threads)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let page = server.page();
        let serving = runtime.spawn(server.serve(async {
            // A sender that is gone means the same.
            let _ = stopped.await;
        }));
        Ok(Self { page, stop, runtime, serving })
    }

    fn stop(self, limit: Duration) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        self.runtime.block_on(async {
            // What is not answered then is cut off.
            let _ = tokio::time::timeout(limit, self.serving).await;
        });
        self.runtime.shutdown_background();
    }
}

impl Recorder for Spool {
    fn record(&self, draft: Draft) -> Option<EventId> {
        Self::record(self, draft)
    }

    fn next_id(&self) -> EventId {
        Self::next_id(self)
    }
}

impl Process {
    /// Starts everything that a file asks for. `log` takes lines for whoever runs the process.
    ///
    /// # Errors
    /// When the state folder cannot be used, another process uses it, or cameras cannot be started.
    pub fn start(
        file: PathBuf,
        config: WatchConfig,
        log: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, ProcessError> {
        let state_dir = state_dir(&config).ok_or(ProcessError::NoStateDir)?;
        let stop_time = config.watch.stop_timeout.map_or(STOP_TIME, |period| period.0);
        let name = config.watch.name.clone().unwrap_or_else(|| glib::host_name().to_string());
        let maker = EventMaker::new(name.clone());
        let mut limits = Limits::default();
        if let Some(bytes) = config.spool.max_bytes {
            limits.max_bytes = bytes;
        }
        if let Some(age) = config.spool.max_age {
            limits.max_age = age.0;
        }
        let spool = Spool::open(&state_dir.join("spool"), maker, limits)?;
        if let Some(aside) = spool.set_aside() {
            let (path, reason) = (aside.path.display(), &aside.reason);
            log(&format!("a file was in the way of the spool and is kept as {path}: {reason}"));
        }
        // Such as a sink whose receiver is away.
        let log = Arc::new(log);
        let of_health = Arc::clone(&log);
        spool.on_health(move |camera, Health { component, status, text, .. }| {
            let camera = camera.map_or_else(String::new, |id| format!("camera {id}: "));
            of_health(&format!("{camera}{component}: {}: {text}", status.as_str()));
        });
        let sinks = config.sinks.iter().map(|sink| sink.sink()).collect::<Result<_, _>>()?;
        let sinks = Sinks::start(&spool, sinks)?;
        let drawn_engines = state_dir.join("drawn-engines");
        let events = Arc::clone(&spool) as Arc<dyn Recorder>;
        let recordings = recordings(&config.recordings, &state_dir, &spool)?;
        let mut context = Context::new(move |line| log(line), events, drawn_engines, recordings);
        let http = config.http.clone();
        let (mut wanted, mut sharing) = (None, None);
        if let Some(leases) = config.leases.clone() {
            let (ends, others) = sharing::ends();
            context = context.keeping(ends.keep);
            wanted = Some(ends.wanted);
            sharing = Some((leases, others));
        }
        let service = Service::start(file, config, &state_dir, Arc::new(context), wanted)?;
        let sharer = sharing.map(|(leases, sharing)| sharing.start(leases, name, &service));
        let sharer = sharer.transpose().map_err(ProcessError::Threads)?;
        let serve = |http| Http::start(&http, Arc::clone(&service), Arc::clone(&spool));
        let http = http.map(serve).transpose()?;
        Ok(Self { service, spool, sinks, http, sharer, stop_time })
    }

    /// Where a browser finds the page, if there is one.
    pub fn page(&self) -> Option<&str> {
        self.http.as_ref().map(|http| http.page.as_str())
    }

    /// The cameras.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The events.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Stops everything in order, within the time that the file gives; returns whether all of it
    /// stopped.
    pub fn stop(self) -> bool {
        let until = Instant::now() + self.stop_time;
        let left = || until.saturating_duration_since(Instant::now());
        if let Some(http) = self.http {
            http.stop(Duration::from_millis(500));
        }
        // The disk and the receivers have their time, too.
        let stopped = self.service.stop(left().mul_f64(0.7));
        let flushed = self.spool.flush(left().div_f64(2.0).max(Duration::from_millis(100)));
        if let Some(sharer) = self.sharer {
            sharer.stop(left().div_f64(2.0));
        }
        self.sinks.stop(left().saturating_sub(Sinks::ENDING));
        stopped && flushed
    }
}

/// The recordings, where there are to be some.
fn recordings(
    section: &RecordingsSection,
    state_dir: &Path,
    spool: &Arc<Spool>,
) -> Result<Option<Arc<Recordings>>, ProcessError> {
    if !section.enabled {
        return Ok(None);
    }
    let folder = section.folder.clone().unwrap_or_else(|| state_dir.join("recordings"));
    let spool = Arc::clone(spool);
    let tell = move |status, text: &str| {
        let component = "recordings".to_owned();
        let health = Health { component, status, text: text.to_owned(), dropped: None };
        // One that is refused is counted.
        let _ = spool.record(Draft::now(None, Body::Health(health)));
    };
    let opened = Recordings::open(folder.clone(), section.limits(), tell);
    opened.map(Some).map_err(|source| ProcessError::Recordings { folder, source })
}

/// What must survive a restart is here.
pub fn state_dir(config: &WatchConfig) -> Option<PathBuf> {
    let of_systemd = || {
        let folders = std::env::var_os("STATE_DIRECTORY")?;
        let first = folders.to_str()?.split(':').next()?.to_owned();
        (!first.is_empty()).then(|| PathBuf::from(first))
    };
    config.watch.state_dir.clone().or_else(of_systemd).or_else(state_home)
}
