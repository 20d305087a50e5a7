//! A camera, and what all cameras have where they say nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Period;
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

/// Properties of an `m2sdfilter`, by name.
pub type FilterConfig = BTreeMap<String, serde_json::Value>;

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
    /// Where it is: `rtsp://`, `rtsps://`, `http://`, `https://`, `srt://`, `file:///`,
    /// `v4l2:///dev/video0`, `test://`, `drawn://`.
    pub uri: String,
    /// Who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The environment variable that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// The file that holds the password, on its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub password_file: Option<PathBuf>,
    /// How RTSP media travel; `auto` where nothing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// How long packets wait for those before them; 200 ms where nothing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub latency: Option<Period>,
    /// Whether a server's certificate must be valid; yes where nothing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    /// Whether a file begins again at its end.
    #[serde(default, rename = "loop", skip_serializing_if = "Option::is_none")]
    pub repeat: Option<bool>,
    /// How long a connection may take until its first frame; 10 s where nothing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub connect_timeout: Option<Period>,
    /// How long frames may stay away before it is called stalled; 3 s where nothing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub stall_timeout: Option<Period>,
    /// Whether its alerts are recorded, where recordings are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<bool>,
    /// Properties of its `m2sdfilter`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub filter: FilterConfig,
}

/// What cameras have that say nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs, reason = "as in CameraConfig")]
pub struct Defaults {
    pub username: Option<String>,
    pub password_env: Option<String>,
    pub password_file: Option<PathBuf>,
    pub transport: Option<Transport>,
    pub latency: Option<Period>,
    pub tls_verify: Option<bool>,
    #[serde(rename = "loop")]
    pub repeat: Option<bool>,
    pub connect_timeout: Option<Period>,
    pub stall_timeout: Option<Period>,
    pub record: Option<bool>,
    #[serde(default)]
    pub filter: FilterConfig,
}

/// All that a camera's pipeline and its supervisor are made from: equal ones need no restart.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "as in CameraConfig")]
pub struct CameraSettings {
    pub id: CameraId,
    pub name: String,
    pub uri: String,
    pub username: Option<String>,
    pub password_env: Option<String>,
    pub password_file: Option<PathBuf>,
    pub transport: Transport,
    pub latency: Duration,
    pub tls_verify: bool,
    pub repeat: bool,
    pub connect_timeout: Duration,
    pub stall_timeout: Duration,
    pub record: bool,
    pub filter: FilterConfig,
}

impl CameraConfig {
    /// A camera of which nothing but its address is known.
    pub fn new(id: CameraId, uri: impl Into<String>) -> Self {
        Self {
            id,
            name: None,
            uri: uri.into(),
            username: None,
            password_env: None,
            password_file: None,
            transport: None,
            latency: None,
            tls_verify: None,
            repeat: None,
            connect_timeout: None,
            stall_timeout: None,
            record: None,
            filter: FilterConfig::new(),
        }
    }

    /// What holds for it: what it says, else what the defaults say.
    pub fn settings(&self, defaults: &Defaults) -> CameraSettings {
        let time = |own: Option<Period>, other: Option<Period>, ms| {
            own.or(other).map_or(Duration::from_millis(ms), |period| period.0)
        };
        let mut filter = defaults.filter.clone();
        filter.extend(self.filter.clone());
        // One of the two: a camera's own variable does not compete with the defaults' file.
        let (password_env, password_file) =
            match self.password_env.is_some() || self.password_file.is_some() {
                true => (self.password_env.clone(), self.password_file.clone()),
                false => (defaults.password_env.clone(), defaults.password_file.clone()),
            };
        CameraSettings {
            id: self.id.clone(),
            name: self.name.clone().unwrap_or_else(|| self.id.to_string()),
            uri: self.uri.clone(),
            username: self.username.clone().or_else(|| defaults.username.clone()),
            password_env,
            password_file,
            transport: self.transport.or(defaults.transport).unwrap_or_default(),
            latency: time(self.latency, defaults.latency, 200),
            tls_verify: self.tls_verify.or(defaults.tls_verify).unwrap_or(true),
            repeat: self.repeat.or(defaults.repeat).unwrap_or(false),
            connect_timeout: time(self.connect_timeout, defaults.connect_timeout, 10_000),
            stall_timeout: time(self.stall_timeout, defaults.stall_timeout, 3_000),
            record: self.record.or(defaults.record).unwrap_or(true),
            filter,
        }
    }
}
