//! Classifiers that the elements of a process share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use super::error::InferError;
use super::options::EngineOptions;
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
        Self {
            model: model.canonicalize().unwrap_or_else(|_| model.to_owned()),
            modified: model.metadata().and_then(|m| m.modified()).ok(),
            engine: engine.clone(),
            pool,
        }
    }
}

/// Holds the lock of one key while its model loads, so that the second of two elements that start
/// together waits for the first one's engine, and one with another model does not wait.
type Slot = Arc<Mutex<Weak<Pool>>>;

static POOLS: Mutex<Option<HashMap<Key, Slot>>> = Mutex::new(None);

/// The pool of the classifier at `model` with its sidecar, loaded with `engine`: the one that is
/// running in this process, else a new one. It ends with its last user.
///
/// # Errors
/// Those of [`load_classifier`], and [`InferError::Thread`]. A failure is not kept.
pub fn shared_classifier(
    model: &Path,
    engine: &EngineOptions,
    pool: PoolOptions,
) -> Result<Arc<Pool>, InferError> {
    let slot = slot(Key::new(model, engine, pool));
    let mut running = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = running.upgrade() {
        return Ok(pool);
    }
    let pool = Pool::new(load_classifier(model, engine)?, pool)?;
    *running = Arc::downgrade(&pool);
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
    let mut running = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if running.strong_count() > 0 {
        return None;
    }
    *running = Arc::downgrade(pool);
    Some(())
}

fn slot(key: Key) -> Slot {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_default();
    // Forget what has ended; a slot that is locked or held elsewhere is in use.
    pools.retain(|_, slot| {
        Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|pool| pool.strong_count() > 0)
    });
    pools.entry(key).or_default().clone()
}
