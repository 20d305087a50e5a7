//! Engines: networks that run, whoever runs them.
//!
//! [`Engine`] is one loaded network; [`Detector`], [`Aligner`] and [`Classifier`] give it a role,
//! with the shapes checked when it loads, so that a wrong file is an error with a name and not a
//! strange picture later; [`Pool`] runs a classifier for several streams on a thread of its own.
//! Behind [`Engine`] stand ONNX Runtime ([`onnxruntime`]) and OpenVINO ([`openvino`]), found and
//! opened at run time; tests implement the trait themselves.

mod cancel;
mod engine;
pub mod engine_cache;
mod error;
mod factory;
mod gpu;
mod guard;
mod in_turn;
mod info;
#[cfg(feature = "kserve")]
pub mod kserve;
mod limits;
mod load;
mod loading;
mod locate;
mod log;
mod metered;
pub mod onnxruntime;
pub mod openvino;
mod options;
mod outputs;
mod padded;
mod pieces;
mod pool;
pub mod probe;
mod profile;
mod register;
mod request;
mod roles;
mod tensor;
mod trial;

pub use cancel::{CancelToken, Hook, HookGuard};
pub use engine::{Engine, Staged, Stager};
pub use error::InferError;
pub use factory::{
    Connection, LentEngine, lend_classifier, lend_engine, load_aligner, load_classifier,
    load_detector, sha256_of, shared_classifier, sidecar_of,
};
pub use gpu::architectures as gpu_architectures;
pub use info::{ElementType, EngineInfo, TensorInfo};
pub use load::{check_library, load_engine, runtimes};
pub use loading::{LoadStep, Loading};
pub use log::{Severity, set_log_sink};
pub use metered::busy_time;
pub use options::{Device, DeviceKind, EngineOptions, Precision, Provider, Shapes, UnknownName};
pub use outputs::Outputs;
pub use pieces::Pieces;
#[cfg(feature = "plugin")]
pub(crate) use pool::CountedThread;
pub use pool::{
    ABANDON_AFTER, Canceller, ClipJob, Pool, PoolOptions, Refused, Scored, Submitter, Ticket,
    settle,
};
pub use profile::Profile;
pub use roles::{
    Aligner, Answer, AudioSpec, Classifier, ClassifierSpec, Clip, ClipScore, ClipStager, Detector,
    StagedClips,
};
pub use tensor::{Tensor, TensorIn, TensorView};
pub use trial::{Trial, try_out};
