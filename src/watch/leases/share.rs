//! Which cameras this worker takes: at most its fair share.
//!
//! Of M cameras and N workers that are there, each holds at most M / N, rounded up. A worker that holds
//! more, since another came, gives the rest back; one that holds less takes what is free. A camera is
//! always somebody's, as the shares together are at least M, and the last worker takes all. While the
//! server cannot be reached each goes on with what it holds: to watch a camera twice is better than not
//! at all. Once the server is back, who has lost a lease to another one stops.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::{Lease, LeaseError, Leases};
use crate::events::CameraId;

/// How often leases are renewed and looked for.
const TICK: Duration = Duration::from_secs(1);
/// How long a camera that is given up may take to stop before its lease is given back.
const STOPPING: Duration = Duration::from_secs(2);
/// How long the end waits for the server.
const LEAVING: Duration = Duration::from_secs(2);

/// The cameras that this worker is to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Their ids.
    pub cameras: BTreeSet<CameraId>,
    /// Why the server could not be asked last; `None`: it could.
    pub failure: Option<String>,
}

/// The task that takes, renews and gives back.
#[derive(Debug)]
pub struct Share {
    held: watch::Receiver<Held>,
    wanted: watch::Sender<BTreeSet<CameraId>>,
    state: Arc<Mutex<State>>,
    leases: Arc<Leases>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<CameraId, Lease>,
    /// Those whose cameras are being stopped, since when.
    leaving: BTreeMap<CameraId, (Lease, Instant)>,
}

/// The most that one of so many workers holds of so many cameras.
pub fn fair_share(cameras: usize, workers: usize) -> usize {
    cameras.div_ceil(workers.max(1))
}

impl Share {
    /// Shares these cameras with the other workers, from within a Tokio runtime.
    pub fn start(leases: Leases, cameras: BTreeSet<CameraId>) -> Self {
        let (wanted, wants) = watch::channel(cameras);
        let (tell, held) = watch::channel(Held::default());
        let (leases, state) = (Arc::new(leases), Arc::new(Mutex::new(State::default())));
        let task = tokio::spawn(run(Arc::clone(&leases), Arc::clone(&state), wants, tell));
        Self { held, wanted, state, leases, task }
    }

    /// The cameras to watch, as they change.
    pub fn held(&self) -> watch::Receiver<Held> {
        self.held.clone()
    }

    /// Shares other cameras from now on.
    pub fn share(&self, cameras: BTreeSet<CameraId>) {
        self.wanted.send_replace(cameras);
    }

    /// What the holder before has kept with a camera.
    ///
    /// # Errors
    /// As [`Leases::kept`].
    pub async fn kept(&self, camera: &CameraId) -> Result<Option<serde_json::Value>, LeaseError> {
        self.leases.kept(camera).await
    }

    /// Keeps a value with a camera that is held.
    ///
    /// # Errors
    /// As [`Leases::keep`]; [`LeaseError::Lost`] also when it is not held.
    pub async fn keep(
        &self,
        camera: &CameraId,
        value: serde_json::Value,
    ) -> Result<(), LeaseError> {
        let state = self.state.lock().await;
        let held = state.held.get(camera);
        let lease = held.or_else(|| state.leaving.get(camera).map(|(lease, _)| lease)).cloned();
        drop(state);
        let lost = || LeaseError::Lost { camera: camera.clone(), holder: "nobody here".to_owned() };
        self.leases.keep(&lease.ok_or_else(lost)?, value).await
    }

    /// Gives everything back at once. Cameras are stopped before.
    pub async fn stop(self) {
        self.task.abort();
        let mut state = self.state.lock().await;
        let held = std::mem::take(&mut state.held).into_values();
        let leaving = std::mem::take(&mut state.leaving).into_values().map(|(lease, _)| lease);
        let all = async {
            for lease in held.chain(leaving) {
                let _ = self.leases.release(lease).await;
            }
            let _ = self.leases.leave().await;
        };
        // What is not given back in time ends by itself.
        let _ = tokio::time::timeout(LEAVING, all).await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    leases: Arc<Leases>,
    state: Arc<Mutex<State>>,
    mut wants: watch::Receiver<BTreeSet<CameraId>>,
    tell: watch::Sender<Held>,
) {
    loop {
        let wanted = wants.borrow_and_update().clone();
        let mut state = state.lock().await;
        let failure = tick(&leases, &mut state, &wanted).await.err().map(|e| e.to_string());
        let held = Held { cameras: state.held.keys().cloned().collect(), failure };
        drop(state);
        tell.send_if_modified(|told| {
            let changed = *told != held;
            *told = held;
            changed
        });
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            changed = wants.changed() => if changed.is_err() { return },
        }
    }
}

/// Renews what is held, gives back what is too much, takes what is free.
async fn tick(
    leases: &Leases,
    state: &mut State,
    wanted: &BTreeSet<CameraId>,
) -> Result<(), LeaseError> {
    leases.stay().await?;
    renew(leases, state).await?;
    let (workers, taken) = leases.list().await?;
    let share = fair_share(wanted.len(), workers.len());
    give_up(state, wanted, share);
    give_back(leases, state).await?;
    let free = wanted.iter().filter(|camera| !taken.contains(*camera));
    for camera in in_own_order(leases.worker(), free) {
        if state.held.len() >= share {
            break;
        }
        if let Some(lease) = leases.take(camera).await? {
            state.held.insert(camera.clone(), lease);
        }
    }
    Ok(())
}

/// Those that have been lost to others are held no more.
async fn renew(leases: &Leases, state: &mut State) -> Result<(), LeaseError> {
    let mut lost = Vec::new();
    let leaving = state.leaving.values_mut().map(|(lease, _)| lease);
    for lease in state.held.values_mut().chain(leaving) {
        match leases.renew(lease).await {
            Ok(()) => {}
            Err(LeaseError::Lost { camera, .. }) => lost.push(camera),
            Err(e) => return Err(e),
        }
    }
    state.held.retain(|camera, _| !lost.contains(camera));
    state.leaving.retain(|camera, _| !lost.contains(camera));
    Ok(())
}

/// Cameras that are wanted no more, and those beyond the share, are stopped.
fn give_up(state: &mut State, wanted: &BTreeSet<CameraId>, share: usize) {
    let unwanted: Vec<_> =
        state.held.keys().filter(|camera| !wanted.contains(*camera)).cloned().collect();
    let kept = state.held.len() - unwanted.len();
    let excess = state.held.keys().rev().filter(|camera| wanted.contains(*camera));
    let excess: Vec<_> = excess.take(kept.saturating_sub(share)).cloned().collect();
    for camera in unwanted.into_iter().chain(excess) {
        if let Some(lease) = state.held.remove(&camera) {
            state.leaving.insert(camera, (lease, Instant::now()));
        }
    }
}

async fn give_back(leases: &Leases, state: &mut State) -> Result<(), LeaseError> {
    let due: Vec<_> = state
        .leaving
        .iter()
        .filter(|(_, (_, since))| since.elapsed() >= STOPPING)
        .map(|(camera, _)| camera.clone())
        .collect();
    for camera in due {
        if let Some((lease, _)) = state.leaving.remove(&camera) {
            leases.release(lease).await?;
        }
    }
    Ok(())
}

/// Each worker begins elsewhere, so that they do not reach for the same ones.
fn in_own_order<'a>(
    worker: &str,
    cameras: impl Iterator<Item = &'a CameraId>,
) -> Vec<&'a CameraId> {
    let mut cameras: Vec<_> = cameras.collect();
    cameras.sort_by_cached_key(|camera| {
        let mut hasher = DefaultHasher::new();
        (worker, camera).hash(&mut hasher);
        hasher.finish()
    });
    cameras
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fair_and_cover_every_camera() {
        for (cameras, workers, share) in [(8, 2, 4), (7, 2, 4), (1, 3, 1), (0, 2, 0), (5, 0, 5)] {
            assert_eq!(fair_share(cameras, workers), share, "{cameras} by {workers}");
            assert!(share * workers.max(1) >= cameras);
        }
    }
}
