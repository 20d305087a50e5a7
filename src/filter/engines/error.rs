//! Why there are no engines.

use thiserror::Error;

use crate::core::evidence::{NoSuchPoint, NotAProbability};
use crate::core::modelinfo::Role;
use crate::core::sampling::NoClipFps;
use crate::infer::{self, InferError};
use crate::models::resolve::ResolveError;

/// Why a run cannot start, or cannot go on. Each text says what to do.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum SessionError {
    #[error(transparent)]
    Models(#[from] ResolveError),
    #[error("device: {0}")]
    Device(#[from] infer::UnknownName),
    #[error("clip-fps: {0}")]
    ClipFps(#[from] NoClipFps),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error("threshold: {0}")]
    Threshold(#[from] NotAProbability),
    #[error("operating-point: {0}")]
    Point(#[from] NoSuchPoint),
    #[error("{name} is named twice as a classifier; name each once")]
    Twice { name: String },
    #[error("loading the models panicked, please report this")]
    LoadPanicked,
    #[error("the detection thread could not be started: {0}")]
    Thread(std::io::Error),
    #[error("the classifier is not there any more, and no other one is")]
    ClassifierGone,
    #[error("{address} is on a server; name a file as {role}")]
    NoFile { role: Role, address: String },
    #[error("landmark-source=aligner needs an aligner; name one with the property aligner")]
    NoAligner,
}
