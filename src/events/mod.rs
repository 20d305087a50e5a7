//! What leaves: events of clips, verdicts, tracks, alerts, cameras and health, as typed records.
//!
//! Whoever watches a stream makes a [`Draft`] of each thing that happens. An [`EventMaker`] gives it an
//! id, which grows from event to event, and the name of the process; the event is appended to a durable
//! spool, from which every sink reads at its own pace. An event leaves at least once; its id tells
//! whether it came before.
//!
//! | file | holds |
//! | --- | --- |
//! | `event` | the envelope: id, camera, time |
//! | `body` | the seven types of event and their fields |
//! | `alert` | when a verdict of fake becomes an alert |
//! | `secret` | passwords and keys |
//! | `schema` | the JSON Schema, `docs/events.schema.json` |
//! | `spool` | the durable queue between video and sinks |
//! | `sinks` | the ways by which events leave |
//!
//! Names are those of bus messages and records (`docs/metadata.md`); `docs/events.md` describes all.

pub mod alert;
pub mod body;
mod event;
mod schema;
mod secret;
pub mod sinks;
pub mod spool;

pub use body::Body;
pub use event::{
    CameraId, Draft, Event, EventId, EventMaker, InvalidCameraId, TimeSource, UtcTime,
};
pub use schema::json_schema;
pub use secret::Secret;
pub use spool::{Spool, SpoolError};
