//! How engines come to be: loaded from files with their sidecars, given their roles, and shared by
//! the elements of a process.
//!
//! A classifier is shared as its [`Pool`], which batches the clips of all streams. Detectors and
//! aligners are shared as engines that streams run in turn ([`SharedEngine`]): a further stream
//! costs frames and crops, not networks. Both end with their last user, on its thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::engine::Engine;
use super::error::InferError;
use super::in_turn::{InTurn, SharedEngine};
use super::load::load_engine;
use super::loading::Loading;
use super::options::{EngineOptions, Shapes};
use super::pool::{Pool, PoolOptions};
use super::register::Register;
use super::roles::{Aligner, Classifier, Detector};
use crate::core::modelinfo::{ModelInfo, Role};

/// Loads a detector and the sidecar beside it; the engine is shared with those in this process who
/// load the same.
///
/// # Errors
/// Those of [`load_engine`], [`InferError::Sidecar`] and [`InferError::WrongRole`] for the
/// sidecar, [`InferError::WrongSignature`] and [`InferError::TooLarge`] for the network.
pub fn load_detector<'a>(
    path: &Path,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Detector, InferError> {
    let sidecar = sidecar(path, Role::Detector)?;
    let engine = shared_engine(path, Role::Detector, options, loading.into())?;
    Detector::from_engine(Box::new(engine), &sidecar)
}

/// Loads an aligner and the sidecar beside it; the engine is shared with those in this process who
/// load the same.
///
/// # Errors
/// As [`load_detector`].
pub fn load_aligner<'a>(
    path: &Path,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Aligner, InferError> {
    let sidecar = sidecar(path, Role::Aligner)?;
    let engine = shared_engine(path, Role::Aligner, options, loading.into())?;
    Aligner::from_engine(Box::new(engine), &sidecar)
}

/// Loads a classifier and the sidecar beside it.
///
/// # Errors
/// As [`load_detector`].
pub fn load_classifier<'a>(
    path: &Path,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Classifier, InferError> {
    let sidecar = sidecar(path, Role::Classifier)?;
    let engine = load_engine(path, options, loading.into().of(Role::Classifier))?;
    Classifier::from_engine(engine, &sidecar)
}

fn sidecar(path: &Path, expected: Role) -> Result<ModelInfo, InferError> {
    let sidecar = ModelInfo::beside(path).map_err(|source| InferError::Sidecar {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    match sidecar.role {
        Some(found) if found != expected => {
            Err(InferError::WrongRole { path: path.to_owned(), expected, found })
        }
        _ => Ok(sidecar),
    }
}

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
static ENGINES: Register<(Key, Role), InTurn> = Register::new();

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
    _engine: Arc<InTurn>,
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
    let engine = InTurn::new(engine);
    ENGINES.lend((Key::new(model, options), role), &engine)?;
    Some(LentEngine { _engine: engine })
}

/// The engine of `model` in this role that is in use in this process, else a new one.
///
/// # Errors
/// Those of [`load_engine`].
fn shared_engine(
    model: &Path,
    role: Role,
    options: &EngineOptions,
    loading: Loading<'_>,
) -> Result<SharedEngine, InferError> {
    let key = (Key::new(model, options), role);
    let engine = ENGINES.get_or_load(key, loading.cancel, || {
        let engine = load_engine(model, options, loading.of(role))?;
        Ok(InTurn::new(engine))
    })?;
    Ok(SharedEngine::new(engine))
}
