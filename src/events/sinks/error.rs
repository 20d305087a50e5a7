//! What can be wrong with a sink's address, and with its receiver.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a sink cannot be set up. Addresses are shown without credentials.
#[derive(Debug, Error)]
pub enum SinkError {
    /// It is no address.
    #[error("{address:?} is no address of a sink: {reason}; {expected}", expected = super::SCHEMES)]
    Address {
        /// The text.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A part of the address is missing.
    #[error("{address}: {reason}; expected {expected}")]
    Incomplete {
        /// The address.
        address: String,
        /// What is missing or too much.
        reason: String,
        /// An address of this kind.
        expected: &'static str,
    },
    /// A parameter has no such name.
    #[error("{address}: unknown parameter {name:?}; known here: {known}")]
    UnknownParameter {
        /// The address.
        address: String,
        /// The parameter's name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A parameter has no such value.
    #[error("{address}: {name}={found} cannot be; expected {expected}")]
    Value {
        /// The address.
        address: String,
        /// The parameter's name.
        name: String,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A secret cannot be had.
    #[error("{address}: {reason}")]
    Secret {
        /// The address.
        address: String,
        /// Where it was looked for.
        reason: String,
    },
    /// Certificates cannot be had.
    #[error("{address}: cannot read certificates from {}: {reason}", path.display())]
    Certificates {
        /// The address.
        address: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two sinks cannot be told apart.
    #[error("two sinks have the name {0}: give one of them another by the parameter name=…")]
    SameName(String),
    /// The threads of the sinks cannot be started.
    #[error("the threads of the sinks cannot be started: {0}")]
    Threads(std::io::Error),
}

/// Why events were not delivered now.
#[derive(Debug)]
pub(super) struct Failure {
    /// Without credentials.
    pub(super) text: String,
    /// When the receiver wants to be asked again.
    pub(super) after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), after: None }
    }
}
