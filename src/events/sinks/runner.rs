//! What all sinks have in common: reading from the spool, delivering in order, trying again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::body::{Health, HealthStatus};
use super::super::spool::{Spool, Stored};
use super::super::{Body, Draft};
use super::address::shown;
use super::{Failure, SinkConfig};
use crate::core::backoff::Backoff;
use crate::core::redact::redact;

/// Events that are read at once.
const BATCH: usize = 128;
/// The longest wait between tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// What a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// How long a receiver is taken leave of.
const CLOSING: Duration = Duration::from_millis(400);
/// A sink that fails is told at its second failure in a row: one lost connection is nothing.
const TOLD_AT: u32 = 2;

/// When to stop: from then on only what is there already is delivered, until this moment.
pub type Stop = Option<Instant>;

/// A way by which events leave.
pub(super) trait Sink: Send {
    /// Connects, where it is not connected.
    fn connect(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Delivers these in order, and says so event by event, or all at the end.
    fn deliver(
        &mut self,
        events: &[Stored],
        progress: &Progress,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends when the connection is lost, while there is nothing to deliver.
    fn idle(&mut self) -> impl Future<Output = Failure> + Send {
        std::future::pending()
    }

    /// Forgets the connection.
    fn disconnect(&mut self) {}

    /// Takes leave of the receiver.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What a sink tells the spool.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    spool: Arc<Spool>,
    name: String,
}

impl Progress {
    /// Everything up to here has been taken.
    pub(super) fn acknowledge(&self, sequence: u64) {
        // It fails for sinks that have been removed, which need no place.
        let _ = self.spool.acknowledge(&self.name, sequence);
    }

    /// This event is refused for good, and everything before it has been taken.
    pub(super) fn give_up(&self, sequence: u64, why: &str) {
        let _ = self.spool.give_up(&self.name, sequence);
        let _ = self.spool.failed(&self.name, why);
    }
}

enum Step {
    Delivered,
    Nothing,
}

pub(super) struct Runner<S> {
    sink: S,
    config: SinkConfig,
    progress: Progress,
    written: watch::Receiver<u64>,
    stop: watch::Receiver<Stop>,
    backoff: Backoff,
    failures: u32,
    failing_since: Option<Instant>,
}

impl<S: Sink> Runner<S> {
    pub(super) fn new(
        sink: S,
        config: SinkConfig,
        spool: Arc<Spool>,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        spool.register(config.name());
        let written = spool.written();
        let progress = Progress { spool, name: config.name().to_owned() };
        Self {
            sink,
            config,
            progress,
            written,
            stop,
            backoff: Backoff::default(),
            failures: 0,
            failing_since: None,
        }
    }

    /// Delivers until it is stopped.
    pub(super) async fn run(mut self) {
        loop {
            let mut stop = self.stop.clone();
            let step = tokio::select! {
                step = self.step() => step,
                () = deadline(&mut stop) => break,
            };
            let stopping = self.stop.borrow().is_some();
            let failure = match step {
                Ok(Step::Delivered) => {
                    self.succeeded();
                    continue;
                }
                Ok(Step::Nothing) if stopping => break,
                Ok(Step::Nothing) => {
                    self.succeeded();
                    match self.wait_for_work().await {
                        None => continue,
                        Some(failure) => failure,
                    }
                }
                Err(failure) => failure,
            };
            let wait = self.failed(failure);
            if stopping {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.stop.changed() => {}
            }
        }
        let _ = tokio::time::timeout(CLOSING, self.sink.close()).await;
    }

    async fn step(&mut self) -> Result<Step, Failure> {
        self.sink.connect().await?;
        self.written.mark_unchanged();
        let (spool, name) = (Arc::clone(&self.progress.spool), self.progress.name.clone());
        let read = tokio::task::spawn_blocking(move || spool.read(&name, BATCH)).await;
        let events = read
            .map_err(|e| Failure::new(e.to_string()))?
            .map_err(|e| Failure::new(e.to_string()))?;
        let Some(last) = events.last().map(|stored| stored.sequence) else {
            return Ok(Step::Nothing);
        };
        let mut wanted = events;
        wanted.retain(|stored| self.config.wants(&stored.event));
        if !wanted.is_empty() {
            self.sink.deliver(&wanted, &self.progress).await?;
        }
        self.progress.acknowledge(last);
        Ok(Step::Delivered)
    }

    async fn wait_for_work(&mut self) -> Option<Failure> {
        tokio::select! {
            _ = self.written.changed() => None,
            _ = self.stop.changed() => None,
            failure = self.sink.idle() => Some(failure),
        }
    }

    fn succeeded(&mut self) {
        self.backoff.succeeded();
        let since = self.failing_since.take();
        if let Some(since) = since.filter(|_| self.failures >= TOLD_AT) {
            let text = format!("delivers again, after {} s", since.elapsed().as_secs());
            self.tell(HealthStatus::Ok, text);
        }
        self.failures = 0;
    }

    /// Returns how long to wait.
    fn failed(&mut self, failure: Failure) -> Duration {
        self.sink.disconnect();
        let text = redact(&failure.text).into_owned();
        let _ = self.progress.spool.failed(&self.progress.name, &text);
        self.failures += 1;
        self.failing_since.get_or_insert_with(Instant::now);
        if self.failures == TOLD_AT {
            self.tell(HealthStatus::Failed, text);
        }
        let wait = self.backoff.failed().min(LONGEST_WAIT);
        let wait = Backoff::jittered(wait, fastrand::f64());
        wait.max(failure.after.unwrap_or_default().min(LONGEST_ASKED))
    }

    fn tell(&self, status: HealthStatus, text: String) {
        let stats = self.progress.spool.stats();
        let own = stats.sinks.into_iter().find(|sink| sink.name == self.progress.name);
        let health = Health {
            component: format!("sink:{}", shown(&self.progress.name)),
            status,
            text,
            dropped: own.map(|own| own.dropped),
        };
        let _ = self.progress.spool.record(Draft::now(None, Body::Health(health)));
    }
}

/// Ends when the time to stop has come.
async fn deadline(stop: &mut watch::Receiver<Stop>) {
    let until = match stop.wait_for(Option::is_some).await {
        Ok(stop) => *stop,
        // Nobody is left who could let it go on.
        Err(_) => None,
    };
    if let Some(until) = until {
        tokio::time::sleep_until(until.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_differ_and_stay_within_half_and_all() {
        let wait = Duration::from_secs(8);
        let waits: Vec<_> = (0..50).map(|_| Backoff::jittered(wait, fastrand::f64())).collect();
        assert!(waits.iter().all(|w| (wait / 2..=wait).contains(w)));
        assert!(waits.iter().any(|w| w != &waits[0]));
    }
}
