//! What is asked of a spool, and what it tells of itself.

use std::time::Duration;

use super::super::{CameraId, Event, EventId, UtcTime};

/// What a spool may keep. Delivered events stay until a limit removes them, oldest first; so do those
/// that were not delivered, and they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the database, of which the file is made; its log may add 8 MiB for a while.
    pub max_bytes: u64,
    /// Since an event was recorded.
    pub max_age: Duration,
}

impl Limits {
    /// The smallest `max_bytes`.
    pub const SMALLEST: u64 = 1 << 20;
}

impl Default for Limits {
    /// 256 MiB, 7 days.
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_age: Duration::from_secs(7 * 24 * 3600) }
    }
}

/// An event in the spool.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its place: 1, 2, 3, … over the life of the spool.
    pub sequence: u64,
    /// What happened.
    pub event: Event,
    /// The event as it is sent: one line of JSON, without its end.
    pub json: String,
}

/// Which of the recent events are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Only events behind this one: then the oldest of them come, oldest first.
    pub after: Option<EventId>,
    /// Only events before this one.
    pub before: Option<EventId>,
    /// Only events of this camera.
    pub camera: Option<CameraId>,
    /// Only events of these types ([`super::super::Body::TYPES`]); none: of all.
    pub types: Vec<String>,
    /// At most so many.
    pub limit: usize,
}

/// How a spool does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpoolStats {
    /// Events in the database, delivered or not.
    pub events: u64,
    /// Bytes that the database uses.
    pub bytes: u64,
    /// When the oldest event in it was recorded.
    pub oldest: Option<UtcTime>,
    /// Events that wait in memory for the disk.
    pub queued: usize,
    /// Events that [`super::Spool::record`] refused since the process began.
    pub refused: u64,
    /// Why the disk does not take events at present.
    pub failure: Option<String>,
    /// Each registered sink, by name.
    pub sinks: Vec<SinkStats>,
}

/// How a sink does. The numbers are kept over restarts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkStats {
    /// Its name.
    pub name: String,
    /// Events that wait for it.
    pub depth: u64,
    /// Events that it has acknowledged.
    pub delivered: u64,
    /// Events that the limits removed, or damage destroyed, before it had them.
    pub dropped: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Why it does not deliver at present, without credentials.
    pub last_error: Option<String>,
}
