//! Work that may never return, such as a state change that a source holds up, waited for with a
//! limit. What is not done then is abandoned, and the process must end without waiting for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often work that is waited for is woken.
const WAKE_INTERVAL: Duration = Duration::from_secs(1);

static ABANDONED: AtomicBool = AtomicBool::new(false);

/// Runs `work` on a thread of its own. `None`: it took longer than `limit` and was abandoned.
pub fn run<R: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> R + Send + 'static,
) -> Option<R> {
    run_waking(limit, || {}, work)
}

/// As [`run`]; calls `wake` each second that the work takes, on the caller's thread.
pub fn run_waking<R: Send + 'static>(
    limit: Duration,
    wake: impl Fn(),
    work: impl FnOnce() -> R + Send + 'static,
) -> Option<R> {
    let (done, result) = channel();
    let spawned = thread::Builder::new().name("bounded".into()).spawn(move || {
        // Nobody waits for what was abandoned.
        let _ = done.send(work());
    });
    let until = Instant::now() + limit;
    while spawned.is_ok() {
        let left = until.saturating_duration_since(Instant::now());
        match result.recv_timeout(left.min(WAKE_INTERVAL)) {
            Ok(result) => return Some(result),
            Err(RecvTimeoutError::Timeout) if left > WAKE_INTERVAL => wake(),
            Err(_) => break,
        }
    }
    ABANDONED.store(true, Ordering::Relaxed);
    None
}

/// Starts `work` on a thread of its own, for whose end nobody waits.
pub fn start(work: impl FnOnce() + Send + 'static) {
    // Without memory for a thread the work is not done, and its effects do not come.
    let _ = thread::Builder::new().name("unbounded".into()).spawn(work);
}

/// Says that something was left alone which this module did not run.
pub fn abandon() {
    ABANDONED.store(true, Ordering::Relaxed);
}

/// Whether anything was: then the process must end without the clean-up that would wait for it.
pub fn was_abandoned() -> bool {
    ABANDONED.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_waited_for_and_no_longer() {
        assert_eq!(run(Duration::from_secs(60), || 7), Some(7));
        assert!(!was_abandoned());
        let (hold, held) = channel::<()>();
        let forever = move || held.recv();
        assert!(run(Duration::from_millis(1), forever).is_none());
        assert!(was_abandoned());
        drop(hold);
    }
}
