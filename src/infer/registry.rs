//! Classifiers that the elements of a process share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::error::InferError;
use super::loading::Loading;
use super::options::{EngineOptions, Shapes};
use super::pool::{Pool, PoolOptions};
use super::roles::load_classifier;

/// What makes two requests the same engine. A file that was replaced is another model.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    model: PathBuf,
    modified: Option<SystemTime>,
    engine: EngineOptions,
    pool: PoolOptions,
}

impl Key {
    fn new(model: &Path, engine: &EngineOptions, pool: PoolOptions) -> Self {
        // The sizes of what other roles are fed do not make a classifier another one.
        let shapes = Shapes { batch: engine.shapes.batch, ..Shapes::default() };
        Self {
            model: model.canonicalize().unwrap_or_else(|_| model.to_owned()),
            modified: model.metadata().and_then(|m| m.modified()).ok(),
            engine: EngineOptions { shapes, ..engine.clone() },
            pool,
        }
    }
}

/// One engine's place in the register. Whoever finds it empty loads, the others wait for that; one
/// with another model does not wait.
#[derive(Default)]
struct Slot {
    /// Lock order: taken after a [`CancelToken`]'s, whose hook wakes who waits here, and after
    /// [`POOLS`]; nothing is taken under it. Held for a look or a change, never while loading.
    state: Mutex<SlotState>,
    changed: Condvar,
}

#[derive(Default)]
struct SlotState {
    running: Weak<Pool>,
    loading: bool,
}

/// What a slot has for the next who asks.
enum Turn {
    Running(Arc<Pool>),
    Load(LoadTurn),
}

/// The right to load. However the load ends, the next in line looks again.
struct LoadTurn(Arc<Slot>);

impl Drop for LoadTurn {
    fn drop(&mut self) {
        self.0.state().loading = false;
        self.0.changed.notify_all();
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while somebody else loads.
    fn turn(self: &Arc<Self>, cancel: &CancelToken) -> Result<Turn, InferError> {
        let others_load = |state: &mut SlotState| state.loading && !cancel.is_cancelled();
        let state = self.changed.wait_while(self.state(), others_load);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if cancel.is_cancelled() {
            return Err(InferError::Cancelled);
        }
        if let Some(pool) = state.running.upgrade() {
            return Ok(Turn::Running(pool));
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

/// Lock order: before a slot's; nothing else is taken under it. Held for a look-up.
static POOLS: Mutex<Option<HashMap<Key, Arc<Slot>>>> = Mutex::new(None);

/// The pool of the classifier at `model` with its sidecar, loaded with `engine`: the one that is
/// running in this process, else a new one. It ends with its last user.
///
/// # Errors
/// Those of [`load_classifier`], and [`InferError::Thread`]. A failure is not kept: another who
/// waits for this load tries on its own.
pub fn shared_classifier<'a>(
    model: &Path,
    engine: &EngineOptions,
    pool: PoolOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Arc<Pool>, InferError> {
    let loading = loading.into();
    let cancel = loading.cancel;
    let slot = slot(Key::new(model, engine, pool));
    let waiting = Arc::clone(&slot);
    let _registered = cancel.on_cancel(move || waiting.wake())?;
    let turn = match slot.turn(cancel)? {
        Turn::Running(pool) => return Ok(pool),
        Turn::Load(turn) => turn,
    };
    let pool = Pool::new(load_classifier(model, engine, loading)?, pool)?;
    slot.state().running = Arc::downgrade(&pool);
    drop(turn);
    Ok(pool)
}

/// Has `pool` serve everyone who asks for the classifier at `model` with these options, while it
/// lives: for programs that bring an engine of their own. `None` when one is running already,
/// which stays.
pub fn lend_classifier(
    model: &Path,
    engine: &EngineOptions,
    options: PoolOptions,
    pool: &Arc<Pool>,
) -> Option<()> {
    let slot = slot(Key::new(model, engine, options));
    let mut state = slot.state();
    if state.loading || state.running.strong_count() > 0 {
        return None;
    }
    state.running = Arc::downgrade(pool);
    Some(())
}

fn slot(key: Key) -> Arc<Slot> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_default();
    // Forget what has ended; a slot that is held elsewhere is in use.
    pools.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.state().running.strong_count() > 0);
    pools.entry(key).or_default().clone()
}
