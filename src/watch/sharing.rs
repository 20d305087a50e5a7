//! Cameras that several workers share: this worker's part of `[leases]`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};

use super::config::LeasesSection;
use super::leases::{Held, LeaseError, Leases, Share};
use super::service::Service;
use super::supervisor::AlertedOf;
use crate::core::backoff::Backoff;
use crate::events::CameraId;
use crate::events::alert::Alerted;

/// Between tries of what could not be kept.
const RETRY: Duration = Duration::from_secs(2);

/// The ends that the service and its supervisors have.
pub struct Ends {
    /// The cameras to share.
    pub wanted: watch::Sender<BTreeSet<CameraId>>,
    /// What is to be kept with them.
    pub keep: mpsc::UnboundedSender<AlertedOf>,
}

/// The other ends.
pub struct Sharing {
    wanted: watch::Receiver<BTreeSet<CameraId>>,
    keep: mpsc::UnboundedReceiver<AlertedOf>,
}

/// The thread that takes part.
pub struct Sharer {
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

/// Both ends, before there is a service.
pub fn ends() -> (Ends, Sharing) {
    let (wanted, wants) = watch::channel(BTreeSet::new());
    let (keep, kept) = mpsc::unbounded_channel();
    (Ends { wanted, keep }, Sharing { wanted: wants, keep: kept })
}

impl Sharing {
    /// Takes part until it is stopped. Until the server is reached no camera is watched.
    ///
    /// # Errors
    /// When there are no threads.
    pub fn start(
        self,
        section: LeasesSection,
        worker: String,
        service: &Arc<Service>,
    ) -> std::io::Result<Sharer> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("m2sd-leases")
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(self.run(section, worker, Arc::downgrade(service), stopped));
        Ok(Sharer { runtime, stop: Some(stop), task })
    }

    async fn run(
        mut self,
        section: LeasesSection,
        worker: String,
        service: Weak<Service>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let share = tokio::select! {
            share = self.join(&section, &worker, &service) => share,
            _ = &mut stopped => return,
        };
        let mut held = share.held();
        let mut failure = None;
        // What the server does not have yet: of each camera the newest.
        let mut pending = BTreeMap::new();
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                changed = held.changed() => {
                    let now = held.borrow_and_update().clone();
                    if changed.is_err() || !apply(&share, &service, &now).await {
                        break;
                    }
                    tell(&service, &mut failure, now.failure);
                }
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    share.share(self.wanted.borrow_and_update().clone());
                }
                kept = self.keep.recv() => {
                    let Some((camera, alerted)) = kept else { break };
                    pending.insert(camera, alerted);
                    keep(&share, &mut pending).await;
                }
                () = tokio::time::sleep(RETRY), if !pending.is_empty() => {
                    keep(&share, &mut pending).await;
                }
            }
        }
        keep(&share, &mut pending).await;
        share.stop().await;
    }

    /// Connects, however long that takes.
    async fn join(
        &mut self,
        section: &LeasesSection,
        worker: &str,
        service: &Weak<Service>,
    ) -> Share {
        let bucket = section.bucket.as_deref().unwrap_or("m2sd-leases");
        let (mut backoff, mut told) = (Backoff::default(), None);
        loop {
            match Leases::connect(&section.url, bucket, worker).await {
                Ok(leases) => {
                    return Share::start(leases, self.wanted.borrow_and_update().clone());
                }
                Err(error) => tell(service, &mut told, Some(error.to_string())),
            }
            tokio::time::sleep(backoff.failed().min(Duration::from_secs(10))).await;
        }
    }
}

/// Keeps what waits with its cameras. What is not held any more is the next holder's to keep.
async fn keep(share: &Share, pending: &mut BTreeMap<CameraId, Vec<Alerted>>) {
    for (camera, alerted) in std::mem::take(pending) {
        let value = serde_json::to_value(&alerted).unwrap_or_default();
        match share.keep(&camera, value).await {
            Ok(()) | Err(LeaseError::Lost { .. } | LeaseError::TooLarge(_)) => {}
            Err(_) => drop(pending.insert(camera, alerted)),
        }
    }
}

/// Has the service watch what is held, and nothing else. `false`: it is gone.
async fn apply(share: &Share, service: &Weak<Service>, held: &Held) -> bool {
    let Some(new) = service.upgrade().map(|service| service.not_held(&held.cameras)) else {
        return false;
    };
    let mut alerted = Vec::new();
    for camera in new {
        // Without it an alert may come twice; the camera is watched all the same.
        let kept = share.kept(&camera).await.ok().flatten();
        let kept = kept.and_then(|value| serde_json::from_value(value).ok());
        alerted.push((camera, kept.unwrap_or_default()));
    }
    match service.upgrade() {
        Some(service) => service.hold(&held.cameras, alerted),
        None => return false,
    }
    true
}

/// Tells what has changed about the server.
fn tell(service: &Weak<Service>, before: &mut Option<String>, now: Option<String>) {
    if *before != now {
        match &now {
            Some(failure) => say(service, &format!("leases: {failure}")),
            None => say(service, "leases: the server answers again"),
        }
        *before = now;
    }
}

fn say(service: &Weak<Service>, text: &str) {
    if let Some(service) = service.upgrade() {
        service.log(text);
    }
}

impl Sharer {
    /// Gives every lease back, within this time. Cameras are stopped before.
    pub fn stop(mut self, limit: Duration) {
        if let Some(stop) = self.stop.take() {
            // It may have ended.
            let _ = stop.send(());
        }
        let task = &mut self.task;
        let _ = self.runtime.block_on(async { tokio::time::timeout(limit, task).await });
        self.runtime.shutdown_background();
    }
}
