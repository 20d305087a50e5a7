//! The ways by which events leave. Each is an address; each reads from the spool at its own pace, in
//! order, and acknowledges what its receiver has confirmed.
//!
//! | file | holds |
//! | --- | --- |
//! | `config`, `address` | what an address says |
//! | `runner` | what all have in common: reading, trying again, telling |
//! | `file` | JSON lines in a file that is rotated, or on standard output |
//! | `webhook` | HTTP POST with a signature |
//! | `mqtt` | MQTT 5 |
//! | `nats` | NATS JetStream |
//! | `kafka` | Apache Kafka, with the feature `kafka` |
//! | `tls` | whom connections believe |

mod address;
mod config;
mod error;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
mod mqtt;
mod nats;
mod runner;
mod tls;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[cfg(feature = "publish")]
pub(crate) use self::address::shown;
use self::config::{SCHEMES, Target};
pub use self::config::{SinkConfig, parse};
use self::error::Failure;
pub use self::error::SinkError;
#[cfg(feature = "watch")]
pub(crate) use self::nats::NatsServer;
pub use self::runner::Stop;
use self::runner::{Progress, Runner, Sink};
use super::Secret;
use super::spool::Spool;

/// Delivers from a spool to one sink until it is stopped: one task for each sink.
pub async fn run(config: SinkConfig, spool: Arc<Spool>, stop: watch::Receiver<Stop>) {
    let instance = spool.instance().to_owned();
    match config.target.clone() {
        Target::Stdout => Runner::new(file::Stdout, config, spool, stop).run().await,
        Target::File(target) => {
            Runner::new(file::FileSink::new(target), config, spool, stop).run().await;
        }
        Target::Webhook(target) => {
            Runner::new(webhook::Webhook::new(*target), config, spool, stop).run().await;
        }
        Target::Mqtt(target) => {
            Runner::new(mqtt::Mqtt::new(*target, &instance), config, spool, stop).run().await;
        }
        Target::Nats(target) => {
            Runner::new(nats::Nats::new(*target, &instance), config, spool, stop).run().await;
        }
        #[cfg(feature = "kafka")]
        Target::Kafka(target) => {
            Runner::new(kafka::Kafka::new(*target, &instance), config, spool, stop).run().await;
        }
    }
}

/// Sinks that run on threads of their own.
#[derive(Debug)]
pub struct Sinks {
    runtime: Option<Runtime>,
    tasks: Vec<JoinHandle<()>>,
    stop: watch::Sender<Stop>,
}

impl Sinks {
    /// What a sink needs beyond the time that it is given to deliver: taking leave, and threads.
    pub const ENDING: Duration = Duration::from_millis(600);

    /// Starts one task for each sink. The spool forgets the sinks that are not among these.
    ///
    /// # Errors
    /// When two have one name, or there are no threads.
    pub fn start(spool: &Arc<Spool>, configs: Vec<SinkConfig>) -> Result<Self, SinkError> {
        let mut names: Vec<&str> = configs.iter().map(SinkConfig::name).collect();
        names.sort_unstable();
        if let Some(same) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SinkError::SameName(same[0].to_owned()));
        }
        spool.retain_sinks(&names);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("m2sd-sinks")
            .enable_all()
            .build()
            .map_err(SinkError::Threads)?;
        let (stop, stopped) = watch::channel(None);
        let start = |config: SinkConfig| {
            // From now on, not from when its task begins.
            spool.register(config.name());
            runtime.spawn(run(config, Arc::clone(spool), stopped.clone()))
        };
        let tasks = configs.into_iter().map(start).collect();
        Ok(Self { runtime: Some(runtime), tasks, stop })
    }

    /// Stops: what is in the spool is still delivered where its receiver takes it within `grace`. It
    /// returns as soon as that is done, and after `grace` and 0.6 s at the latest. What is left is
    /// delivered after the next start.
    pub fn stop(self, grace: Duration) {
        self.stop.send_replace(Some(Instant::now() + grace));
        let deadline = Instant::now() + grace + Self::ENDING;
        while self.tasks.iter().any(|task| !task.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        // It may run inside another runtime, which must not be held.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
