use std::path::Path;

use thiserror::Error;

use super::file_name;
use crate::models::pickle::{DType, PickleError};

/// Why a checkpoint cannot be read.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum CheckpointError {
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    #[error(
        "neither a zip nor a legacy PyTorch checkpoint, nor safetensors (it begins with \
         {start:02x?}); is this the file itself, not a web page about it?"
    )]
    NotACheckpoint { start: Vec<u8> },
    #[error("the zip container is damaged: {0}; fetch or copy the file again")]
    Zip(#[from] zip::result::ZipError),
    #[error("the zip container has no {0}: not a PyTorch checkpoint, or a damaged one")]
    NoRecord(String),
    #[error("{0} is compressed or encrypted; PyTorch stores its tensors plainly")]
    NotStored(String),
    #[error("written on a big-endian machine; save it again on a little-endian one")]
    BigEndian,
    #[error(transparent)]
    Pickle(#[from] PickleError),
    #[error("legacy container, byte {at}: found {found}, expected {expected}")]
    Legacy { at: u64, found: String, expected: &'static str },
    #[error("no tensors in it; its entries are: {entries}")]
    NoTensors { entries: String },
    #[error(
        "it is an object of {class}, not a dictionary of tensors, and nothing of a checkpoint is \
         run; save the network's state_dict() instead"
    )]
    Object { class: String },
    #[error(
        "the network is there as the moving average of its weights only, {0}; take that with \
         --weights ema"
    )]
    OnlyEma(String),
    #[error("there is no moving average of its weights, only {0}; leave --weights ema out")]
    NoEma(String),
    #[error("the tensor {0} appears twice")]
    Duplicate(String),
    #[error("tensor {tensor}: its storage {storage} is not in the file; the file is truncated")]
    NoStorage { tensor: String, storage: String },
    #[error(
        "tensor {tensor}, {shape:?} from element {offset}, does not fit its storage {storage} of \
         {numel} elements"
    )]
    OutOfRange { tensor: String, shape: Vec<u64>, offset: u64, storage: String, numel: u64 },
    #[error(
        "storage {storage} needs {needed} bytes, the file has {found} for it; the file is \
         truncated"
    )]
    ShortStorage { storage: String, needed: u64, found: u64 },
    #[error("storages {first} and {second} overlap in the file: it was tampered with")]
    Overlap { first: String, second: String },
    #[error("storage {storage} is described twice, differently")]
    Contradiction { storage: String },
    #[error("tensor {tensor} has the element type {dtype:?}, which no network here uses")]
    DType { tensor: String, dtype: DType },
    #[error("no tensor is called {0}")]
    NoSuchTensor(String),
    #[error("cannot read tensor {tensor}: {source}")]
    Read { tensor: String, source: std::io::Error },
    #[error("no safetensors file")]
    NotSafetensors,
    #[error("safetensors header: {0}")]
    Header(String),
    #[error("{shard}: {problem}")]
    Shard { shard: String, problem: Box<CheckpointError> },
    #[error("the index of its files: {0}")]
    Index(String),
    #[error("config.json: {0}")]
    Config(String),
    #[error(
        "a folder without model.safetensors, model.safetensors.index.json or pytorch_model.bin; it \
         has {found}"
    )]
    Folder { found: String },
}

impl CheckpointError {
    /// As of one file of several.
    pub(super) fn in_shard(self, path: &Path) -> Self {
        Self::Shard { shard: file_name(path), problem: Box::new(self) }
    }
}
