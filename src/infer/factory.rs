//! How engines come to be: loaded from files with their sidecars, given their roles, and shared by
//! the elements of a process.
//!
//! A classifier is shared as its [`Pool`], which batches the clips of all streams. Detectors and
//! aligners are shared as engines that streams run in turn ([`SharedEngine`]): a further stream
//! costs frames and crops, not networks. Both end with their last user, on its thread.

use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::engine::Engine;
use super::error::InferError;
use super::in_turn::{InTurn, SharedEngine};
#[cfg(feature = "kserve")]
pub use super::kserve::Connection;
use super::load::load_engine;
use super::loading::Loading;
use super::options::{EngineOptions, Shapes};
use super::pool::{Pool, PoolOptions};
use super::register::Register;
use super::roles::{Aligner, Classifier, Detector};
use crate::core::modelinfo::{ModelInfo, Role};
use crate::models::ModelSource;

/// There are no servers without the feature `kserve`.
#[cfg(not(feature = "kserve"))]
#[derive(Clone, Debug)]
pub enum Connection {}

/// Loads a detector and the sidecar beside it; the engine is shared with those in this process who
/// load the same.
///
/// # Errors
/// Those of [`load_engine`], [`InferError::Sidecar`] and [`InferError::WrongRole`] for the
/// sidecar, [`InferError::WrongSignature`] and [`InferError::TooLarge`] for the network.
pub fn load_detector<'a>(
    source: impl Into<ModelSource>,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Detector, InferError> {
    let (source, loading) = (source.into(), loading.into());
    let (sidecar, _connection) = sidecar(&source, Role::Detector, loading)?;
    let engine = shared_engine(&source, Role::Detector, options, loading)?;
    Detector::from_engine(Box::new(engine), &sidecar)
}

/// Loads an aligner and the sidecar beside it; the engine is shared with those in this process who
/// load the same.
///
/// # Errors
/// As [`load_detector`].
pub fn load_aligner<'a>(
    source: impl Into<ModelSource>,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Aligner, InferError> {
    let (source, loading) = (source.into(), loading.into());
    let (sidecar, _connection) = sidecar(&source, Role::Aligner, loading)?;
    let engine = shared_engine(&source, Role::Aligner, options, loading)?;
    Aligner::from_engine(Box::new(engine), &sidecar)
}

/// Loads a classifier and the sidecar beside it.
///
/// # Errors
/// As [`load_detector`].
pub fn load_classifier<'a>(
    source: impl Into<ModelSource>,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Classifier, InferError> {
    let (source, loading) = (source.into(), loading.into());
    let (sidecar, _connection) = sidecar(&source, Role::Classifier, loading)?;
    let engine = load_engine(&source, options, loading.of(Role::Classifier))?;
    Classifier::from_engine(engine, &sidecar)
}

fn sidecar(
    source: &ModelSource,
    expected: Role,
    loading: Loading<'_>,
) -> Result<(ModelInfo, Option<Connection>), InferError> {
    let (sidecar, connection) = sidecar_of(source, loading.cancel)?;
    match sidecar.role {
        Some(found) if found != expected => {
            Err(InferError::WrongRole { model: source.to_string(), expected, found })
        }
        _ => Ok((sidecar, connection)),
    }
}

/// What the sidecar of a model says: the file beside it, or what its server tells. Whoever goes on to load
/// the model keeps the connection to the server until then.
///
/// # Errors
/// [`InferError::Sidecar`], [`InferError::Remote`], [`InferError::Cancelled`].
pub fn sidecar_of(
    source: &ModelSource,
    cancel: &CancelToken,
) -> Result<(ModelInfo, Option<Connection>), InferError> {
    match source {
        ModelSource::File(path) => match ModelInfo::beside(path) {
            Ok(sidecar) => Ok((sidecar, None)),
            Err(error) => {
                Err(InferError::Sidecar { model: source.to_string(), source: Box::new(error) })
            }
        },
        #[cfg(feature = "kserve")]
        ModelSource::Remote(model) => {
            let connection = Connection::open(model, cancel)?;
            Ok((connection.described().sidecar.clone(), Some(connection)))
        }
        #[cfg(not(feature = "kserve"))]
        ModelSource::Remote(model) => {
            let _ = cancel;
            Err(InferError::NoRemotes { model: model.to_string() })
        }
    }
}

/// The sha256 of a model's file; of one on a server by the server's word. `None` where nobody tells.
pub fn sha256_of(source: &ModelSource, cancel: &CancelToken) -> Option<String> {
    match source {
        ModelSource::File(path) => crate::models::known_sha256(path).ok(),
        #[cfg(feature = "kserve")]
        ModelSource::Remote(model) => {
            Connection::open(model, cancel).ok()?.described().sha256.clone()
        }
        #[cfg(not(feature = "kserve"))]
        ModelSource::Remote(_) => {
            let _ = cancel;
            None
        }
    }
}

/// What makes two requests the same engine. A file that was replaced is another model.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    model: ModelSource,
    modified: Option<SystemTime>,
    engine: EngineOptions,
}

impl Key {
    fn new(model: &ModelSource, engine: &EngineOptions) -> Self {
        let modified =
            model.path().and_then(|path| path.metadata().and_then(|m| m.modified()).ok());
        let model = match model {
            ModelSource::File(path) => {
                ModelSource::File(path.canonicalize().unwrap_or_else(|_| path.clone()))
            }
            remote @ ModelSource::Remote(_) => remote.clone(),
        };
        Self { model, modified, engine: engine.clone() }
    }

    fn of_classifier(model: &ModelSource, engine: &EngineOptions) -> Self {
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
    model: impl Into<ModelSource>,
    engine: &EngineOptions,
    pool: PoolOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Arc<Pool>, InferError> {
    let (model, loading) = (model.into(), loading.into());
    POOLS.get_or_load((Key::of_classifier(&model, engine), pool), loading.cancel, || {
        Pool::new(load_classifier(&model, engine, loading)?, pool)
    })
}

/// Has `pool` serve everyone who asks for the classifier at `model` with these options, while it
/// lives: for programs that bring an engine of their own. `None` when one is running already,
/// which stays.
pub fn lend_classifier(
    model: impl Into<ModelSource>,
    engine: &EngineOptions,
    options: PoolOptions,
    pool: &Arc<Pool>,
) -> Option<()> {
    POOLS.lend((Key::of_classifier(&model.into(), engine), options), pool)
}

/// An engine that serves others while this lives, see [`lend_engine`].
pub struct LentEngine {
    _engine: Arc<InTurn>,
}

/// Has `engine` serve everyone who asks for the model at `model` in this role with these options,
/// while the returned handle lives: for programs that bring an engine of their own. `None` when one
/// is running already, which stays.
pub fn lend_engine(
    model: impl Into<ModelSource>,
    role: Role,
    options: &EngineOptions,
    engine: Box<dyn Engine>,
) -> Option<LentEngine> {
    let engine = InTurn::new(engine);
    ENGINES.lend((Key::new(&model.into(), options), role), &engine)?;
    Some(LentEngine { _engine: engine })
}

/// The engine of `model` in this role that is in use in this process, else a new one.
///
/// # Errors
/// Those of [`load_engine`].
fn shared_engine(
    model: &ModelSource,
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
