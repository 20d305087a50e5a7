//! What can go wrong with an engine, from the missing library to a number that is none.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::options::{Device, Precision, Provider};
use crate::core::modelinfo::{ModelInfoError, Role};
use crate::models::advice;
use crate::models::engine_file::EngineFileError;
use crate::models::remote::BadAddress;

/// Every failure of this layer. Each says what was found, what was expected and what to do.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum InferError {
    #[error(
        "{library} was not found; looked in {}. {} to the folder or file",
        list(looked),
        set_up_or_set(looked)
    )]
    LibraryMissing { library: &'static str, looked: Vec<String> },
    #[error(
        "{} cannot be used as {library}: {reason}. {}, or point M2SD_RUNTIME at another one",
        path.display(), advice::set_up()
    )]
    LibraryUnusable { library: &'static str, path: PathBuf, reason: String },
    #[error(
        "{} is {library} {found}, but {needed} or newer is needed. {}, or point M2SD_RUNTIME at \
         a newer one",
        path.display(), advice::set_up()
    )]
    LibraryTooOld { library: &'static str, path: PathBuf, found: String, needed: String },

    #[error("{model}: {reason}")]
    Remote { model: String, reason: String },
    #[error(transparent)]
    Address(#[from] BadAddress),
    #[error(
        "provider=kserve runs networks on servers, and {} is a file. Name kserve://HOST:8001/MODEL, or \
         use provider=auto",
        path.display()
    )]
    NotRemote { path: PathBuf },
    #[error(
        "{model} is on a server, and this build cannot ask any: build it with the feature kserve, or \
         name a file"
    )]
    NoRemotes { model: String },
    #[error("provider {provider} is not available: {reason}. {remedy}, or use provider=auto")]
    ProviderMissing { provider: Provider, reason: String, remedy: String },
    #[error("provider {provider} has no device {device}; it has {}", list(found))]
    DeviceMissing { provider: Provider, device: Device, found: Vec<String> },
    #[error(
        "no provider here works with precision={precision} and device={device}: {}. \
         Use precision=auto and device=auto, or name a provider to be told what it lacks",
        reasons.join("; ")
    )]
    NoneWorks { precision: Precision, device: Device, reasons: Vec<String> },
    #[error("provider {provider} cannot compute in {precision}; {remedy}")]
    PrecisionUnsupported { provider: Provider, precision: Precision, remedy: &'static str },
    #[error(
        "provider {asked} was asked for, but ONNX Runtime gave the network to {}. \
         Use provider=auto, or a model whose operators {asked} supports",
        list(used)
    )]
    ProviderNotUsed { asked: Provider, used: Vec<String> },

    #[error("the engine cache {}: {source}. Make it writable, or free space", path.display())]
    Cache { path: PathBuf, source: std::io::Error },
    #[error("{} holds an engine of TensorRT; use provider=tensorrt, not {asked}", path.display())]
    Compiled { path: PathBuf, asked: Provider },
    #[error(transparent)]
    EngineFile(#[from] EngineFileError),

    #[error(
        "there is no model at {}. See {}, or give another path",
        path.display(), advice::command("models list")
    )]
    ModelMissing { path: PathBuf },
    #[error(
        "{} cannot be loaded: {reason}. Import it again, or fetch it with {}",
        path.display(), advice::command("models fetch")
    )]
    ModelUnreadable { path: PathBuf, reason: String },
    #[error(
        "{} is not quantised, and precision=int8 runs only files that are. Quantise it with {}, or \
         use precision=auto",
        path.display(), quantise(path)
    )]
    NotQuantised { path: PathBuf },
    #[error(
        "{} is quantised to 8-bit integers and cannot compute in {asked}. Use precision=auto or \
         int8, or the file that it was made from",
        path.display()
    )]
    Quantised { path: PathBuf, asked: Precision },
    #[error("the sidecar of {model}: {source}")]
    Sidecar { model: String, source: Box<ModelInfoError> },
    #[error("{model} has the role {found} in its sidecar, and was given as the {expected}")]
    WrongRole { model: String, expected: Role, found: Role },
    #[error("{model} does not fit as {role}: expected {expected}; found {found}")]
    WrongSignature { model: String, role: Role, expected: String, found: String },

    #[error(
        "{model} as {role} takes {found}, which is more than anything here is made for \
         ({limit}). Use a network with a smaller input"
    )]
    TooLarge { model: String, role: Role, found: String, limit: String },

    #[error("{what}: expected shape {expected}, found {found}")]
    WrongShape { what: &'static str, expected: String, found: String },
    #[error("{what}: {reason}")]
    WrongValues { what: &'static str, reason: String },
    #[error("the run on {provider} failed: {reason}")]
    RunFailed { provider: Provider, reason: String },
    #[error("the run was cancelled")]
    Cancelled,
    #[error("the {what} panicked, please report this: {reason}")]
    Panicked { what: &'static str, reason: String },
    #[error("the classifier's thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// What a panic had to say.
pub(super) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

/// What helps where a library is not found; a folder is to follow.
fn set_up_or_set(looked: &[String]) -> String {
    // Where a variable is set, nothing else is looked at.
    let variable = looked.first().and_then(|first| first.strip_prefix('$')?.split_once(' '));
    match variable {
        Some((variable, _)) => format!("Unset {variable}, or set it"),
        None => format!("{}, or set M2SD_RUNTIME", advice::set_up()),
    }
}

fn quantise(model: &Path) -> String {
    let model = advice::quoted(&model.display().to_string());
    advice::command(&format!("models quantise {model} --clips DIR"))
}
