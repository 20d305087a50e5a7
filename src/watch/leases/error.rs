//! What can be wrong with leases.

use thiserror::Error;

use crate::events::CameraId;
use crate::events::sinks::SinkError;

/// Why leases cannot be had. Addresses are shown without credentials.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] SinkError),
    /// A bucket has no such name.
    #[error("{0:?} is no name of a bucket: A-Z, a-z, 0-9, _ and - are expected")]
    Bucket(String),
    /// The server does not answer, or refuses.
    #[error("{server}: {what}: {why}")]
    Server {
        /// Its address.
        server: String,
        /// What was asked.
        what: &'static str,
        /// What it says.
        why: String,
    },
    /// The bucket is somebody else's.
    #[error(
        "{server}: the bucket {bucket} keeps its keys for {found} s, and {expected} s are expected: \
         choose another bucket, or remove this one"
    )]
    OtherBucket {
        /// The server's address.
        server: String,
        /// The bucket.
        bucket: String,
        /// Seconds.
        found: u64,
        /// Seconds.
        expected: u64,
    },
    /// Another worker has this name.
    #[error("another worker named {0} is there: give each its own name")]
    SameName(String),
    /// The lease is somebody else's by now.
    #[error("the lease of {camera} is held by {holder}")]
    Lost {
        /// The camera.
        camera: CameraId,
        /// Who holds it; `nobody` is possible.
        holder: String,
    },
    /// The value is too large.
    #[error("{0} bytes are too many to keep with a camera: at most 65536 are expected")]
    TooLarge(usize),
}
