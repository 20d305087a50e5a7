//! What the configuration file, and REST, say of a camera.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::events::CameraId;

/// How RTSP media travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// UDP, TCP where that brings nothing.
    #[default]
    Auto,
    /// TCP, interleaved.
    Tcp,
    /// UDP.
    Udp,
}

/// A camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CameraConfig {
    /// Its id.
    #[schema(value_type = String)]
    pub id: CameraId,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is: `rtsp://`, `http://`, `srt://`, `file:///`, `v4l2:///dev/video0`, `test://`.
    pub uri: String,
    /// How RTSP media travel.
    #[serde(default)]
    pub transport: Transport,
    /// Whether a file begins again at its end.
    #[serde(default, rename = "loop")]
    pub repeat: bool,
    /// Properties of its `m2sdfilter`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub filter: BTreeMap<String, serde_json::Value>,
}
