//! The envelope of an event.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::PoisonError;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::Body;

/// The version of the schema. Fields may be added to it; a change of one is another version.
pub const SCHEMA: &str = "m2sd.event/1";

/// Something that happened, as it leaves: one flat JSON object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// `m2sd.event/1`. Readers refuse what they do not know, and ignore fields that they do not know.
    pub schema: String,
    /// Grows with time; the same event always has the same.
    pub id: EventId,
    /// The process that made it: the name of the worker.
    pub instance: String,
    /// The camera; missing where the event is about the whole process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraId>,
    /// When it happened.
    pub time: UtcTime,
    /// Where `time` comes from.
    pub time_source: TimeSource,
    /// The stream's running time in nanoseconds; missing for what happens to no frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_time: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What becomes an event: everything but what tells it from all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// As in [`Event`].
    pub camera: Option<CameraId>,
    /// As in [`Event`].
    pub time: UtcTime,
    /// As in [`Event`].
    pub time_source: TimeSource,
    /// As in [`Event`], nanoseconds.
    pub running_time: Option<u64>,
    /// As in [`Event`].
    pub body: Body,
}

impl Draft {
    /// Something that happens now, to no frame.
    pub fn now(camera: Option<CameraId>, body: Body) -> Self {
        let (time, time_source) = (UtcTime::now(), TimeSource::Clock);
        Self { camera, time, time_source, running_time: None, body }
    }
}

/// Makes events of drafts: one for each process.
#[derive(Debug)]
pub struct EventMaker {
    instance: String,
    /// The last id that was made.
    last: Mutex<Ulid>,
}

impl EventMaker {
    /// `instance` names this process among those that send to the same place.
    pub fn new(instance: impl Into<String>) -> Self {
        Self { instance: instance.into(), last: Mutex::new(Ulid::nil()) }
    }

    /// The name of this process.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The event of a draft. Ids grow from call to call, also when the clock is set back.
    pub fn make(&self, draft: Draft) -> Event {
        Event {
            schema: SCHEMA.to_owned(),
            id: self.next_id(),
            instance: self.instance.clone(),
            camera: draft.camera,
            time: draft.time,
            time_source: draft.time_source,
            running_time: draft.running_time,
            body: draft.body,
        }
    }

    /// An id for what an event names, such as a recording.
    pub fn next_id(&self) -> EventId {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Ulid::generate();
        *last = if fresh.timestamp_ms() > last.timestamp_ms() {
            fresh
        } else {
            // After 2^80 ids in one millisecond they run into the next.
            last.increment().unwrap_or_else(|overflowed| overflowed)
        };
        EventId(*last)
    }

    /// Has all further ids be greater than this one, also when the clock was set back since it was
    /// made: what an earlier process made sorts before what this one makes.
    pub fn continue_after(&self, id: EventId) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = id.0.max(*last);
    }
}

/// A ULID: 26 characters that sort by time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct EventId(
    #[schemars(with = "String", regex(pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"))] pub Ulid,
);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_str(text).map(Self)
    }
}

/// A camera's name: letters, digits, `_` and `-` of ASCII, 1 to 64 of them, so that it can stand in
/// topics, file names and addresses as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CameraId(String);

/// Derived, it would be that of any text, as it becomes one.
impl JsonSchema for CameraId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CameraId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })
    }
}

/// A text that names no camera.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no camera id: 1 to 64 of A-Z, a-z, 0-9, _ and - are expected")]
pub struct InvalidCameraId(String);

impl CameraId {
    /// # Errors
    /// When the text holds other characters, none, or too many.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidCameraId> {
        let text = text.into();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text))
        } else {
            Err(InvalidCameraId(text.chars().take(80).collect()))
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CameraId {
    type Err = InvalidCameraId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for CameraId {
    type Error = InvalidCameraId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<CameraId> for String {
    fn from(id: CameraId) -> Self {
        id.0
    }
}

/// A moment in UTC, written as RFC 3339 has it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct UtcTime(
    #[schemars(with = "String", extend("format" = "date-time"))] pub jiff::Timestamp,
);

impl UtcTime {
    /// The system clock's.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now())
    }

    /// Nanoseconds after 1970-01-01T00:00:00Z. `None`: beyond the year 9999.
    pub fn from_unix_ns(nanoseconds: u64) -> Option<Self> {
        jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).ok().map(Self)
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the time of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSource {
    /// The camera's own clock, by the reference timestamps that the stream carries.
    Reference,
    /// The sender's clock, by the NTP times of RTCP sender reports.
    Ntp,
    /// This machine's clock, when the frame was due here.
    Clock,
}
