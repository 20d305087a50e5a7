//! Engines: networks that run, whoever runs them.
//!
//! [`Engine`] is one loaded network; [`Detector`], [`Aligner`] and [`Classifier`] give it a role,
//! with the shapes checked when it loads, so that a wrong file is an error with a name and not a
//! strange picture later; [`Pool`] runs a classifier for several streams on a thread of its own.
//! Behind [`Engine`] stands ONNX Runtime ([`onnx`]), found and opened at run time; tests and later
//! back ends implement the trait themselves.

mod cancel;
mod engine;
pub mod engine_cache;
mod error;
mod gpu;
mod in_turn;
mod loading;
mod log;
pub mod onnx;
mod options;
mod outputs;
mod pool;
mod profile;
mod register;
mod registry;
mod roles;
mod tensor;

use std::fmt;
use std::num::NonZeroUsize;

pub use cancel::{CancelToken, HookGuard};
pub use engine::{Engine, Staged, Stager};
pub use error::InferError;
pub use gpu::architectures as gpu_architectures;
pub use loading::{LoadStep, Loading};
pub use log::{Severity, set_log_sink};
pub use onnx::runtime_version;
pub use options::{Device, DeviceKind, EngineOptions, Precision, Provider, Shapes, UnknownName};
pub use outputs::Outputs;
pub use pool::{
    ABANDON_AFTER, Canceller, ClipJob, Pool, PoolOptions, Refused, Scored, Submitter, settle,
};
pub use profile::Profile;
pub use registry::{lend_classifier, shared_classifier};
pub use roles::{
    Aligner, AudioSpec, Classifier, ClassifierSpec, Clip, ClipScore, ClipStager, Detector,
    StagedClips, load_aligner, load_classifier, load_detector,
};
pub use tensor::{Tensor, TensorIn, TensorView};

/// What an input or output is declared as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    pub name: String,
    /// `None`: any size.
    pub dims: Vec<Option<usize>>,
    pub element: ElementType,
}

/// What the numbers of a tensor are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElementType {
    F32,
    /// Bytes, which for a picture are its levels.
    U8,
    /// Anything else, by its name in the back end.
    Other(String),
}

/// A loaded network, as far as it is known before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// What the engine was loaded from, for messages.
    pub model: String,
    pub inputs: Vec<TensorInfo>,
    pub outputs: Vec<TensorInfo>,
    /// The most samples that a run may have, where the engine was built for so many.
    pub largest_batch: Option<NonZeroUsize>,
    /// Who runs it; never [`Provider::Auto`].
    pub provider: Provider,
    /// [`Precision::Int8`] for a quantised file; else what was asked for, where
    /// [`Precision::Auto`] leaves the choice to the provider.
    pub precision: Precision,
    /// The back end's own names of whom the network's nodes were given to, the most nodes first.
    pub assigned: Vec<String>,
    /// The back end and its version, such as `ONNX Runtime 1.32.0`.
    pub runtime: String,
    /// Why providers that were preferred were passed over.
    pub passed_over: Vec<String>,
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("f32"),
            Self::U8 => f.write_str("u8"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for TensorInfo {
    /// `clip f32[?,3,16,224,224]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims = self.dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string()));
        write!(f, "{} {}[{}]", self.name, self.element, dims.collect::<Vec<_>>().join(","))
    }
}
