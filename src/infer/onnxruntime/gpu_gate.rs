//! Who may use the GPU. While a CUDA graph is being recorded, no other thread may allocate memory
//! on the GPU: CUDA would refuse that thread, and spoil the recording.

use std::sync::{
    Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
use std::thread;
use std::time::Duration;

use crate::infer::cancel::CancelToken;
use crate::infer::error::InferError;

/// Lock order: loads before runs.
static LOADS: Mutex<()> = Mutex::new(());
static RUNS: RwLock<()> = RwLock::new(());

/// How often a wait for a load, which may take minutes, looks whether anyone still waits.
const GLANCE: Duration = Duration::from_millis(50);

/// A load's turn: one at a time, while runs go on.
///
/// # Errors
/// [`InferError::Cancelled`].
pub(super) fn load(cancel: &CancelToken) -> Result<MutexGuard<'static, ()>, InferError> {
    while !cancel.is_cancelled() {
        match LOADS.try_lock() {
            Ok(turn) => return Ok(turn),
            Err(TryLockError::Poisoned(turn)) => return Ok(turn.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(GLANCE),
        }
    }
    Err(InferError::Cancelled)
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

/// # Errors
/// [`InferError::Cancelled`].
pub(super) fn record(cancel: &CancelToken) -> Result<Recording, InferError> {
    let loads = load(cancel)?;
    Ok(Recording { _runs: RUNS.write().unwrap_or_else(PoisonError::into_inner), _loads: loads })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_records_waits_for_loads_and_runs_and_can_give_up() {
        let (loading, running) = (load(&CancelToken::new()).unwrap(), run());
        let cancel = CancelToken::new();
        thread::scope(|scope| {
            let given_up = scope.spawn(|| record(&cancel).map(|_| ()));
            cancel.cancel();
            assert!(matches!(given_up.join().unwrap(), Err(InferError::Cancelled)));
            let recorded = scope.spawn(|| record(&CancelToken::new()).map(|_| ()));
            thread::sleep(2 * GLANCE);
            assert!(!recorded.is_finished());
            // Runs go on while it waits for the load.
            drop(run());
            drop(loading);
            thread::sleep(2 * GLANCE);
            assert!(!recorded.is_finished());
            drop(running);
            assert!(recorded.join().unwrap().is_ok());
        });
    }
}
