//! The analysis thread's beginning and end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use glib::subclass::prelude::*;

use super::Analysis;
use crate::filter::engines::supervisor::Loader;
use crate::filter::settings::Settings;
use crate::filter::shared::Shared;
use crate::filter::{M2sdFilter, memory};
use crate::infer::CancelToken;

/// The running analysis thread. Dropping it ends the thread and waits for that, also when the
/// element is thrown away while it plays.
pub struct Worker {
    shared: Arc<Shared>,
    cancel: CancelToken,
    thread: Option<JoinHandle<()>>,
    loader: Loader,
}

impl Worker {
    pub fn start(element: &M2sdFilter, settings: Settings) -> std::io::Result<Self> {
        let cancel = CancelToken::new();
        let loader = Loader::default();
        let shared = Arc::clone(&element.imp().shared);
        let analysis = Analysis::new(element, settings, cancel.clone(), loader.clone())?;
        let thread = thread::Builder::new().name("m2sd-analysis".into());
        let thread = thread.spawn(move || supervise(analysis, Analysis::run))?;
        Ok(Self { shared, cancel, thread: Some(thread), loader })
    }
}

/// Runs the analysis; a panic in it becomes an element error.
pub(super) fn supervise(mut analysis: Analysis, run: impl FnOnce(&mut Analysis)) {
    let run = AssertUnwindSafe(|| run(&mut analysis));
    if catch_unwind(run).is_err() {
        analysis.fail("The analysis thread panicked, please report this");
    }
}

impl Worker {
    /// Cancels what is being loaded and what the models are doing, and wakes whoever waits.
    pub fn cancel(&self) {
        self.cancel.cancel();
        self.shared.stop();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.cancel();
        // The last reference to the element may be dropped on the thread itself.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _panicked = thread.join();
        }
        self.loader.join();
        memory::trim();
    }
}
