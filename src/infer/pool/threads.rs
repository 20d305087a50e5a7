//! The pools' threads: who waits for them, and for how long.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Shared;

/// How long the last handle of a pool waits for its thread. A run that does not notice by then that
/// it was cancelled (an engine that ignores it, a loop in a graph) is abandoned: its thread goes on
/// until the run ends, if it does, and keeps the engine.
pub const ABANDON_AFTER: Duration = Duration::from_secs(2);

/// Threads of the process that load or run networks and have not ended. A leaf lock.
static LIVE: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

fn live() -> MutexGuard<'static, usize> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits up to `patience` until no thread is left that loads or runs a network (of pools, trials and
/// elements), and returns how many are. For the end of a program, after its last pool and element are
/// dropped.
///
/// ONNX Runtime must not be at work while a process runs its exit handlers, which destroy what the
/// run reads. A program for which this returns more than 0 has to leave without them, by `_exit`.
pub fn settle(patience: Duration) -> usize {
    let left = ENDED.wait_timeout_while(live(), patience, |live| *live > 0);
    *left.unwrap_or_else(PoisonError::into_inner).0
}

/// A thread that loads or runs networks, counted by [`settle`] until it ends.
pub(crate) struct CountedThread(());

impl CountedThread {
    pub(crate) fn new() -> Self {
        *live() += 1;
        Self(())
    }
}

impl Drop for CountedThread {
    fn drop(&mut self) {
        let mut live = live();
        *live = live.saturating_sub(1);
        ENDED.notify_all();
    }
}

/// Counts a pool's thread until it ends, however that happens.
pub(super) struct Alive(Arc<Shared>, CountedThread);

impl Alive {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.state().alive += 1;
        Self(Arc::clone(shared), CountedThread::new())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // Who waits for room would wait for ever, were it to end before its pool.
        let mut state = self.0.state();
        state.alive -= 1;
        state.ended = state.alive == 0;
        drop(state);
        self.0.room.notify_all();
        self.0.ended.notify_all();
    }
}

impl Shared {
    /// Waits until its threads have ended, which is the answer.
    pub(super) fn wait_for_end(&self, patience: Duration) -> bool {
        let ended = self.ended.wait_timeout_while(self.state(), patience, |state| !state.ended);
        ended.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}
