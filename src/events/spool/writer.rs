//! The thread that writes, and what it says of the spool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::body::{Health, HealthStatus};
use super::super::{Body, Draft, Event};
use super::database::{self, Database, Row};
use super::recovery::{self, SetAside};
use super::{Limits, Shared, SpoolError};

/// How often old events are looked for while nothing happens.
const IDLE: Duration = Duration::from_secs(1);
/// Between tries of a disk that takes nothing.
const RETRY: Duration = Duration::from_millis(500);
/// Tries of a disk that takes nothing, once the spool is being closed.
const LAST_TRIES: u32 = 3;
/// Drops are told at most this often.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Without further drops for so long the spool does well again.
const CALM: Duration = Duration::from_secs(60);

pub(super) struct Writer {
    shared: Arc<Shared>,
    database: Database,
    limits: Limits,
    /// A file that has been set aside, and not been replaced yet.
    set_aside: Option<SetAside>,
    told: Told,
}

/// What has been said of drops.
#[derive(Default)]
struct Told {
    /// Refused and dropped, when it was said last.
    count: u64,
    /// When it was said that events are being dropped.
    degraded: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, database: Database, limits: Limits) -> Self {
        // What was dropped before is old news.
        let count = shared.state().cursors.dropped();
        Self { shared, database, limits, set_aside: None, told: Told { count, degraded: None } }
    }

    pub(super) fn run(mut self) {
        loop {
            let work = self.shared.queue.wait(IDLE);
            let damage = self.shared.state().damage.take();
            if let Some(damage) = damage {
                self.replace(damage);
            }
            let rows: Vec<Row> = work.events.iter().filter_map(|event| self.row(event)).collect();
            if self.write(&rows) {
                self.shared.queue.are_durable(work.events.len());
            }
            if work.last {
                return;
            }
            self.tell_drops();
        }
    }

    /// `None`: it could not be read again, as numbers are not finite.
    fn row(&self, event: &Event) -> Option<Row> {
        let json = serde_json::to_string(event).ok()?;
        if serde_json::from_str::<Event>(&json).is_err() {
            self.shared.state().unreadable += 1;
            return None;
        }
        let camera = event.camera.as_ref().map(|camera| camera.as_str().to_owned());
        Some(Row { id: event.id, kind: event.body.type_name(), camera, json })
    }

    /// Tries until it is done; on closing, a few times. `false`: it is not done.
    fn write(&mut self, rows: &[Row]) -> bool {
        let begun = Instant::now();
        let mut tries = 0;
        while let Err(error) = self.try_write(rows) {
            tries += 1;
            let text = error.to_string();
            self.shared.state().failure = Some(text);
            if recovery::is_damage(&error) {
                self.replace(error.to_string());
            }
            if self.shared.queue.is_closed() && tries >= LAST_TRIES {
                return false;
            }
            std::thread::sleep(RETRY);
        }
        if tries > 0 {
            self.tell_recovery(begun.elapsed());
        }
        true
    }

    fn try_write(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        let (changes, next) = {
            let mut state = self.shared.state();
            (state.cursors.take_changes(), state.extent.next)
        };
        match self.database.write(rows, next, &changes, self.limits) {
            Ok(extent) => {
                let mut state = self.shared.state();
                state.extent = extent;
                state.cursors.begin_at(extent.first);
                drop(state);
                if !rows.is_empty() {
                    self.shared.written.send_replace(extent.next - 1);
                }
                Ok(())
            }
            Err(error) => {
                self.shared.state().cursors.give_back(changes);
                Err(error)
            }
        }
    }

    /// The file was damaged while it was in use: goes on with a new one. Readers wait meanwhile.
    fn replace(&mut self, damage: String) {
        let shared = Arc::clone(&self.shared);
        let mut reader = shared.reader();
        match self.try_replace(&mut reader, damage) {
            Ok(()) => {
                let mut state = shared.state();
                state.damage = None;
                let first = state.extent.first;
                state.cursors.begin_at(first);
                state.cursors.all_changed();
                drop(state);
                drop(reader);
                if let Some(set_aside) = self.set_aside.take() {
                    shared.queue.push_own(told_set_aside(&set_aside));
                }
            }
            Err(e) => shared.state().failure = Some(e.to_string()),
        }
    }

    fn try_replace(&mut self, reader: &mut Connection, damage: String) -> Result<(), SpoolError> {
        let next = self.shared.state().extent.next;
        let path = self.database.path.clone();
        let failed = |source| SpoolError::Database { path: path.clone(), source };
        // SQLite removes the log of a database that it closes, by its name: both are closed first.
        *reader = Connection::open_in_memory().map_err(failed)?;
        self.database.release().map_err(failed)?;
        // An earlier try may have come as far as this.
        if self.set_aside.is_none() {
            let aside = recovery::set_aside(&path)?;
            self.set_aside = Some(SetAside { path: aside, reason: damage });
        }
        let (database, contents) = recovery::begin(&path, next).map_err(failed)?;
        *reader = database::reader(&path).map_err(failed)?;
        self.database = database;
        self.shared.state().extent = contents.extent;
        Ok(())
    }

    fn tell_recovery(&self, after: Duration) {
        let failure = self.shared.state().failure.take().unwrap_or_default();
        let text = format!("the spool took nothing for {} s: {failure}", after.as_secs());
        self.tell(HealthStatus::Ok, text);
    }

    /// One event for many drops.
    fn tell_drops(&mut self) {
        let (_, refused) = self.shared.queue.depth();
        let (dropped, unreadable) = {
            let state = self.shared.state();
            (state.cursors.dropped(), state.unreadable)
        };
        let count = refused + dropped + unreadable;
        let since = self.told.degraded.map(|told| told.elapsed());
        if count > self.told.count && since.is_none_or(|since| since >= TOLD_EVERY) {
            let text = format!(
                "{} more events were dropped: so far {refused} because the disk was too slow, \
                 {dropped} because they were older or larger than the spool may hold or a receiver \
                 refused them, {unreadable} whose numbers were not finite",
                count - self.told.count
            );
            self.told = Told { count, degraded: Some(Instant::now()) };
            self.tell(HealthStatus::Degraded, text);
        } else if count == self.told.count && since.is_some_and(|since| since >= CALM) {
            self.told.degraded = None;
            self.tell(HealthStatus::Ok, "no events were dropped for a minute".to_owned());
        }
    }

    fn tell(&self, status: HealthStatus, text: String) {
        self.shared.queue.push_own(told(status, text, self.told.count));
    }
}

fn told(status: HealthStatus, text: String, dropped: u64) -> Draft {
    let health = Health { component: "spool".to_owned(), status, text, dropped: Some(dropped) };
    Draft::now(None, Body::Health(health))
}

pub(super) fn told_set_aside(set_aside: &SetAside) -> Draft {
    let text = format!(
        "{} could not be used ({}); it is kept as {}, and what was not delivered of it is lost",
        database::NAME,
        set_aside.reason,
        set_aside.path.display()
    );
    let health = Health {
        component: "spool".to_owned(),
        status: HealthStatus::Degraded,
        text,
        dropped: None,
    };
    Draft::now(None, Body::Health(health))
}

/// Starts the thread.
pub(super) fn start(
    shared: Arc<Shared>,
    database: Database,
    limits: Limits,
) -> Result<std::thread::JoinHandle<()>, SpoolError> {
    let writer = Writer::new(shared, database, limits);
    let thread = std::thread::Builder::new().name("m2sd-spool".to_owned());
    thread.spawn(move || writer.run()).map_err(SpoolError::Thread)
}
