//! The bounded queue in memory, between whoever records and the thread that writes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::super::body::Health;
use super::super::{Body, CameraId, Draft, Event, EventId, EventMaker};

/// Events that wait for the disk at most; about 8 MB.
const CAPACITY: usize = 8192;
/// How long the writer waits for more after the first event, so that one synchronisation of the disk
/// serves many.
const COLLECT: Duration = Duration::from_millis(25);
/// How long cursors wait for events to be written with: a disk is not worn for each confirmation. What a
/// process that is killed has confirmed meanwhile is delivered again.
const CURSORS: Duration = Duration::from_millis(250);
/// Events in one transaction at most.
const BATCH: usize = 1024;

pub(super) struct SpoolQueue {
    maker: EventMaker,
    /// Hears of health as it is told, whether there is room for it or not.
    hears: OnceLock<Box<HealthListener>>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Told when `durable` grows.
    written: Condvar,
}

/// Hears how a part of the process, or of a camera, does.
pub type HealthListener = dyn Fn(Option<&CameraId>, &Health) + Send + Sync;

impl fmt::Debug for SpoolQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolQueue").field("maker", &self.maker).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Events that were taken in since the process began.
    accepted: u64,
    /// Of these the ones that are on disk.
    durable: u64,
    refused: u64,
    /// Somebody waits for the disk: do not collect.
    urgent: bool,
    /// Cursors of sinks have changed.
    cursors: bool,
    closed: bool,
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.events.is_empty() && !self.urgent && !self.closed
    }
}

/// What the writer has to do.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) events: Vec<Event>,
    /// There is nothing more, and never will be.
    pub(super) last: bool,
}

impl SpoolQueue {
    pub(super) fn new(maker: EventMaker) -> Self {
        Self {
            maker,
            hears: OnceLock::new(),
            queue: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
        }
    }

    pub(super) fn on_health(&self, listener: Box<HealthListener>) {
        // The method that asks for it says what becomes of a second one.
        let _second = self.hears.set(listener);
    }

    /// Not under the lock: a listener may wait.
    fn hear(&self, draft: &Draft) {
        if let (Body::Health(health), Some(listener)) = (&draft.body, self.hears.get()) {
            listener(draft.camera.as_ref(), health);
        }
    }

    /// Never held while anything waits.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn instance(&self) -> &str {
        self.maker.instance()
    }

    pub(super) fn next_id(&self) -> EventId {
        self.maker.next_id()
    }

    /// Takes an event in, unless there is no room. Ids grow along the queue: they are made under its
    /// lock.
    pub(super) fn push(&self, draft: Draft) -> Option<EventId> {
        self.hear(&draft);
        let mut queue = self.lock();
        if queue.closed || queue.events.len() >= CAPACITY {
            queue.refused += 1;
            return None;
        }
        Some(self.append(&mut queue, draft))
    }

    /// What the spool says of itself, which has room always.
    pub(super) fn push_own(&self, draft: Draft) {
        self.hear(&draft);
        self.append(&mut self.lock(), draft);
    }

    fn append(&self, queue: &mut Queue, draft: Draft) -> EventId {
        let event = self.maker.make(draft);
        let id = event.id;
        queue.events.push_back(event);
        queue.accepted += 1;
        self.arrived.notify_one();
        id
    }

    /// Wakes the writer for the cursors of sinks.
    pub(super) fn cursors_changed(&self) {
        self.lock().cursors = true;
        self.arrived.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What waits, and what was refused.
    pub(super) fn depth(&self) -> (usize, u64) {
        let queue = self.lock();
        let waiting = usize::try_from(queue.accepted - queue.durable).unwrap_or(usize::MAX);
        (waiting, queue.refused)
    }

    /// Waits for events, for cursors, for the end, or until `idle` has passed.
    pub(super) fn wait(&self, idle: Duration) -> Work {
        let nothing = |queue: &mut Queue| queue.is_idle() && !queue.cursors;
        let mut queue = self.wait_while(self.lock(), idle, nothing);
        if queue.cursors {
            queue = self.wait_while(queue, CURSORS, |queue| queue.is_idle());
        }
        if !queue.events.is_empty() {
            let more =
                |queue: &mut Queue| !queue.urgent && !queue.closed && queue.events.len() < BATCH;
            queue = self.wait_while(queue, COLLECT, more);
        }
        let count = queue.events.len().min(BATCH);
        let events = queue.events.drain(..count).collect();
        queue.cursors = false;
        queue.urgent &= !queue.events.is_empty();
        Work { events, last: queue.closed && queue.events.is_empty() }
    }

    fn wait_while<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        limit: Duration,
        condition: impl FnMut(&mut Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        let waited = self.arrived.wait_timeout_while(queue, limit, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// So many more events are on disk.
    pub(super) fn are_durable(&self, count: usize) {
        self.lock().durable += count as u64;
        self.written.notify_all();
    }

    /// Waits until what was taken in before is on disk.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut queue = self.lock();
        let target = queue.accepted;
        while queue.durable < target {
            queue.urgent = true;
            self.arrived.notify_one();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.written.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
