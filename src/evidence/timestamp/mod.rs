//! Time stamps as RFC 3161 has them: somebody else's signed word that certain bytes were there at a time.

#[cfg(feature = "fetch")]
mod authority;
mod request;
mod roots;
mod token;

use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

#[cfg(feature = "fetch")]
pub use self::authority::Authority;
pub use self::request::Request;
pub use self::roots::Roots;
pub use self::token::verify;

/// What a time stamp says, its signature having been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TimestampFacts {
    /// When the stamped bytes were there, in UTC.
    pub time: Timestamp,
    /// How far off that may be, in milliseconds, if the authority says so.
    pub accuracy_ms: Option<u64>,
    /// The subject of the certificate that signed, and that certificate's SHA-256.
    pub authority: String,
    /// In lower-case hexadecimal.
    pub certificate_sha256: String,
    /// The time stamp's serial number, in hexadecimal; its authority gives each once.
    pub serial: String,
    /// Whether its authority is believed.
    pub vouched: Vouched,
}

/// Whether the authority is one that whoever verifies believes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Vouched {
    /// A certificate that was named leads to it, through its chain.
    Yes,
    /// Certificates were named, and none leads to it.
    No {
        /// What is missing in the chain, or why it does not hold.
        why: String,
    },
    /// None was named.
    NotChecked,
}

/// Who says when something was there.
pub trait TimestampSource {
    /// Its address, without secrets.
    fn name(&self) -> String;

    /// A time stamp token (DER) of these bytes, which was checked to be one.
    ///
    /// # Errors
    /// [`TimestampError`]
    fn stamp(&self, bytes: &[u8]) -> Result<Vec<u8>, TimestampError>;
}

/// What is wrong with a time stamp, or with the way to one.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum TimestampError {
    /// No reply, or none that could be read.
    #[error("{address} gave no time stamp: {why}")]
    Reply { address: String, why: String },
    /// The authority said no.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// It is damaged, of something else, or signed by nobody who may.
    #[error("the time stamp is not valid: {0}")]
    Invalid(String),
    /// Certificates to be believed that are none.
    #[error("{0}")]
    Roots(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a nonce")]
    Random,
}
