//! What differs from run to run stands in one place.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the objects that hold what two runs over the same input do not share: everything that a
/// clock on the wall says.
pub const WALL: &str = "wall";

/// When a scan began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct WallStart {
    /// UTC, RFC 3339, to the millisecond.
    pub start: String,
}

/// When a scan ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct WallEnd {
    /// UTC, RFC 3339, to the millisecond.
    pub end: String,
    /// From the start to the end, in seconds.
    pub seconds: f64,
}

/// The record without what differs from run to run.
pub fn without_wall(mut record: Value) -> Value {
    if let Some(fields) = record.as_object_mut() {
        fields.remove(WALL);
    }
    record
}
