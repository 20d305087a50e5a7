//! Networks that servers run: the Open Inference Protocol v2 over gRPC, as Triton and KServe speak it.
//!
//! A run is one request. It goes to the healthy endpoint with the fewest requests; one that fails is out,
//! the request goes to another one, and a look at the first every now and then finds it ready again.
//!
//! | file | holds |
//! | --- | --- |
//! | `engine` | a run, and what its answer holds |
//! | `request` | a run as a request |
//! | `remote` | the endpoints of one network, shared by its engines |
//! | `balance` | which of them is next |
//! | `description` | what a server says of a network |
//! | `shared_memory` | inputs in shared memory, for a server on the same machine |
//! | `region` | one region of it |
//! | `client` | calls to one endpoint |
//! | `proto` | the messages |
//! | `runtime` | the thread of all connections |

mod balance;
mod client;
mod description;
mod engine;
mod proto;
mod region;
mod remote;
mod request;
mod runtime;
mod shared_memory;

use std::fmt;
use std::sync::Arc;

pub use self::description::Described;
pub(super) use self::engine::KserveEngine;
use self::remote::Remote;
use super::cancel::CancelToken;
use super::error::InferError;
use crate::models::remote::RemoteModel;

/// The connections to the servers of one network, for as long as this lives: a load meanwhile uses them,
/// and asks the servers nothing again.
#[derive(Clone)]
pub struct Connection(Arc<Remote>);

impl Connection {
    /// That of this process, else a new one, once a server has said what the network is.
    ///
    /// # Errors
    /// [`InferError::Remote`] when none of the servers answers, or their networks differ;
    /// [`InferError::Cancelled`], [`InferError::Thread`].
    pub fn open(model: &Arc<RemoteModel>, cancel: &CancelToken) -> Result<Self, InferError> {
        Remote::of(model, cancel).map(Self)
    }

    /// The network's tensors, its sidecar and its hash, where the servers tell.
    pub fn described(&self) -> &Described {
        &self.0.described
    }

    /// Requests that were slow, and that a second server was asked, too: the address's `hedge`.
    pub fn hedged(&self) -> u64 {
        self.0.hedged()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.0.model).finish()
    }
}

/// An engine that has the servers run `model`.
///
/// # Errors
/// As [`Connection::open`].
pub(super) fn load(
    model: &Arc<RemoteModel>,
    cancel: &CancelToken,
) -> Result<KserveEngine, InferError> {
    KserveEngine::new(Remote::of(model, cancel)?)
}
