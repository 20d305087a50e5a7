//! A spool with one sink.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gstm2sd::events::sinks::{self, Sinks};
use gstm2sd::events::spool::SinkStats;
use gstm2sd::events::{EventId, Spool};

use crate::{PATIENCE, numbered, open};

pub struct Delivery {
    pub spool: Arc<Spool>,
    sinks: Option<Sinks>,
}

impl Delivery {
    /// Delivers to this address from a spool in the folder.
    pub fn to(address: &str, folder: &Path) -> Self {
        let spool = open(folder);
        let config = sinks::parse(address).unwrap();
        let sinks = Sinks::start(&spool, vec![config]).unwrap();
        Self { spool, sinks: Some(sinks) }
    }

    /// Events with these numbers.
    pub fn record(&self, numbers: std::ops::Range<u64>) -> Vec<EventId> {
        numbers.map(|n| self.spool.record(numbered(n)).unwrap()).collect()
    }

    pub fn sink(&self) -> SinkStats {
        self.spool.stats().sinks.remove(0)
    }

    /// Waits until the sink has nothing left.
    pub fn wait_until_delivered(&self) {
        assert!(self.spool.flush(PATIENCE));
        self.wait_until("everything is delivered", |sink| sink.depth == 0);
    }

    pub fn wait_until(&self, what: &str, fulfilled: impl Fn(&SinkStats) -> bool) {
        let begun = Instant::now();
        while !fulfilled(&self.sink()) {
            assert!(
                begun.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}: {:?}",
                self.sink()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The reason why nothing is delivered, once there is one.
    pub fn error(&self) -> String {
        self.wait_until("an error is told", |sink| sink.last_error.is_some());
        self.sink().last_error.unwrap()
    }

    /// Stops; it takes no longer than it may.
    pub fn stop(&mut self) {
        let begun = Instant::now();
        if let Some(sinks) = self.sinks.take() {
            sinks.stop(Duration::from_secs(1));
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

/// The ids in the order of their first arrival, and how many came again.
pub fn once(ids: &[EventId]) -> (Vec<EventId>, usize) {
    let mut seen = std::collections::HashSet::new();
    let first: Vec<_> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
    let again = ids.len() - first.len();
    (first, again)
}
