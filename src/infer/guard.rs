//! Errors and panics of the binding, as this layer's errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::infer::error::{InferError, panic_text};

pub(super) fn unreadable(path: &Path, reason: &str) -> InferError {
    InferError::ModelUnreadable {
        path: path.to_owned(),
        reason: reason.trim_end_matches('.').to_owned(),
    }
}

/// Turns a panic of the binding into its message.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| panic_text(payload.as_ref()))
}
