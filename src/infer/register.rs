//! What is loaded once in a process and shared by those who ask for the same.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::cancel::CancelToken;
use super::error::InferError;

/// Shared values by what makes them the same. Each ends with its last user.
///
/// Lock order: before a slot's; nothing else is taken under it. Held for a look-up.
pub struct Register<K, T>(Mutex<Option<HashMap<K, Arc<Slot<T>>>>>);

/// One value's place. Whoever finds it empty loads, the others wait for that; one who asks for
/// another value does not wait.
struct Slot<T> {
    /// Lock order: taken after a [`CancelToken`]'s, whose hook wakes who waits here, and after a
    /// register's; nothing is taken under it. Held for a look or a change, never while loading.
    state: Mutex<SlotState<T>>,
    changed: Condvar,
}

struct SlotState<T> {
    running: Weak<T>,
    loading: bool,
}

/// What a slot has for the next who asks.
enum Turn<T> {
    Running(Arc<T>),
    Load(LoadTurn<T>),
}

/// The right to load. However the load ends, the next in line looks again.
struct LoadTurn<T>(Arc<Slot<T>>);

impl<T> Drop for LoadTurn<T> {
    fn drop(&mut self) {
        self.0.state().loading = false;
        self.0.changed.notify_all();
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let state = SlotState { running: Weak::new(), loading: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, SlotState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while somebody else loads.
    fn turn(self: &Arc<Self>, cancel: &CancelToken) -> Result<Turn<T>, InferError> {
        let others_load = |state: &mut SlotState<T>| state.loading && !cancel.is_cancelled();
        let state = self.changed.wait_while(self.state(), others_load);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if cancel.is_cancelled() {
            return Err(InferError::Cancelled);
        }
        if let Some(running) = state.running.upgrade() {
            return Ok(Turn::Running(running));
        }
        state.loading = true;
        Ok(Turn::Load(LoadTurn(Arc::clone(self))))
    }

    /// Has who waits look again. Under the lock, as one who is about to wait would miss it.
    fn wake(&self) {
        let _state = self.state();
        self.changed.notify_all();
    }
}

impl<K: Eq + Hash, T: Send + Sync + 'static> Register<K, T> {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The value that is in use in this process, else what `load` makes.
    ///
    /// # Errors
    /// `load`'s. A failure is not kept: another who waits for this load tries on its own.
    pub fn get_or_load(
        &self,
        key: K,
        cancel: &CancelToken,
        load: impl FnOnce() -> Result<Arc<T>, InferError>,
    ) -> Result<Arc<T>, InferError> {
        let slot = self.slot(key);
        let waiting = Arc::clone(&slot);
        let _registered = cancel.on_cancel(move || waiting.wake())?;
        let turn = match slot.turn(cancel)? {
            Turn::Running(running) => return Ok(running),
            Turn::Load(turn) => turn,
        };
        let loaded = load()?;
        slot.state().running = Arc::downgrade(&loaded);
        drop(turn);
        Ok(loaded)
    }

    /// Has `value` serve who asks for `key`, while it lives. `None` when one is in use already,
    /// which stays.
    pub fn lend(&self, key: K, value: &Arc<T>) -> Option<()> {
        let slot = self.slot(key);
        let mut state = slot.state();
        if state.loading || state.running.strong_count() > 0 {
            return None;
        }
        state.running = Arc::downgrade(value);
        Some(())
    }

    fn slot(&self, key: K) -> Arc<Slot<T>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = slots.get_or_insert_default();
        // Forget what has ended; a slot that is held elsewhere is in use.
        slots.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.state().running.strong_count() > 0
        });
        slots.entry(key).or_default().clone()
    }
}
