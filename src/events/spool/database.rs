//! The SQLite file: what is in it, and how it is changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use ulid::Ulid;

use super::super::{EventId, UtcTime};
use super::cursors::{Changes, Cursor};
use super::{Limits, Query};

pub(super) const NAME: &str = "events.db";

/// `m2sd`, in the header of the file.
pub(super) const APPLICATION_ID: i64 = 0x6d32_7364;
pub(super) const VERSION: i64 = 1;

/// Events lie in the order of their sequence numbers, without gaps; `head` outlives them.
const TABLES: &str = "
    CREATE TABLE events (
        sequence INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        recorded_ms INTEGER NOT NULL,
        type TEXT NOT NULL,
        camera TEXT,
        json TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_by_type ON events (type, sequence);
    CREATE INDEX events_by_camera ON events (camera, sequence);
    CREATE TABLE sinks (
        name TEXT PRIMARY KEY,
        at INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        dropped INTEGER NOT NULL,
        failures INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE head (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        next INTEGER NOT NULL,
        last_id BLOB NOT NULL
    ) STRICT;
";

/// An event that is ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: EventId,
    pub(super) kind: &'static str,
    pub(super) camera: Option<String>,
    pub(super) json: String,
}

/// Which events the database has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The sequence number of the oldest event; of the next one where there is none.
    pub(super) first: u64,
    /// The sequence number of the next event.
    pub(super) next: u64,
    /// Bytes of the pages that are in use.
    pub(super) bytes: u64,
    /// When the oldest was recorded.
    pub(super) oldest: Option<UtcTime>,
}

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    pub(super) path: PathBuf,
}

/// What an existing database knows.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) extent: Extent,
    pub(super) last_id: EventId,
    pub(super) sinks: Vec<(String, Cursor)>,
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// A connection for reading, beside the one that writes.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

impl Database {
    /// Opens the file, or makes an empty one. It becomes a spool by [`Self::prepare`].
    pub(super) fn connect(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Ok(Self { connection: connect(path, flags)?, path: path.to_owned() })
    }

    /// Closes the file, and knows nothing from now on.
    pub(super) fn release(&mut self) -> rusqlite::Result<()> {
        self.connection = Connection::open_in_memory()?;
        Ok(())
    }

    pub(super) fn number(&self, pragma: &str) -> rusqlite::Result<i64> {
        self.connection.pragma_query_value(None, pragma, |row| row.get(0))
    }

    /// Whether nothing has ever been made in it.
    pub(super) fn is_empty(&self) -> rusqlite::Result<bool> {
        let count = "SELECT count(*) FROM sqlite_schema";
        self.connection.query_row(count, [], |row| row.get::<_, i64>(0)).map(|count| count == 0)
    }

    /// What is wrong with it, by reading all of it; `None`: nothing.
    pub(super) fn damage(&self) -> rusqlite::Result<Option<String>> {
        let check = "PRAGMA quick_check(1)";
        let found: String = self.connection.query_row(check, [], |row| row.get(0))?;
        Ok((found != "ok").then(|| found.replace('\n', " ")))
    }

    /// Makes it a spool that writes what it promised through to the disk.
    pub(super) fn prepare(&mut self, next: u64) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "wal")?;
        self.connection.pragma_update(None, "synchronous", "full")?;
        self.connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
        if !self.is_empty()? {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.execute(
            "INSERT INTO head VALUES (1, ?, ?)",
            params![signed(next), Ulid::nil().to_bytes()],
        )?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    }

    pub(super) fn contents(&self) -> rusqlite::Result<Contents> {
        let head = "SELECT next, last_id FROM head";
        let (next, last_id) = self.connection.query_row(head, [], |row| {
            Ok((unsigned(row.get(0)?), EventId(Ulid::from_bytes(row.get(1)?))))
        })?;
        let extent = extent(&self.connection, next)?;
        let mut statement =
            self.connection.prepare("SELECT name, at, delivered, dropped, failures FROM sinks")?;
        let sinks = statement.query_map([], |row| {
            let cursor = Cursor {
                at: unsigned(row.get(1)?),
                delivered: unsigned(row.get(2)?),
                dropped: unsigned(row.get(3)?),
                failures: unsigned(row.get(4)?),
                ..Cursor::default()
            };
            Ok((row.get(0)?, cursor))
        })?;
        let sinks = sinks.collect::<rusqlite::Result<_>>()?;
        Ok(Contents { extent, last_id, sinks })
    }

    /// Appends rows, saves cursors and removes what is beyond the limits, all or nothing.
    pub(super) fn write(
        &mut self,
        rows: &[Row],
        next: u64,
        changes: &Changes,
        limits: Limits,
    ) -> rusqlite::Result<Extent> {
        let now = UtcTime::now().0.as_millisecond();
        let transaction = self.connection.transaction()?;
        let mut after = next;
        for row in rows {
            transaction.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)")?.execute(
                params![signed(after), row.id.0.to_bytes(), now, row.kind, row.camera, row.json],
            )?;
            after += 1;
        }
        if let Some(last) = rows.last() {
            transaction
                .prepare_cached("UPDATE head SET next = ?, last_id = ?")?
                .execute(params![signed(after), last.id.0.to_bytes()])?;
        }
        save(&transaction, changes)?;
        let max_age = i64::try_from(limits.max_age.as_millis()).unwrap_or(i64::MAX);
        remove_older(&transaction, now.saturating_sub(max_age), after)?;
        remove_until(&transaction, limits.max_bytes, after)?;
        let extent = extent(&transaction, after)?;
        transaction.commit()?;
        Ok(extent)
    }
}

fn save(connection: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    for (name, cursor) in &changes.changed {
        connection.prepare_cached("INSERT OR REPLACE INTO sinks VALUES (?, ?, ?, ?, ?)")?.execute(
            params![
                name,
                signed(cursor.at),
                signed(cursor.delivered),
                signed(cursor.dropped),
                signed(cursor.failures)
            ],
        )?;
    }
    for name in &changes.removed {
        connection.execute("DELETE FROM sinks WHERE name = ?", [name])?;
    }
    Ok(())
}

/// Removes from the front what was recorded earlier, up to the first that was not: a clock that was
/// set back makes no gaps.
fn remove_older(connection: &Connection, limit_ms: i64, next: u64) -> rusqlite::Result<()> {
    let kept = "SELECT sequence FROM events WHERE recorded_ms >= ? ORDER BY sequence LIMIT 1";
    let mut statement = connection.prepare_cached(kept)?;
    let kept: Option<i64> = statement.query_row([limit_ms], |row| row.get(0)).optional()?;
    remove_before(connection, kept.unwrap_or(signed(next)))
}

/// Removes the oldest in steps until the rest fits.
fn remove_until(connection: &Connection, max_bytes: u64, next: u64) -> rusqlite::Result<()> {
    loop {
        let extent = extent(connection, next)?;
        let count = next - extent.first;
        if extent.bytes <= max_bytes || count == 0 {
            return Ok(());
        }
        remove_before(connection, signed(extent.first + count.div_ceil(64)))?;
    }
}

fn remove_before(connection: &Connection, sequence: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM events WHERE sequence < ?")?.execute([sequence])?;
    Ok(())
}

fn extent(connection: &Connection, next: u64) -> rusqlite::Result<Extent> {
    let first = "SELECT sequence, recorded_ms FROM events ORDER BY sequence LIMIT 1";
    let first = connection
        .prepare_cached(first)?
        .query_row([], |row| Ok((unsigned(row.get(0)?), row.get::<_, i64>(1)?)))
        .optional()?;
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(unsigned)
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(Extent {
        first: first.map_or(next, |(sequence, _)| sequence),
        next,
        bytes: pages * pragma("page_size")?,
        oldest: first.and_then(|(_, ms)| jiff::Timestamp::from_millisecond(ms).ok()).map(UtcTime),
    })
}

/// Events behind a sequence number, with it.
pub(super) fn read_after(
    connection: &Connection,
    sequence: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, String)>> {
    let events = "SELECT sequence, json FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?";
    let mut statement = connection.prepare_cached(events)?;
    let rows = statement.query_map(params![signed(sequence), count(limit)], |row| {
        Ok((unsigned(row.get(0)?), row.get(1)?))
    })?;
    rows.collect()
}

/// The events that a query asks for.
pub(super) fn recent(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<String>> {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    let mut require = |condition: String, value: Value| {
        conditions.push(condition);
        values.push(value);
    };
    let blob = |id: EventId| Value::Blob(id.0.to_bytes().to_vec());
    if let Some(id) = query.after {
        require("id > ?".to_owned(), blob(id));
    }
    if let Some(id) = query.before {
        require("id < ?".to_owned(), blob(id));
    }
    if let Some(camera) = &query.camera {
        require("camera = ?".to_owned(), Value::Text(camera.as_str().to_owned()));
    }
    if !query.types.is_empty() {
        conditions.push(format!("type IN ({})", vec!["?"; query.types.len()].join(", ")));
        values.extend(query.types.iter().cloned().map(Value::Text));
    }
    values.push(Value::Integer(count(query.limit)));
    let filter = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    let order = if query.after.is_some() { "ASC" } else { "DESC" };
    // Only these words are put together; what is asked for is bound.
    let sql = format!("SELECT json FROM events WHERE {filter} ORDER BY sequence {order} LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(0))?;
    rows.collect()
}

/// Sequence numbers stay far below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
