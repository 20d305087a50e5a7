use thiserror::Error;

use crate::models::pickle::{DType, PickleError};

/// Why a checkpoint cannot be read.
#[derive(Debug, Error)]
pub enum TorchError {
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    #[error(
        "neither a zip nor a legacy PyTorch checkpoint (it begins with {start:02x?}); is this the \
         file itself, not a web page about it?"
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
}
