//! Who may use the GPU. While a CUDA graph is being recorded, no other thread may allocate memory
//! on the GPU: CUDA would refuse that thread, and spoil the recording.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Lock order: loads before runs.
static LOADS: Mutex<()> = Mutex::new(());
static RUNS: RwLock<()> = RwLock::new(());

/// A load's turn: one at a time, which may take minutes, while runs go on.
pub(super) fn load() -> MutexGuard<'static, ()> {
    LOADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run's or copy's turn, beside others.
pub(super) fn run() -> RwLockReadGuard<'static, ()> {
    RUNS.read().unwrap_or_else(PoisonError::into_inner)
}

/// The turn of a run that is recorded: alone. Waits for loads first, so that runs do not wait for
/// them meanwhile.
pub(super) struct Recording {
    _runs: RwLockWriteGuard<'static, ()>,
    _loads: MutexGuard<'static, ()>,
}

pub(super) fn record() -> Recording {
    let loads = load();
    Recording { _runs: RUNS.write().unwrap_or_else(PoisonError::into_inner), _loads: loads }
}
