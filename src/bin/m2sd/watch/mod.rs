//! `m2sd watch`: keeps an eye on many cameras.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use clap::Args;
use gstm2sd::core::counted::counted;
use gstm2sd::watch::config::{ConfigError, WatchConfig};
use gstm2sd::watch::control::Control;
use gstm2sd::watch::process::{Process, ProcessError};
use gstm2sd::watch::rest::parse_listen;
use gstm2sd::watch::service::read_config;
use sd_notify::NotifyState;

use crate::bounded;
use crate::error::CliError;
use crate::signals::{HangUps, Signals};
use crate::terminal::{note, print_line};

/// How often signals are looked for.
const GLANCE: Duration = Duration::from_millis(50);
/// A supervisor that has not turned for so long is stuck; a watchdog then starts the process anew.
const STUCK: Duration = Duration::from_secs(30);

#[derive(Args, Debug)]
pub struct WatchArgs {
    /// The configuration: cameras, and where events go (docs/watch.md)
    config: PathBuf,
    /// Tell what is wrong with the configuration, by line, and end
    #[arg(long)]
    check: bool,
    /// Serve the page and REST at this address and port, whatever [http] says of them
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    listen: Option<SocketAddr>,
}

pub fn run(args: &WatchArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    gstm2sd::plugin_register_static().map_err(CliError::runtime)?;
    let (mut config, warnings) = read_config(&args.config).map_err(explain)?;
    warnings.iter().for_each(|warning| note(warning));
    if let Some(listen) = args.listen {
        let http = config.http.get_or_insert_default();
        http.listen = listen;
        http.check().map_err(CliError::usage)?;
    }
    if args.check {
        return print_line(&format!("{}: {}", args.config.display(), summary(&config)));
    }
    let (signals, hang_ups) = (Signals::take_to_end()?, HangUps::take()?);
    let process = Process::start(args.config.clone(), config, note).map_err(failed)?;
    // With those that were added over REST, and without those removed there.
    let count = counted(process.service().cameras().len(), "camera");
    note(&format!("m2sd: watching {count}"));
    if let Some(page) = process.page() {
        note(&format!("m2sd: {page} shows them"));
    }
    let manager = Manager::start();
    manager.tell(NotifyState::Ready);
    let signal = watch(&process, &manager, &signals, &hang_ups);
    manager.tell(NotifyState::Stopping);
    note("m2sd: stopping. Again: ends at once.");
    if !process.stop() {
        note("m2sd: not everything stopped in time: left alone");
        bounded::abandon();
    }
    Err(CliError::Signal(signal))
}

/// The service manager. A thread of its own tells it: one that does not read holds up whoever tells.
struct Manager(SyncSender<NotifyState<'static>>);

impl Manager {
    fn start() -> Self {
        let (tell, told) = sync_channel(4);
        bounded::start(move || {
            for state in told {
                // Where nobody listens, there is nobody to tell.
                let _ = sd_notify::notify(&[state]);
            }
        });
        Self(tell)
    }

    fn tell(&self, state: NotifyState<'static>) {
        // What it has not read by now it need not hear.
        let _ = self.0.try_send(state);
    }
}

/// Until a signal ends it.
fn watch(process: &Process, manager: &Manager, signals: &Signals, hang_ups: &HangUps) -> i32 {
    let interval = sd_notify::watchdog_enabled().map(|limit| limit / 3);
    let mut fed = Instant::now();
    loop {
        if let Some(signal) = signals.received() {
            return signal;
        }
        if hang_ups.received() {
            reload(process);
        }
        if interval.is_some_and(|interval| fed.elapsed() >= interval)
            && process.service().quiet() < STUCK
        {
            manager.tell(NotifyState::Watchdog);
            fed = Instant::now();
        }
        std::thread::sleep(GLANCE);
    }
}

/// Not on this thread: files may take their time.
fn reload(process: &Process) {
    let service = Arc::clone(process.service());
    bounded::start(move || {
        if let Err(error) = service.reload() {
            note(&format!("m2sd: nothing has changed: {error}"));
        }
    });
}

fn explain(error: ConfigError) -> CliError {
    match error {
        ConfigError::Unreadable { .. } => CliError::input(error),
        ConfigError::Syntax { .. } | ConfigError::Problems(_) => {
            CliError::usage(format!("the configuration cannot be used\n{error}"))
        }
    }
}

fn failed(error: ProcessError) -> CliError {
    match error {
        ProcessError::Recordings { .. }
        | ProcessError::NoStateDir
        | ProcessError::Spool(_)
        | ProcessError::Sink(_)
        | ProcessError::Http(_) => CliError::input(error),
        ProcessError::Service(_) | ProcessError::Threads(_) => CliError::runtime(error),
    }
}

fn summary(config: &WatchConfig) -> String {
    let (cameras, sinks) = (config.cameras.len(), config.sinks.len());
    format!("{}, {}: can be used", counted(cameras, "camera"), counted(sinks, "sink"))
}
