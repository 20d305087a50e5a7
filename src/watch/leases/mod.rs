//! Cameras that several workers share: leases in a key-value bucket of NATS JetStream.
//!
//! A worker watches the cameras whose leases it holds. A lease ends by itself [`TTL`] after it was
//! renewed last, by the server's clock, so that others take over from a worker that is gone. Each taking
//! and each renewal has a revision, and every change names the one before: who has lost a lease cannot
//! renew it, nor change what is kept with its camera. [`Share`] takes and releases so that each worker
//! has a fair share.
//!
//! | key | of |
//! | --- | --- |
//! | `worker.NAME` | a worker that is there |
//! | `camera.ID` | a camera that is watched: by whom |
//! | `ID` in the bucket `BUCKET-kept` | what is kept with a camera for its next holder |

mod error;
mod share;

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::{self, Context, stream};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

pub use self::error::LeaseError;
pub use self::share::{Held, Share, fair_share};
use crate::core::explained::explained;
use crate::events::sinks::NatsServer;
use crate::events::{CameraId, UtcTime};

/// How long a lease lasts that is not renewed.
pub const TTL: Duration = Duration::from_secs(6);
/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest value that is kept with a camera.
pub const LARGEST_VALUE: usize = 64 << 10;

/// A lease that is held. Its revision grows with each renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of this camera.
    pub camera: CameraId,
    revision: u64,
    /// The revision with which it was taken: what is kept with the camera is fenced by it.
    taken: u64,
}

/// What stands in a key of a worker or a camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    worker: String,
    /// Tells one life of a worker from another.
    session: String,
    since: UtcTime,
}

/// What is kept with a camera.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    /// The revision with which its writer took the lease.
    fence: u64,
    value: serde_json::Value,
}

/// The leases of one worker.
#[derive(Debug)]
pub struct Leases {
    server: String,
    worker: String,
    session: String,
    presence: tokio::sync::Mutex<u64>,
    leases: Store,
    kept: Store,
}

impl Leases {
    /// Connects, makes the buckets where they are missing, and says that this worker is there. A worker
    /// of the same name that has just been killed is waited for, up to [`TTL`].
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, the bucket is another one, or another worker of
    /// this name is there.
    pub async fn connect(url: &str, bucket: &str, worker: &str) -> Result<Self, LeaseError> {
        let server = check(url, bucket)?;
        let shown = server.shown.clone();
        let worker: String = worker.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        let failed = |what, why: String| LeaseError::Server { server: shown.clone(), what, why };
        let client = server.connect(&format!("m2sd {worker}")).await;
        let client = client.map_err(|why| failed("cannot connect", why))?;
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        let leases = open(&context, &shown, bucket, TTL).await?;
        let kept = open(&context, &shown, &format!("{bucket}-kept"), Duration::ZERO).await?;
        let session = ulid::Ulid::generate().to_string();
        let presence = tokio::sync::Mutex::new(0);
        let leases = Self { server: shown, worker, session, presence, leases, kept };
        leases.arrive().await?;
        Ok(leases)
    }

    /// The name of this worker, as it stands in keys.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    fn failed(&self, what: &'static str, error: &dyn std::error::Error) -> LeaseError {
        LeaseError::Server { server: self.server.clone(), what, why: explained(error) }
    }

    fn late(&self, what: &'static str) -> LeaseError {
        let why = format!("no answer within {} s", PATIENCE.as_secs());
        LeaseError::Server { server: self.server.clone(), what, why }
    }

    fn entry(&self) -> bytes::Bytes {
        let (worker, session) = (self.worker.clone(), self.session.clone());
        let entry = Entry { worker, session, since: UtcTime::now() };
        serde_json::to_vec(&entry).unwrap_or_default().into()
    }

    fn presence_key(&self) -> String {
        format!("worker.{}", self.worker)
    }

    async fn arrive(&self) -> Result<(), LeaseError> {
        let until = tokio::time::Instant::now() + TTL + Duration::from_secs(1);
        loop {
            match self.create(&self.presence_key()).await? {
                Some(revision) => {
                    *self.presence.lock().await = revision;
                    return Ok(());
                }
                None if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                None => return Err(LeaseError::SameName(self.worker.clone())),
            }
        }
    }

    /// Says that this worker is there still.
    ///
    /// # Errors
    /// When the server does not answer, or another worker has taken the name.
    pub async fn stay(&self) -> Result<(), LeaseError> {
        let mut presence = self.presence.lock().await;
        match self.update(&self.presence_key(), *presence).await? {
            Ok(revision) => {
                *presence = revision;
                Ok(())
            }
            Err(_) => Err(LeaseError::SameName(self.worker.clone())),
        }
    }

    /// Says that this worker goes. Its leases are released by [`Self::release`].
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn leave(&self) -> Result<(), LeaseError> {
        let revision = *self.presence.lock().await;
        self.delete(&self.presence_key(), revision).await
    }

    /// The workers that are there, and the cameras whose leases are held.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn list(&self) -> Result<(BTreeSet<String>, BTreeSet<CameraId>), LeaseError> {
        const WHAT: &str = "cannot list leases";
        let keys =
            async { self.leases.keys().await?.try_collect::<Vec<_>>().await.map_err(Into::into) };
        let keys: Result<Vec<String>, async_nats::Error> =
            tokio::time::timeout(PATIENCE, keys).await.map_err(|_| self.late(WHAT))?;
        let keys = keys.map_err(|e| self.failed(WHAT, e.as_ref()))?;
        let (mut workers, mut cameras) = (BTreeSet::new(), BTreeSet::new());
        for key in keys {
            match key.split_once('.') {
                Some(("worker", name)) => drop(workers.insert(name.to_owned())),
                Some(("camera", id)) => cameras.extend(CameraId::new(id)),
                _ => {}
            }
        }
        Ok((workers, cameras))
    }

    /// Takes the lease of a camera. `None`: somebody holds it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn take(&self, camera: &CameraId) -> Result<Option<Lease>, LeaseError> {
        let taken = self.create(&format!("camera.{camera}")).await?;
        Ok(taken.map(|revision| Lease { camera: camera.clone(), revision, taken: revision }))
    }

    /// Renews a lease. It is taken again where it has ended meanwhile and nobody else has it.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody else has it; others when the server does not answer: it may
    /// be held still then.
    pub async fn renew(&self, lease: &mut Lease) -> Result<(), LeaseError> {
        let key = format!("camera.{}", lease.camera);
        match self.update(&key, lease.revision).await? {
            Ok(revision) => {
                lease.revision = revision;
                Ok(())
            }
            Err(holder) => Err(LeaseError::Lost { camera: lease.camera.clone(), holder }),
        }
    }

    /// Gives a lease back, so that others can take it at once.
    ///
    /// # Errors
    /// When the server does not answer: it ends by itself then.
    pub async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.delete(&format!("camera.{}", lease.camera), lease.revision).await
    }

    /// What the holder before has kept with a camera.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn kept(&self, camera: &CameraId) -> Result<Option<serde_json::Value>, LeaseError> {
        Ok(self.kept_entry(camera).await?.map(|(kept, _)| kept.value))
    }

    async fn kept_entry(&self, camera: &CameraId) -> Result<Option<(Kept, u64)>, LeaseError> {
        const WHAT: &str = "cannot read what is kept with a camera";
        let entry = tokio::time::timeout(PATIENCE, self.kept.entry(camera.as_str())).await;
        let entry = entry.map_err(|_| self.late(WHAT))?.map_err(|e| self.failed(WHAT, &e))?;
        let entry = entry.filter(|entry| entry.operation == Operation::Put);
        Ok(entry.and_then(|entry| {
            let kept = serde_json::from_slice(&entry.value).ok()?;
            Some((kept, entry.revision))
        }))
    }

    /// Keeps a small value with a camera for its next holder, such as the last alerts.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when a later holder has kept something; [`LeaseError::TooLarge`]; others
    /// when the server does not answer.
    pub async fn keep(&self, lease: &Lease, value: serde_json::Value) -> Result<(), LeaseError> {
        const WHAT: &str = "cannot keep a value with a camera";
        let lost = || LeaseError::Lost {
            camera: lease.camera.clone(),
            holder: "a later worker".to_owned(),
        };
        let kept = Kept { fence: lease.taken, value };
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        if bytes.len() > LARGEST_VALUE {
            return Err(LeaseError::TooLarge(bytes.len()));
        }
        // A second time where somebody else wrote in between.
        for _ in 0..2 {
            let revision = match self.kept_entry(&lease.camera).await? {
                Some((before, _)) if before.fence > lease.taken => return Err(lost()),
                Some((_, revision)) => revision,
                None => self.last_revision(&lease.camera).await?,
            };
            let write = self.kept.update(lease.camera.as_str(), bytes.clone().into(), revision);
            let written = tokio::time::timeout(PATIENCE, write).await;
            match written.map_err(|_| self.late(WHAT))? {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == UpdateErrorKind::WrongLastRevision => {}
                Err(e) => return Err(self.failed(WHAT, &e)),
            }
        }
        Err(lost())
    }

    /// Of a value that cannot be read, so that it can be replaced.
    async fn last_revision(&self, camera: &CameraId) -> Result<u64, LeaseError> {
        const WHAT: &str = "cannot read what is kept with a camera";
        let entry = tokio::time::timeout(PATIENCE, self.kept.entry(camera.as_str())).await;
        let entry = entry.map_err(|_| self.late(WHAT))?.map_err(|e| self.failed(WHAT, &e))?;
        Ok(entry.map_or(0, |entry| entry.revision))
    }

    /// `None`: somebody has it.
    async fn create(&self, key: &str) -> Result<Option<u64>, LeaseError> {
        const WHAT: &str = "cannot take a lease";
        let created = tokio::time::timeout(PATIENCE, self.leases.create(key, self.entry())).await;
        match created.map_err(|_| self.late(WHAT))? {
            Ok(revision) => Ok(Some(revision)),
            Err(e) if e.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(e) => Err(self.failed(WHAT, &e)),
        }
    }

    /// Writes a key of ours again. The inner error says who has it.
    async fn update(&self, key: &str, revision: u64) -> Result<Result<u64, String>, LeaseError> {
        const WHAT: &str = "cannot renew a lease";
        let update = self.leases.update(key, self.entry(), revision);
        match tokio::time::timeout(PATIENCE, update).await.map_err(|_| self.late(WHAT))? {
            Ok(revision) => return Ok(Ok(revision)),
            Err(e) if e.kind() == UpdateErrorKind::WrongLastRevision => {}
            Err(e) => return Err(self.failed(WHAT, &e)),
        }
        // It may have ended, as the server was away; or the answer to an earlier renewal was lost.
        let entry = tokio::time::timeout(PATIENCE, self.leases.entry(key)).await;
        let entry = entry.map_err(|_| self.late(WHAT))?.map_err(|e| self.failed(WHAT, &e))?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
            let taken = self.create(key).await?;
            return Ok(taken.ok_or_else(|| "another worker".to_owned()));
        };
        match serde_json::from_slice::<Entry>(&entry.value) {
            Ok(holder) if holder.session == self.session => Ok(Ok(entry.revision)),
            Ok(holder) => Ok(Err(holder.worker)),
            Err(_) => Ok(Err("something else than a worker".to_owned())),
        }
    }

    async fn delete(&self, key: &str, revision: u64) -> Result<(), LeaseError> {
        const WHAT: &str = "cannot release a lease";
        let delete = self.leases.delete_expect_revision(key, Some(revision));
        match tokio::time::timeout(PATIENCE, delete).await.map_err(|_| self.late(WHAT))? {
            Ok(()) => Ok(()),
            // It is not ours any more.
            Err(e) if e.kind() == UpdateErrorKind::WrongLastRevision => Ok(()),
            Err(e) => Err(self.failed(WHAT, &e)),
        }
    }
}

/// What names may hold here.
fn fits(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// That an address and the name of a bucket can be.
fn check(url: &str, bucket: &str) -> Result<NatsServer, LeaseError> {
    if bucket.is_empty() || bucket.len() > 128 || !bucket.chars().all(fits) {
        return Err(LeaseError::Bucket(bucket.to_owned()));
    }
    Ok(NatsServer::of_url(url)?)
}

/// The bucket, which is made where it is missing.
async fn open(
    context: &Context,
    server: &str,
    bucket: &str,
    max_age: Duration,
) -> Result<Store, LeaseError> {
    let failed = |what, e: &dyn std::error::Error| LeaseError::Server {
        server: server.to_owned(),
        what,
        why: explained(e),
    };
    let store = match context.get_key_value(bucket).await {
        Ok(store) => store,
        Err(_) => {
            let made = context.create_stream(bucket_stream(bucket, max_age)).await;
            // Another worker may have been faster.
            let what = "there is no bucket of leases, and it cannot be made";
            match (context.get_key_value(bucket).await, made) {
                (Ok(store), _) => store,
                (Err(_), Err(e)) => return Err(failed(what, &e)),
                (Err(e), Ok(_)) => return Err(failed(what, &e)),
            }
        }
    };
    let status = store.status().await;
    let found = status.map_err(|e| failed("cannot read the bucket of leases", &e))?.max_age();
    if found == max_age {
        return Ok(store);
    }
    Err(LeaseError::OtherBucket {
        server: server.to_owned(),
        bucket: bucket.to_owned(),
        found: found.as_secs(),
        expected: max_age.as_secs(),
    })
}

/// The stream that a bucket is. The library's own way asks for the account first, whose description by
/// servers older than 2.10 it cannot read.
fn bucket_stream(bucket: &str, max_age: Duration) -> stream::Config {
    stream::Config {
        name: format!("KV_{bucket}"),
        subjects: vec![format!("$KV.{bucket}.>")],
        description: Some("m2sd: who watches which camera".to_owned()),
        max_messages_per_subject: 1,
        max_age,
        max_message_size: i32::try_from(2 * LARGEST_VALUE).unwrap_or(i32::MAX),
        num_replicas: 1,
        discard: stream::DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..stream::Config::default()
    }
}
