//! Inputs in shared memory, for a server on the same machine: Triton's extension `system_shared_memory`.
//!
//! No request waits for a region: they are registered beside, and meanwhile inputs go as bytes. A server that
//! cannot open them, as it runs in a container or as another user, is not asked again.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tonic::{Code, Status};

use super::client::{Client, said};
use super::proto::RegionRegisterRequest;
use super::region::{self, Region};
use crate::infer::log::{Severity, log};
use crate::infer::tensor::TensorIn;

/// By which servers say that they take it.
const EXTENSION: &str = "system_shared_memory";
/// Regions of one endpoint: requests that may be with it together.
const MOST_REGIONS: usize = 4;
/// Where inputs begin.
const ALIGNED: u64 = 64;
/// How often a region may find no answer of a server that answers requests.
const MOST_UNANSWERED: u32 = 3;
/// Requests that a region of a server that answers for itself is good for, at least.
const FEW: u64 = 16;

/// What one endpoint is given that way.
pub(super) struct SharedMemory {
    client: Client,
    /// A leaf lock, held for a look or a change.
    state: Mutex<State>,
}

struct State {
    way: Way,
    free: Vec<Registered>,
    /// Those that are lent or being registered, too.
    made: usize,
    /// How often the server forgot its regions.
    generation: u64,
    /// Requests since then.
    answered: u64,
    /// Regions that it did not answer for.
    unanswered: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Untried,
    Works,
    Off,
}

/// A region that the server has mapped.
struct Registered {
    region: Region,
    generation: u64,
    /// A request that nobody waits for any more may read it until then. Another may be written over it all
    /// the same, but Triton is not asked to let go of it.
    read_until: Option<Instant>,
}

/// Where an input lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) region: String,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl SharedMemory {
    /// `wanted`: that the endpoint may have it at all.
    pub(super) fn new(client: &Client, wanted: bool) -> Arc<Self> {
        let way = if wanted { Way::Untried } else { Way::Off };
        let state =
            State { way, free: Vec::new(), made: 0, generation: 0, answered: 0, unanswered: 0 };
        Arc::new(Self { client: client.clone(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A region with these inputs, if one is free. `may_take`: how long the server may go on reading it.
    pub(super) fn place(
        self: &Arc<Self>,
        inputs: &[TensorIn<'_>],
        may_take: Duration,
    ) -> Option<Lease> {
        let lengths = inputs.iter().map(|input| input.byte_length() as u64).collect::<Vec<_>>();
        let offsets = offsets(&lengths);
        let lease = self.lease(*offsets.last()?, may_take)?;
        match lease.fill(inputs, &offsets) {
            Ok(()) => Some(lease.with(&lengths, &offsets)),
            Err(error) => {
                self.give_up(&format!("no shared memory can be had: {error}"));
                None
            }
        }
    }

    fn lease(self: &Arc<Self>, bytes: u64, may_take: Duration) -> Option<Lease> {
        let mut state = self.state();
        if state.way == Way::Off {
            return None;
        }
        if let Some(at) = state.free.iter().position(|free| free.region.bytes >= bytes) {
            let registered = state.free.swap_remove(at);
            return Some(Lease {
                of: Arc::clone(self),
                registered: Some(registered),
                placed: Vec::new(),
                may_take,
                is_read: true,
            });
        }
        // Those that are too small make room for one that is not.
        let outgrown = state.free.pop();
        state.made -= usize::from(outgrown.is_some());
        if state.made < MOST_REGIONS {
            state.made += 1;
            let (shared, generation) = (Arc::clone(self), state.generation);
            tokio::spawn(async move { shared.add(bytes, generation).await });
        }
        drop(state);
        self.let_go(outgrown.into_iter().collect());
        None
    }

    /// One more region.
    async fn add(self: Arc<Self>, bytes: u64, generation: u64) {
        let is_first = self.state().way == Way::Untried;
        let made = self.register(bytes, is_first).await;
        let mut state = self.state();
        match made {
            Ok(region) if state.way != Way::Off => {
                state.way = Way::Works;
                state.free.push(Registered { region, generation, read_until: None });
            }
            Ok(region) => {
                state.made -= 1;
                drop(state);
                self.let_go(vec![Registered { region, generation, read_until: None }]);
            }
            Err(refused) => {
                state.made -= 1;
                state.unanswered += u32::from(matches!(refused, Refused::Unanswered(_)));
                let may_try_again = state.unanswered < MOST_UNANSWERED;
                drop(state);
                match refused {
                    Refused::NotOffered => self.state().way = Way::Off,
                    Refused::Unanswered(_) if may_try_again => {}
                    Refused::Unanswered(reason) | Refused::Failed(reason) => self.give_up(&reason),
                }
            }
        }
    }

    async fn register(&self, bytes: u64, is_first: bool) -> Result<Region, Refused> {
        if is_first {
            let server = self.client.server().await.map_err(Refused::by_server)?;
            if !server.extensions.iter().any(|name| name == EXTENSION) {
                return Err(Refused::NotOffered);
            }
        }
        let made = Region::new(bytes);
        let region =
            made.map_err(|error| Refused::Failed(format!("no shared memory can be had: {error}")))?;
        let request = RegionRegisterRequest {
            name: region.name().to_owned(),
            key: region.key(),
            offset: 0,
            byte_size: bytes,
        };
        self.client.register(request).await.map_err(Refused::by_server)?;
        if is_first {
            region::remove_abandoned(&region);
            self.unregister_abandoned().await;
        }
        Ok(region)
    }

    /// Has the server let go of regions whose processes are gone. It opened one of ours by its name: what
    /// has none here, has none there.
    async fn unregister_abandoned(&self) {
        let Ok(names) = self.client.regions().await else { return };
        let abandoned = |name: &String| name.starts_with(region::PREFIX) && !region::is_there(name);
        for name in names.into_iter().filter(abandoned) {
            let _ = self.client.unregister(name).await;
        }
    }

    /// Inputs go as bytes from now on, for this reason, which is said once.
    fn give_up(&self, reason: &str) {
        let mut state = self.state();
        if state.way == Way::Off {
            return;
        }
        state.way = Way::Off;
        let free = std::mem::take(&mut state.free);
        state.made -= free.len();
        drop(state);
        log(
            Severity::Warning,
            &format!(
                "{} gets clips as bytes, not in shared memory: {reason}; shared-memory=off does not try",
                self.client.endpoint
            ),
        );
        self.let_go(free);
    }

    /// The server does not know a region that it had: it was started again. Or another one answers in its
    /// place, to which nothing is registered.
    fn was_forgotten(&self, lease: Lease, status: &Status) {
        let mut state = self.state();
        let is_news = lease.registered.as_ref().is_some_and(|r| r.generation == state.generation);
        if !is_news {
            return drop((state, lease));
        }
        state.generation += 1;
        let answered = std::mem::take(&mut state.answered);
        let free = std::mem::take(&mut state.free);
        state.made -= free.len();
        drop(state);
        self.let_go(free);
        drop(lease);
        if answered < FEW {
            self.give_up(&said(status));
        }
    }

    fn take_back(&self, registered: Registered) {
        let mut state = self.state();
        if state.way == Way::Works && registered.generation == state.generation {
            return state.free.push(registered);
        }
        state.made -= 1;
        drop(state);
        self.let_go(vec![registered]);
    }

    /// Removes the names at once, and has the server let go of the memory.
    fn let_go(&self, regions: Vec<Registered>) {
        let released = regions.into_iter().map(Registered::release).collect::<Vec<_>>();
        let client = self.client.clone();
        // Without a runtime the process ends, and with it the connection.
        let Ok(handle) = super::runtime::handle() else { return };
        handle.spawn(async move {
            for (name, read_until) in released {
                if let Some(until) = read_until {
                    tokio::time::sleep_until(until.into()).await;
                }
                let _ = client.unregister(name).await;
            }
        });
    }

    /// For the end: removes the names. What is returned has the server let go of those that no request
    /// reads; of the others it is told by who comes next.
    pub(super) fn end(&self) -> impl Future<Output = ()> + Send + use<> {
        let free = {
            let mut state = self.state();
            state.way = Way::Off;
            std::mem::take(&mut state.free)
        };
        let released = free.into_iter().map(Registered::release).collect::<Vec<_>>();
        let client = self.client.clone();
        async move {
            for (name, read_until) in released {
                if read_until.is_none_or(|until| until <= Instant::now()) {
                    let _ = client.unregister(name).await;
                }
            }
        }
    }
}

impl Registered {
    fn release(self) -> (String, Option<Instant>) {
        (self.region.name().to_owned(), self.read_until)
    }
}

/// Why there is no region.
enum Refused {
    /// The server does not have the extension: nothing to be said.
    NotOffered,
    /// It does not answer, which need not be about memory.
    Unanswered(String),
    Failed(String),
}

impl Refused {
    fn by_server(status: Status) -> Self {
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                Self::Unanswered(said(&status))
            }
            Code::Unimplemented => Self::NotOffered,
            _ => Self::Failed(said(&status)),
        }
    }
}

/// A region that a request has.
pub(super) struct Lease {
    of: Arc<SharedMemory>,
    /// Until it is given back.
    registered: Option<Registered>,
    pub(super) placed: Vec<Placed>,
    may_take: Duration,
    /// Whether the server may still read it.
    is_read: bool,
}

impl Lease {
    fn fill(&self, inputs: &[TensorIn<'_>], offsets: &[u64]) -> io::Result<()> {
        let Some(Registered { region, .. }) = &self.registered else { return Ok(()) };
        for (input, offset) in inputs.iter().zip(offsets) {
            region.write(&input.le_bytes(), *offset)?;
        }
        Ok(())
    }

    fn with(mut self, lengths: &[u64], offsets: &[u64]) -> Self {
        let name = self.registered.as_ref().map(|r| r.region.name().to_owned()).unwrap_or_default();
        let placed = lengths.iter().zip(offsets);
        let placed = placed.map(|(bytes, offset)| Placed {
            region: name.clone(),
            offset: *offset,
            bytes: *bytes,
        });
        self.placed = placed.collect();
        self
    }

    /// The request is done with, well or not.
    pub(super) fn answered(mut self) {
        self.is_read = false;
        self.of.state().answered += 1;
    }

    /// The server knows no such region, though it takes the same inputs as bytes.
    pub(super) fn was_forgotten(mut self, status: &Status) {
        self.is_read = false;
        let of = Arc::clone(&self.of);
        of.was_forgotten(self, status);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut registered) = self.registered.take() {
            let until = self.is_read.then(|| Instant::now() + self.may_take);
            registered.read_until = registered.read_until.max(until);
            self.of.take_back(registered);
        }
    }
}

/// Where inputs of these lengths begin, and behind them all their end.
fn offsets(lengths: &[u64]) -> Vec<u64> {
    let mut offsets = vec![0];
    let mut end = 0;
    for length in lengths {
        end = (end + length).next_multiple_of(ALIGNED);
        offsets.push(end);
    }
    offsets
}
