//! The whole configuration file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::camera::{CameraConfig, CameraSettings, Defaults};
use super::problem::{ConfigError, Positions, line_and_column};
use super::time::Period;
use crate::events::CameraId;
use crate::events::sinks::{self, SinkConfig, SinkError};
use crate::watch::recording;
use crate::watch::rest::HttpConfig;

/// What a configuration file says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct WatchConfig {
    /// The process.
    pub watch: WatchSection,
    /// What cameras have that say nothing else.
    pub defaults: Defaults,
    /// The cameras.
    #[serde(rename = "camera")]
    pub cameras: Vec<CameraConfig>,
    /// Where events wait.
    pub spool: SpoolSection,
    /// Where events go.
    #[serde(rename = "sink")]
    pub sinks: Vec<SinkSection>,
    /// Recordings of alerts.
    pub recordings: RecordingsSection,
    /// The REST server and the page; none where it is missing.
    pub http: Option<HttpConfig>,
    /// How cameras are shared with other workers; not at all where it is missing.
    pub leases: Option<LeasesSection>,
}

/// The process.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct WatchSection {
    /// The name of this worker in events; the host's name where it is missing.
    pub name: Option<String>,
    /// What must survive a restart; `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/m2sd`, where it is
    /// missing.
    pub state_dir: Option<PathBuf>,
    /// How long an orderly stop may take; 5 s where it is missing.
    pub stop_timeout: Option<Period>,
}

/// Where events wait.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SpoolSection {
    /// Bytes that it may take.
    pub max_bytes: Option<u64>,
    /// How long events stay.
    pub max_age: Option<Period>,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SinkSection {
    /// Its name in health events and figures; the address without credentials where it is missing.
    pub name: Option<String>,
    /// Where to: `file:`, `stdout:`, `https:`, `mqtt:`, `nats:`, `kafka:`.
    pub url: String,
    /// Which types of event; all where it is missing.
    pub types: Option<Vec<String>>,
    /// Of which cameras; all where it is missing.
    pub cameras: Option<Vec<CameraId>>,
}

/// Recordings of alerts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RecordingsSection {
    /// Whether alerts are recorded; they are, where it is missing.
    pub enabled: bool,
    /// How much before an alert; 10 s where it is missing.
    pub pre_roll: Option<Period>,
    /// How much after it; 10 s where it is missing.
    pub post_roll: Option<Period>,
    /// The longest recording, which further alerts prolong; 5 minutes where it is missing.
    pub longest: Option<Period>,
    /// Bytes that recordings may take, beyond which the oldest go; 10 GB where it is missing.
    pub max_bytes: Option<u64>,
    /// Where they are; `recordings` in the state folder where it is missing.
    pub folder: Option<PathBuf>,
}

impl Default for RecordingsSection {
    fn default() -> Self {
        let (pre_roll, post_roll, longest) = (None, None, None);
        Self { enabled: true, pre_roll, post_roll, longest, max_bytes: None, folder: None }
    }
}

impl RecordingsSection {
    /// How long recordings are, and how much they may take.
    pub fn limits(&self) -> recording::Limits {
        let default = recording::Limits::default();
        let or = |period: Option<Period>, default| period.map_or(default, |period| period.0);
        recording::Limits {
            pre_roll: or(self.pre_roll, default.pre_roll),
            post_roll: or(self.post_roll, default.post_roll),
            longest: or(self.longest, default.longest),
            max_bytes: self.max_bytes.unwrap_or(default.max_bytes),
        }
    }
}

/// How cameras are shared with other workers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LeasesSection {
    /// The NATS server: `nats://host:4222`.
    pub url: String,
    /// The bucket of its key-value store; `m2sd-leases` where it is missing.
    pub bucket: Option<String>,
}

impl SinkSection {
    /// The sink that it is.
    ///
    /// # Errors
    /// When its address cannot be used.
    pub fn sink(&self) -> Result<SinkConfig, SinkError> {
        let mut sink = sinks::parse(&self.url)?;
        if let Some(name) = &self.name {
            sink = sink.named(name.clone());
        }
        if let Some(types) = &self.types {
            sink = sink.only_types(types.clone());
        }
        if let Some(cameras) = &self.cameras {
            sink = sink.only_cameras(cameras.clone());
        }
        Ok(sink)
    }
}

impl WatchConfig {
    /// Reads a file; returns where everything is in it, too.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has keys or values that are unknown: with the line.
    pub fn read(path: &Path) -> Result<(Self, Positions), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        Self::parse(&text, path)
    }

    /// As [`Self::read`], of a text that stands in `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, path: &Path) -> Result<(Self, Positions), ConfigError> {
        let failed = |error: toml::de::Error| {
            let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
            // Its message alone: what it displays quotes the line, which may hold a password.
            let text = error.message().to_owned();
            ConfigError::Syntax { path: path.to_owned(), line, column, text }
        };
        let positions = Positions::of(text).map_err(failed)?;
        let config = toml::from_str(text).map_err(failed)?;
        Ok((config, positions))
    }

    /// What holds for each camera, in the order of the file.
    pub fn settings(&self) -> impl Iterator<Item = CameraSettings> {
        self.cameras.iter().map(|camera| camera.settings(&self.defaults))
    }
}
