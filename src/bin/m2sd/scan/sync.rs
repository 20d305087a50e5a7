//! What is written goes to the disk while a scan runs, so that a power cut costs seconds.

use std::fs::File;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::bounded;

/// How much of a scan a power cut may cost.
const INTERVAL: Duration = Duration::from_secs(5);

/// Until it is dropped.
pub struct Syncer {
    _until: Sender<()>,
}

impl Syncer {
    /// On a thread for whose end nobody waits: a disk may take its time.
    pub fn start(files: Vec<File>) -> Self {
        let (until, dropped) = channel::<()>();
        if !files.is_empty() {
            bounded::start(move || {
                while dropped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    for file in &files {
                        // A disk that fails fails the writes too, which tell it.
                        let _ = file.sync_data();
                    }
                }
            });
        }
        Self { _until: until }
    }
}
