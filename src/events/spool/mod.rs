//! The durable queue between whoever has something to tell and every sink: one SQLite database.
//!
//! [`Spool::record`] never waits for the disk: it puts the event into a bounded queue in memory, which
//! one thread writes in transactions of many events. Sinks read from the database, each behind its own
//! cursor, and acknowledge what their receiver has taken. What [`Spool::flush`] has confirmed survives
//! the end of the process and of the machine at any moment; what was recorded within the last 25 ms
//! and the time that the disk takes may be lost with it. An acknowledgement that is lost has its events
//! delivered again: receivers tell them by their ids.
//!
//! | file | holds |
//! | --- | --- |
//! | `queue` | the bounded queue in memory |
//! | `writer` | the thread that writes, and what it says of the spool |
//! | `database` | the SQLite file |
//! | `cursors` | how far each sink is |
//! | `recovery` | files that are damaged or somebody else's |
//! | `lock` | one process at a time |
//! | `limits`, `error` | what is asked and told |

mod cursors;
mod database;
mod error;
mod limits;
mod lock;
mod queue;
mod recovery;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use self::cursors::Cursors;
use self::database::Extent;
pub use self::error::SpoolError;
pub use self::limits::{Limits, Query, SinkStats, SpoolStats, Stored};
use self::lock::FolderLock;
use self::queue::SpoolQueue;
pub use self::recovery::SetAside;
use super::body::Health;
use super::{CameraId, Draft, Event, EventId, EventMaker};
use crate::core::redact::redact;

/// How long the end of a spool waits for the disk.
const CLOSING: Duration = Duration::from_secs(5);

/// The durable queue. Dropping it writes what waits, for 5 s at most.
///
/// ```
/// use gstm2sd::events::body::{Body, Health, HealthStatus};
/// use gstm2sd::events::spool::{Limits, Spool};
/// use gstm2sd::events::{Draft, EventMaker};
///
/// let folder = tempfile::tempdir().unwrap();
/// let spool = Spool::open(folder.path(), EventMaker::new("door"), Limits::default())?;
/// spool.register("archive");
/// let (component, text) = ("models".to_owned(), "loaded".to_owned());
/// let health = Health { component, status: HealthStatus::Ok, text, dropped: None };
/// spool.record(Draft::now(None, Body::Health(health)));
/// assert!(spool.flush(std::time::Duration::from_secs(60)), "it is on the disk");
///
/// let stored = spool.read("archive", 10)?;
/// spool.acknowledge("archive", stored[0].sequence)?;
/// assert!(spool.read("archive", 10)?.is_empty());
/// # Ok::<(), gstm2sd::events::SpoolError>(())
/// ```
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    set_aside: Option<SetAside>,
}

/// Where locks are held together: first that of the reader, then that of the state or of the queue.
#[derive(Debug)]
struct Shared {
    queue: SpoolQueue,
    state: Mutex<State>,
    reader: Mutex<Connection>,
    written: watch::Sender<u64>,
    path: std::path::PathBuf,
    _lock: FolderLock,
}

#[derive(Debug, Default)]
struct State {
    extent: Extent,
    cursors: Cursors,
    failure: Option<String>,
    /// What a reader found to be wrong with the file.
    damage: Option<String>,
    /// Events that could not have been read again.
    unreadable: u64,
}

impl Shared {
    /// Never held while the disk is waited for.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn query<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SpoolError> {
        let reader = self.reader();
        let result = run(&reader);
        if let Err(error) = &result
            && recovery::is_damage(error)
        {
            // Before the reader is let go: of this file, and not of one that replaces it.
            self.state().damage = Some(error.to_string());
            self.queue.cursors_changed();
        }
        drop(reader);
        result.map_err(|source| SpoolError::Database { path: self.path.clone(), source })
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    /// Opens the spool in a folder, which is made where it is missing. The database is read once to
    /// see whether it is whole: a second for a gigabyte.
    ///
    /// # Errors
    /// When the folder cannot be used, another process has it, or a newer version wrote it.
    pub fn open(folder: &Path, maker: EventMaker, limits: Limits) -> Result<Arc<Self>, SpoolError> {
        if limits.max_bytes < Limits::SMALLEST {
            return Err(SpoolError::TooSmall(limits.max_bytes));
        }
        let in_folder = |source| SpoolError::Folder { path: folder.to_owned(), source };
        make_folder(folder).map_err(in_folder)?;
        let lock = FolderLock::acquire(folder)?;
        let opened = recovery::open(folder)?;
        let path = opened.database.path.clone();
        let failed = |source| SpoolError::Database { path: path.clone(), source };
        let reader = database::reader(&path).map_err(failed)?;
        maker.continue_after(opened.contents.last_id);
        let mut state = State { extent: opened.contents.extent, ..State::default() };
        for (name, cursor) in opened.contents.sinks {
            state.cursors.load(name, cursor);
        }
        state.cursors.begin_at(state.extent.first);
        let shared = Arc::new(Shared {
            queue: SpoolQueue::new(maker),
            written: watch::Sender::new(state.extent.next - 1),
            state: Mutex::new(state),
            reader: Mutex::new(reader),
            path,
            _lock: lock,
        });
        if let Some(set_aside) = &opened.set_aside {
            shared.queue.push_own(writer::told_set_aside(set_aside));
        }
        let writer = writer::start(Arc::clone(&shared), opened.database, limits)?;
        Ok(Arc::new(Self { shared, writer: Some(writer), set_aside: opened.set_aside }))
    }

    /// The file that was in the way when the spool was opened, and is kept beside it. An event
    /// `health` says the same.
    pub fn set_aside(&self) -> Option<&SetAside> {
        self.set_aside.as_ref()
    }

    /// Takes an event in, from any thread and without waiting for the disk. `None`: there is no room,
    /// as the disk has taken nothing for long; it is counted, and told once the disk works.
    pub fn record(&self, draft: Draft) -> Option<EventId> {
        self.shared.queue.push(draft)
    }

    /// Has `listener` hear of each event `health` as it is recorded, on the thread that records it: also
    /// while the disk takes nothing. Only the first call counts.
    pub fn on_health(&self, listener: impl Fn(Option<&CameraId>, &Health) + Send + Sync + 'static) {
        self.shared.queue.on_health(Box::new(listener));
    }

    /// The name of this process, as in its events.
    pub fn instance(&self) -> &str {
        self.shared.queue.instance()
    }

    /// An id for what an event will name, such as a recording.
    pub fn next_id(&self) -> EventId {
        self.shared.queue.next_id()
    }

    /// Waits until everything that was recorded before is on the disk. `false`: it is not yet.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.shared.queue.flush(timeout)
    }

    /// Has a sink read from here. A new one begins behind the events that are on the disk; one that
    /// was registered before goes on where it was.
    pub fn register(&self, sink: &str) {
        let mut state = self.shared.state();
        let last = state.extent.next - 1;
        state.cursors.register(sink, last);
        drop(state);
        self.shared.queue.cursors_changed();
    }

    /// Forgets a sink and what it has not delivered. `false`: there was none of this name.
    pub fn unregister(&self, sink: &str) -> bool {
        let was_there = self.shared.state().cursors.unregister(sink);
        self.shared.queue.cursors_changed();
        was_there
    }

    /// Forgets every sink but these, such as those that are configured no more. Returns their names.
    pub fn retain_sinks(&self, sinks: &[&str]) -> Vec<String> {
        let mut names = self.shared.state().cursors.names();
        names.retain(|name| !sinks.contains(&name.as_str()));
        names.retain(|name| self.unregister(name));
        names
    }

    /// The events that a sink has not acknowledged, oldest first. It reads from the disk: milliseconds.
    ///
    /// # Errors
    /// When no such sink is registered, or the database cannot be read.
    pub fn read(&self, sink: &str, limit: usize) -> Result<Vec<Stored>, SpoolError> {
        let at = self.shared.state().cursors.get(sink)?.at;
        self.read_after(at, limit)
    }

    /// The events behind a sequence number, oldest first. It reads from the disk: milliseconds.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read_after(&self, sequence: u64, limit: usize) -> Result<Vec<Stored>, SpoolError> {
        let mut after = sequence;
        loop {
            let rows = self.shared.query(|reader| database::read_after(reader, after, limit))?;
            let Some((last, _)) = rows.last() else { return Ok(Vec::new()) };
            after = *last;
            // What an earlier version wrote may be none of today's events.
            let event = |(sequence, json): (u64, String)| {
                let event: Event = serde_json::from_str(&json).ok()?;
                Some(Stored { sequence, event, json })
            };
            let events: Vec<_> = rows.into_iter().filter_map(event).collect();
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// A sink's receiver has taken everything up to this event.
    ///
    /// # Errors
    /// When no such sink is registered.
    pub fn acknowledge(&self, sink: &str, sequence: u64) -> Result<(), SpoolError> {
        self.shared.state().cursors.acknowledge(sink, sequence)?;
        self.shared.queue.cursors_changed();
        Ok(())
    }

    /// A sink's receiver has taken everything before this event, and will never take this one: it
    /// counts as dropped.
    ///
    /// # Errors
    /// When no such sink is registered.
    pub fn give_up(&self, sink: &str, sequence: u64) -> Result<(), SpoolError> {
        self.shared.state().cursors.give_up(sink, sequence)?;
        self.shared.queue.cursors_changed();
        Ok(())
    }

    /// A sink could not deliver. Credentials in the text are taken out.
    ///
    /// # Errors
    /// When no such sink is registered.
    pub fn failed(&self, sink: &str, error: &str) -> Result<(), SpoolError> {
        self.shared.state().cursors.failed(sink, &redact(error))
    }

    /// The sequence number of the last event on the disk, as it grows: what sinks wait for.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.shared.written.subscribe()
    }

    /// Recent events, whether or not they were delivered: the newest first, or with
    /// [`Query::after`] the oldest behind that one first. It reads from the disk: milliseconds.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recent(&self, query: &Query) -> Result<Vec<Event>, SpoolError> {
        let rows = self.shared.query(|reader| database::recent(reader, query))?;
        Ok(rows.iter().filter_map(|json| serde_json::from_str(json).ok()).collect())
    }

    /// How it does, from memory.
    pub fn stats(&self) -> SpoolStats {
        let (queued, refused) = self.shared.queue.depth();
        let state = self.shared.state();
        SpoolStats {
            events: state.extent.next - state.extent.first,
            bytes: state.extent.bytes,
            oldest: state.extent.oldest,
            queued,
            refused: refused + state.unreadable,
            failure: state.failure.clone(),
            sinks: state.cursors.stats(state.extent.next - 1),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.queue.close();
        let Some(writer) = self.writer.take() else { return };
        let deadline = Instant::now() + CLOSING;
        while !writer.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        // A disk that hangs must not hold the process.
        if writer.is_finished() {
            let _ = writer.join();
        }
    }
}

/// For nobody else's eyes: events say who was seen where.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
