//! Networks that servers run: the Open Inference Protocol v2 over gRPC, as Triton and KServe speak it.
//!
//! A run is one request. It goes to the healthy endpoint with the fewest requests; one that fails is out,
//! the request goes to another one, and a look at the first every now and then finds it ready again.
//!
//! | file | holds |
//! | --- | --- |
//! | `engine` | a run as a request and its answer |
//! | `remote` | the endpoints of one network, shared by its engines |
//! | `balance` | which of them is next |
//! | `description` | what a server says of a network |
//! | `client` | calls to one endpoint |
//! | `proto` | the messages |
//! | `runtime` | the thread of all connections |

mod balance;
mod client;
mod description;
mod engine;
mod proto;
mod remote;
mod runtime;

use std::sync::Arc;

pub use self::description::Described;
pub(super) use self::engine::KserveEngine;
use self::remote::Remote;
use super::cancel::CancelToken;
use super::error::InferError;
use crate::models::remote::RemoteModel;

/// Asks the servers what their network is: its tensors, its sidecar and its hash, where they tell.
///
/// # Errors
/// [`InferError::Remote`] when none of them answers, or their networks differ.
pub fn describe(model: &Arc<RemoteModel>, cancel: &CancelToken) -> Result<Described, InferError> {
    Ok(Remote::of(model, cancel)?.described.clone())
}

/// An engine that has the servers run `model`.
///
/// # Errors
/// As [`describe`].
pub(super) fn load(
    model: &Arc<RemoteModel>,
    cancel: &CancelToken,
) -> Result<KserveEngine, InferError> {
    KserveEngine::new(Remote::of(model, cancel)?)
}
