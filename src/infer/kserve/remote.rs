//! The endpoints of one network, shared by its engines.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tonic::{Code, Status};

use super::balance::{Balance, Ended};
use super::client::{Client, LATER, said};
use super::description::{self, Described};
use super::proto::ModelInferResponse;
use super::request::Ask;
use super::runtime;
use super::shared_memory::SharedMemory;
use crate::infer::cancel::CancelToken;
use crate::infer::error::InferError;
use crate::infer::log::{Severity, log};
use crate::infer::register::Register;
use crate::models::remote::RemoteModel;

/// Requests of a network that are on their way to each of its servers.
pub(super) const REQUESTS: usize = 2;

/// KiB of requests that may be under way together.
const WINDOW_KIB: u32 = 64 << 10;

/// How long servers may take to let go of shared memory at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// How often endpoints that are out are thought of.
const LOOK: Duration = Duration::from_millis(100);

/// One network on its servers.
pub(super) struct Remote {
    pub(super) model: Arc<RemoteModel>,
    pub(super) described: Described,
    clients: Vec<Client>,
    /// One for each of them.
    shared_memory: Vec<Arc<SharedMemory>>,
    /// A leaf lock, held for a few comparisons.
    balance: Mutex<Balance>,
    /// In KiB, what may still go out before an answer comes: clips of all streams together.
    window: Semaphore,
    /// Requests that a second endpoint was asked, too.
    hedged: AtomicU64,
}

/// Networks in use, by their addresses.
static REMOTES: Register<Arc<RemoteModel>, Remote> = Register::new();

impl Remote {
    /// The one of this address that is in use in this process, else a new one, once a server answers.
    ///
    /// # Errors
    /// [`InferError::Remote`], [`InferError::Cancelled`], [`InferError::Thread`].
    pub(super) fn of(
        model: &Arc<RemoteModel>,
        cancel: &CancelToken,
    ) -> Result<Arc<Self>, InferError> {
        REMOTES.get_or_load(Arc::clone(model), cancel, || Self::connect(model, cancel))
    }

    fn connect(model: &Arc<RemoteModel>, cancel: &CancelToken) -> Result<Arc<Self>, InferError> {
        let handle = runtime::handle()?;
        let failed = |reason: String| InferError::Remote { model: model.to_string(), reason };
        let clients = {
            // Channels want to know on which runtime they live.
            let _entered = handle.enter();
            let clients = model.endpoints.iter().map(|endpoint| Client::new(endpoint, model));
            clients.collect::<Result<Vec<_>, _>>().map_err(failed)?
        };
        let asked = clients.clone().into_iter().map(|client| {
            let model = Arc::clone(model);
            handle.spawn(async move { description::ask(&client, &model).await })
        });
        let asked: Vec<_> = asked.collect();
        let answers = block_on(cancel, async {
            let mut answers = Vec::with_capacity(asked.len());
            for asked in asked {
                answers.push(asked.await.unwrap_or_else(|error| Err(error.to_string())));
            }
            answers
        })?;
        let (described, reasons) = description::agreed(model, answers).map_err(failed)?;
        let mut balance = Balance::new(clients.len());
        for (place, reason) in reasons {
            let endpoint = &clients[place].endpoint;
            log(Severity::Warning, &format!("{endpoint} does not serve {}: {reason}", model.model));
            balance.put_out(place, Instant::now(), fastrand::f64());
        }
        let shared_memory = clients.iter().map(|client| {
            SharedMemory::new(client, model.shared_memory && client.endpoint.is_loopback())
        });
        let remote = Arc::new(Self {
            model: Arc::clone(model),
            described,
            shared_memory: shared_memory.collect(),
            clients,
            balance: Mutex::new(balance),
            window: Semaphore::new(WINDOW_KIB as usize),
            hedged: AtomicU64::new(0),
        });
        handle.spawn(look_after(Arc::downgrade(&remote)));
        Ok(remote)
    }

    pub(super) fn hedged(&self) -> u64 {
        self.hedged.load(Ordering::Relaxed)
    }

    fn balance(&self) -> MutexGuard<'_, Balance> {
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request to one endpoint after the other until one answers; each gets it once.
    ///
    /// # Errors
    /// What the endpoints said, in words.
    pub(super) async fn infer(&self, ask: &Ask<'_, '_>) -> Result<ModelInferResponse, String> {
        let kib = u32::try_from(ask.byte_length() / 1024 + 1).unwrap_or(WINDOW_KIB);
        // One that is larger than the window goes alone.
        let kib = kib.min(WINDOW_KIB);
        let _room = self.window.acquire_many(kib).await.map_err(|error| error.to_string())?;
        let mut tries = Tries::default();
        loop {
            let Some(place) = self.balance().choose(&tries.places) else {
                return Err(self.nobody(&tries));
            };
            tries.places.push(place);
            let answer = match self.model.hedge {
                None => self.attempt(place, ask).await,
                Some(after) => self.attempt_twice(place, ask, (after, kib), &mut tries).await,
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(Failure { reason, is_of_request: true }) => return Err(reason),
                Err(Failure { reason, .. }) => tries.reasons.push(reason),
            }
        }
    }

    /// One request to one endpoint, and what is to be thought of it then.
    async fn attempt(
        &self,
        place: usize,
        ask: &Ask<'_, '_>,
    ) -> Result<ModelInferResponse, Failure> {
        let mut turn = Turn { remote: self, place, how: Ended::Dropped };
        let answer = self.send(place, ask).await;
        turn.how = answer.as_ref().map_or_else(blame, |_| Ended::Answered);
        answer.map_err(|status| {
            let reason = format!("{}: {}", self.clients[place].endpoint, said(&status));
            let is_of_request = is_of_the_request(&status);
            if !is_of_request {
                log(Severity::Warning, &format!("{}: {reason}", self.model.model));
            }
            Failure { reason, is_of_request }
        })
    }

    /// As [`Self::attempt`]; a second endpoint that has room is asked, too, if there is no answer in time.
    /// The first good answer counts, and the other request is dropped.
    async fn attempt_twice(
        &self,
        place: usize,
        ask: &Ask<'_, '_>,
        (after, kib): (Duration, u32),
        tries: &mut Tries,
    ) -> Result<ModelInferResponse, Failure> {
        let mut first = pin!(self.attempt(place, ask));
        tokio::select! {
            biased;
            answer = &mut first => return answer,
            () = tokio::time::sleep(after) => {}
        }
        // Who waits for room does not wait for the sake of one that has it already.
        let Ok(_room) = self.window.try_acquire_many(kib) else { return first.await };
        let Some(hedge) = self.balance().choose_idle(&tries.places, REQUESTS) else {
            return first.await;
        };
        tries.places.push(hedge);
        self.hedged.fetch_add(1, Ordering::Relaxed);
        let mut second = pin!(self.attempt(hedge, ask));
        let (answer, other) = tokio::select! {
            biased;
            answer = &mut first => (answer, second),
            answer = &mut second => {
                if answer.is_ok() {
                    self.balance().outrun(place);
                }
                (answer, first)
            }
        };
        match answer {
            Err(Failure { reason, is_of_request: false }) => {
                tries.reasons.push(reason);
                other.await
            }
            answer => answer,
        }
    }

    /// Asks one endpoint, with the inputs in shared memory where it takes that.
    async fn send(&self, place: usize, ask: &Ask<'_, '_>) -> Result<ModelInferResponse, Status> {
        let (client, shared) = (&self.clients[place], &self.shared_memory[place]);
        let within = self.model.timeout;
        let Some(lease) = shared.place(ask.inputs(), within + LATER) else {
            return client.infer(ask.with_bytes(), within).await;
        };
        let answer = client.infer(ask.with_places(&lease.placed), within).await;
        let refused = match answer {
            Err(status) if is_of_the_request(&status) || is_of_memory(&status) => status,
            Err(status) => return Err(status),
            Ok(answer) => {
                lease.answered();
                return Ok(answer);
            }
        };
        // The inputs themselves may be to blame.
        let answer = client.infer(ask.with_bytes(), within).await;
        match &answer {
            Ok(_) => lease.was_forgotten(&refused),
            Err(_) => lease.answered(),
        }
        answer
    }

    fn nobody(&self, Tries { places, reasons }: &Tries) -> String {
        let out = self.clients.iter().enumerate().filter(|(place, _)| !places.contains(place));
        let out = out.map(|(_, client)| format!("{} is out", client.endpoint));
        let all: Vec<_> = reasons.iter().cloned().chain(out).collect();
        all.join("; ")
    }

    /// Looks at an endpoint that has been out.
    async fn look_at(&self, place: usize) {
        let Some(client) = self.clients.get(place) else { return };
        let found = client.is_ready(description::request(&self.model)).await;
        if found.is_ok() {
            log(
                Severity::Warning,
                &format!("{} serves {} again", client.endpoint, self.model.model),
            );
        }
        self.balance().looked(place, found.is_ok(), Instant::now(), fastrand::f64());
    }
}

/// What came of a request so far.
#[derive(Default)]
struct Tries {
    /// The endpoints that have had it.
    places: Vec<usize>,
    /// Why those of them failed that did.
    reasons: Vec<String>,
}

/// Why an endpoint did not answer.
struct Failure {
    /// With the endpoint.
    reason: String,
    /// It would fail anywhere.
    is_of_request: bool,
}

/// A request under way, also where its future is dropped.
struct Turn<'a> {
    remote: &'a Remote,
    place: usize,
    how: Ended,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let random = fastrand::f64();
        self.remote.balance().ended(self.place, self.how, Instant::now(), random);
    }
}

impl Drop for Remote {
    /// Regions of shared memory end with it. Their names are removed here, and servers are told, for which
    /// they have a moment: the process may be about to end.
    fn drop(&mut self) {
        let ends: Vec<_> = self.shared_memory.iter().map(|shared| shared.end()).collect();
        let Ok(handle) = runtime::handle() else { return };
        let (done, ended) = mpsc::channel::<()>();
        handle.spawn(async move {
            for end in ends {
                end.await;
            }
            drop(done);
        });
        // On the runtime's own thread nothing would happen meanwhile.
        if Handle::try_current().is_err() {
            let _ = ended.recv_timeout(FAREWELL);
        }
    }
}

/// Looks at endpoints that are out, as long as somebody uses the network.
async fn look_after(remote: Weak<Remote>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(remote) = remote.upgrade() else { return };
        let due = remote.balance().due(Instant::now());
        for place in due {
            let remote = Arc::clone(&remote);
            tokio::spawn(async move { remote.look_at(place).await });
        }
    }
}

/// Whether it would fail anywhere.
fn is_of_the_request(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented)
}

/// Whether it is about shared memory, of which servers speak with several codes.
fn is_of_memory(status: &Status) -> bool {
    status.message().contains("shared memory")
}

/// Whether an endpoint that says this should be left alone for a while. A network that fails on one clip
/// (`Internal`) may do so on any server: the clip is tried elsewhere, and the endpoint stays.
fn blame(status: &Status) -> Ended {
    match status.code() {
        _ if is_of_the_request(status) => Ended::Answered,
        Code::Internal | Code::DataLoss | Code::Aborted => Ended::Answered,
        _ => Ended::Failed,
    }
}

/// Waits for `work` on this thread until `cancel`.
///
/// # Errors
/// [`InferError::Cancelled`]: `work` is dropped then.
pub(super) fn block_on<T>(
    cancel: &CancelToken,
    work: impl Future<Output = T>,
) -> Result<T, InferError> {
    let handle = runtime::handle()?;
    let cancelled = Arc::new(Notify::new());
    let notify = Arc::clone(&cancelled);
    // One permit is kept, so that a cancel before the wait counts.
    let _registered = cancel.on_cancel(move || notify.notify_one())?;
    handle.block_on(async {
        tokio::select! {
            biased;
            () = cancelled.notified() => Err(InferError::Cancelled),
            done = work => Ok(done),
        }
    })
}
