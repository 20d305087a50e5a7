//! Stopping runs from another thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::InferError;

/// Ends the runs it was given to: those in flight as soon as their engine can, later ones at once.
///
/// One token stands for one generation of work. A flush or a stop cancels it and the next
/// generation gets a new one, so that a late cancel cannot hit a run that it was not meant for.
#[derive(Clone, Default)]
pub struct CancelToken {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    next_id: AtomicU64,
    /// Lock order: after a pool's state and before what the hooks take, a slot of the register at
    /// most. Hooks run under it, so that none runs once its guard is gone: they return at once.
    hooks: Mutex<Vec<(u64, Hook)>>,
}

/// What ends a run; an engine may keep its own.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

impl Inner {
    fn hooks(&self) -> MutexGuard<'_, Vec<(u64, Hook)>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CancelToken {
    /// One that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels, for good. Calls the hooks of runs in flight on this thread; they return at once.
    pub fn cancel(&self) {
        // The flag is raised under the lock that `on_cancel` checks it under: a hook is either
        // seen here or never registered.
        let hooks = self.inner.hooks();
        self.inner.cancelled.store(true, Ordering::Release);
        for (_, hook) in hooks.iter() {
            hook();
        }
    }

    /// Whether runs with it end, and new ones do not begin.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::Acquire)
    }

    /// For engines: has `hook` called on [`Self::cancel`] while the guard lives. Once the guard is
    /// dropped the hook is not running and will not run.
    ///
    /// # Errors
    /// [`InferError::Cancelled`] when it is too late: the run must not start.
    pub fn on_cancel(
        &self,
        hook: impl Fn() + Send + Sync + 'static,
    ) -> Result<HookGuard<'_>, InferError> {
        self.on_cancel_call(Arc::new(hook))
    }

    /// As [`Self::on_cancel`], with a hook that is kept from run to run.
    ///
    /// # Errors
    /// As [`Self::on_cancel`].
    pub fn on_cancel_call(&self, hook: Hook) -> Result<HookGuard<'_>, InferError> {
        let mut hooks = self.inner.hooks();
        if self.is_cancelled() {
            return Err(InferError::Cancelled);
        }
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        hooks.push((id, hook));
        Ok(HookGuard { token: self, id })
    }
}

/// Keeps a hook of [`CancelToken::on_cancel`] registered.
#[must_use = "the hook is forgotten when the guard is dropped"]
pub struct HookGuard<'a> {
    token: &'a CancelToken,
    id: u64,
}

impl Drop for HookGuard<'_> {
    fn drop(&mut self) {
        self.token.inner.hooks().retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> (Arc<AtomicU64>, impl Fn() + Send + 'static) {
        let count = Arc::new(AtomicU64::new(0));
        let hook = {
            let count = count.clone();
            move || {
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        (count, hook)
    }

    #[test]
    fn hooks_run_while_their_guard_lives() {
        let token = CancelToken::new();
        let (kept, keep) = counter();
        let (dropped, drop_early) = counter();
        let _guard = token.on_cancel(keep).unwrap();
        drop(token.on_cancel(drop_early).unwrap());
        token.clone().cancel();
        assert_eq!((kept.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed)), (1, 0));
    }

    #[test]
    fn a_cancelled_token_lets_no_run_start() {
        let token = CancelToken::new();
        token.cancel();
        let (count, hook) = counter();
        assert!(matches!(token.on_cancel(hook), Err(InferError::Cancelled)));
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert!(!CancelToken::new().is_cancelled());
    }
}
