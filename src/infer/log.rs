//! Where this layer and ONNX Runtime say what goes wrong without being an error of a call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// How serious a line of the log is. Less than a warning is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something was done otherwise than asked, or worse.
    Warning,
    /// Something was not done.
    Error,
}

type LogSink = Box<dyn Fn(Severity, &str) + Send + Sync>;

static LOG_SINK: OnceLock<LogSink> = OnceLock::new();

/// Has warnings and errors of ONNX Runtime and of the pools passed to `sink`, from any thread.
/// Without a sink they go nowhere: what matters comes back as an [`crate::infer::InferError`]. The
/// first sink stays.
pub fn set_log_sink(sink: impl Fn(Severity, &str) + Send + Sync + 'static) {
    let _first_stays = LOG_SINK.set(Box::new(sink));
}

/// Passes a line on.
pub(super) fn log(severity: Severity, text: &str) {
    if let Some(sink) = LOG_SINK.get() {
        // Some callers are C++ functions: nothing may unwind into them.
        let _lost_line = catch_unwind(AssertUnwindSafe(|| sink(severity, text)));
    }
}
