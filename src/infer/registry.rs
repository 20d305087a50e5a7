//! The networks that the elements of a process share.
//!
//! A classifier is shared as its [`Pool`], which batches the clips of all streams. Detectors and
//! aligners are shared as engines that streams run in turn ([`SharedEngine`]): a further stream
//! costs frames and crops, not networks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::error::InferError;
use super::loading::Loading;
use super::onnx::OnnxEngine;
use super::options::{EngineOptions, Shapes};
use super::pool::{Pool, PoolOptions};
use super::register::Register;
use super::roles::load_classifier;
use super::{Engine, EngineInfo, Outputs, TensorIn};
use crate::core::modelinfo::Role;

/// What makes two requests the same engine. A file that was replaced is another model.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    model: PathBuf,
    modified: Option<SystemTime>,
    engine: EngineOptions,
}

impl Key {
    fn new(model: &Path, engine: &EngineOptions) -> Self {
        Self {
            model: model.canonicalize().unwrap_or_else(|_| model.to_owned()),
            modified: model.metadata().and_then(|m| m.modified()).ok(),
            engine: engine.clone(),
        }
    }

    fn of_classifier(model: &Path, engine: &EngineOptions) -> Self {
        // The sizes of what other roles are fed do not make a classifier another one.
        let shapes = Shapes { batch: engine.shapes.batch, ..Shapes::default() };
        Self::new(model, &EngineOptions { shapes, ..engine.clone() })
    }
}

static POOLS: Register<(Key, PoolOptions), Pool> = Register::new();
static ENGINES: Register<(Key, Role), RunInTurn> = Register::new();

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
    POOLS.get_or_load((Key::of_classifier(model, engine), pool), loading.cancel, || {
        Pool::new(load_classifier(model, engine, loading)?, pool)
    })
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
    POOLS.lend((Key::of_classifier(model, engine), options), pool)
}

/// An engine that serves others while this lives, see [`lend_engine`].
pub struct LentEngine {
    _engine: Arc<RunInTurn>,
}

/// Has `engine` serve everyone who asks for the model at `model` in this role with these options,
/// while the returned handle lives: for programs that bring an engine of their own. `None` when one
/// is running already, which stays.
pub fn lend_engine(
    model: &Path,
    role: Role,
    options: &EngineOptions,
    engine: Box<dyn Engine>,
) -> Option<LentEngine> {
    let engine: Arc<RunInTurn> = Arc::new(Mutex::new(engine));
    ENGINES.lend((Key::new(model, options), role), &engine)?;
    Some(LentEngine { _engine: engine })
}

/// Lock order: this lock is the engine, so it is held for a run and no longer; a
/// [`CancelToken`]'s is taken under it, and it under none.
type RunInTurn = Mutex<Box<dyn Engine>>;

/// A user's handle of an engine that others may use too.
pub(super) struct SharedEngine {
    engine: Arc<RunInTurn>,
    info: EngineInfo,
}

impl SharedEngine {
    /// The engine of `model` in this role that is in use in this process, else a new one.
    ///
    /// # Errors
    /// Those of [`OnnxEngine::load`].
    pub(super) fn load(
        model: &Path,
        role: Role,
        options: &EngineOptions,
        loading: Loading<'_>,
    ) -> Result<Self, InferError> {
        let key = (Key::new(model, options), role);
        let engine = ENGINES.get_or_load(key, loading.cancel, || {
            let engine: Box<dyn Engine> =
                Box::new(OnnxEngine::load(model, options, loading.of(role))?);
            Ok(Arc::new(Mutex::new(engine)))
        })?;
        let info = engine.lock().unwrap_or_else(PoisonError::into_inner).info().clone();
        Ok(Self { engine, info })
    }
}

impl Engine for SharedEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        // A run that panicked has left nothing behind that the next one would read.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).run(inputs, outputs, cancel)
    }
}
