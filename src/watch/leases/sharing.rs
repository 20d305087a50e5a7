//! The share of this worker, for callers that are threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{Held, LeaseError, Leases, Share, check};
use crate::events::CameraId;

/// Between tries of a server that cannot be reached, and of values that could not be kept.
const RETRY: Duration = Duration::from_secs(2);
/// How long the end waits for the server.
const ENDING: Duration = Duration::from_secs(3);

/// The task of [`Share`] on a thread of its own. A server that cannot be reached at first is tried again;
/// until then no camera is held.
#[derive(Debug)]
pub struct Sharing {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Command {
    Share(BTreeSet<CameraId>),
    Keep(CameraId, Value),
    Kept(CameraId, std_mpsc::Sender<Result<Option<Value>, LeaseError>>),
    Stop,
}

/// Where leases are, and who asks for them.
#[derive(Clone, Debug)]
pub struct Place {
    /// The NATS server: `nats://user@host:4222`.
    pub url: String,
    /// The bucket of its key-value store.
    pub bucket: String,
    /// The name of this worker, which no other has.
    pub worker: String,
}

impl Sharing {
    /// Shares these cameras; `changed` is called on the thread of its own whenever other cameras are
    /// held, or the server is gone or back.
    ///
    /// # Errors
    /// When the address or the bucket's name cannot be, or there is no thread.
    pub fn start(
        place: Place,
        cameras: BTreeSet<CameraId>,
        changed: impl Fn(&Held) + Send + 'static,
    ) -> Result<Self, LeaseError> {
        check(&place.url, &place.bucket)?;
        let (commands, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LeaseError::Thread)?;
        let work = Work { place, cameras, received, pending: BTreeMap::new(), changed };
        let thread = std::thread::Builder::new().name("m2sd-leases".to_owned());
        let thread = thread.spawn(move || runtime.block_on(work.run()));
        Ok(Self { commands, thread: thread.map_err(LeaseError::Thread)? })
    }

    /// Shares other cameras from now on.
    pub fn share(&self, cameras: BTreeSet<CameraId>) {
        // It fails once the thread has ended.
        let _ = self.commands.send(Command::Share(cameras));
    }

    /// Keeps a small value with a camera for its next holder, as soon as the server takes it: the last
    /// value counts. It does not wait.
    pub fn keep(&self, camera: CameraId, value: Value) {
        let _ = self.commands.send(Command::Keep(camera, value));
    }

    /// What the holder before has kept with a camera. It waits for the server, some seconds at most.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn kept(&self, camera: &CameraId) -> Result<Option<Value>, LeaseError> {
        let (answer, answered) = std_mpsc::channel();
        let _ = self.commands.send(Command::Kept(camera.clone(), answer));
        answered.recv_timeout(2 * super::PATIENCE).unwrap_or(Err(LeaseError::NotConnected))
    }

    /// Gives everything back, for 3 s at most. Cameras are stopped before.
    pub fn stop(self) {
        let _ = self.commands.send(Command::Stop);
        let until = Instant::now() + ENDING;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

struct Work<F> {
    place: Place,
    cameras: BTreeSet<CameraId>,
    received: mpsc::UnboundedReceiver<Command>,
    /// Values that the server does not have yet.
    pending: BTreeMap<CameraId, Value>,
    changed: F,
}

impl<F: Fn(&Held)> Work<F> {
    async fn run(mut self) {
        let Some(leases) = self.connect().await else { return };
        let share = Share::start(leases, self.cameras.clone());
        let mut held = share.held();
        loop {
            tokio::select! {
                Ok(()) = held.changed() => {
                    let held = held.borrow_and_update().clone();
                    (self.changed)(&held);
                }
                command = self.received.recv() => match command {
                    Some(Command::Share(cameras)) => share.share(cameras),
                    Some(Command::Keep(camera, value)) => drop(self.pending.insert(camera, value)),
                    Some(Command::Kept(camera, answer)) => {
                        let _ = answer.send(share.kept(&camera).await);
                        continue;
                    }
                    Some(Command::Stop) | None => break,
                },
                () = tokio::time::sleep(RETRY), if !self.pending.is_empty() => {}
            }
            self.keep(&share).await;
        }
        self.keep(&share).await;
        share.stop().await;
    }

    /// Until the server is there; `None`: it is to stop.
    async fn connect(&mut self) -> Option<Leases> {
        loop {
            let Place { url, bucket, worker } = self.place.clone();
            let connecting = async {
                match Leases::connect(&url, &bucket, &worker).await {
                    Ok(leases) => Ok(leases),
                    Err(error) => Err(error.to_string()),
                }
            };
            tokio::pin!(connecting);
            let connected = loop {
                tokio::select! {
                    connected = &mut connecting => break connected,
                    command = self.received.recv() => if self.note(command) { return None },
                }
            };
            let failure = match connected {
                Ok(leases) => return Some(leases),
                Err(failure) => Some(failure),
            };
            (self.changed)(&Held { failure, ..Held::default() });
            let wait = tokio::time::sleep(RETRY);
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    command = self.received.recv() => if self.note(command) { return None },
                }
            }
        }
    }

    /// What is asked for while there is no server; whether it is to stop.
    fn note(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Share(cameras)) => self.cameras = cameras,
            // Nothing is held that something could be kept with.
            Some(Command::Keep(..)) => {}
            Some(Command::Kept(_, answer)) => drop(answer.send(Err(LeaseError::NotConnected))),
            Some(Command::Stop) | None => return true,
        }
        false
    }

    /// What the server does not take now it takes later; what is not ours to keep any more is dropped.
    async fn keep(&mut self, share: &Share) {
        let mut later = BTreeMap::new();
        for (camera, value) in std::mem::take(&mut self.pending) {
            // One that does not answer is not asked again for each camera.
            if !later.is_empty() {
                later.insert(camera, value);
                continue;
            }
            if let Err(LeaseError::Server { .. }) = share.keep(&camera, value.clone()).await {
                later.insert(camera, value);
            }
        }
        self.pending = later;
    }
}
