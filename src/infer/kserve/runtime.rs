//! The thread on which all connections live.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::infer::error::InferError;

/// One for the process: it ends with it.
pub(super) fn handle() -> Result<&'static Handle, InferError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle());
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("m2sd-kserve").enable_all();
    let runtime = builder.build().map_err(InferError::Thread)?;
    Ok(RUNTIME.get_or_init(|| runtime).handle())
}
