//! Recordings of alerts: what the camera sent, as it sent it, from before the alert to after it.
//!
//! ```text
//! parser's src pad ─probe─► Ring: whole groups of pictures ─► writer thread ─► muxer ─► ID.mp4
//! annotated frames ───────► stills ────────────────────────────────────────────────────► ID-N.jpg
//! ```
//!
//! Each camera has a [`Ring`] of encoded frames, which are referred to and never copied. An alert takes
//! what the ring holds from the key frame at or before the asked time, and what comes until the
//! post-roll is over. Nothing is encoded again. The file is a fragmented MP4 while it grows, so that it
//! plays whatever ends the process, and an ordinary one at its proper end.
//!
//! | file | holds |
//! | --- | --- |
//! | `ring` | the newest encoded frames of a camera, and who records them |
//! | `gops` | which of them are kept: plain rules without GStreamer |
//! | `writer` | one recording's file |
//! | `library` | the folder: what is in it, what is removed |
//! | `stills` | pictures of faces |

mod gops;
mod library;
mod ring;
mod stills;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use library::{Recordings, jpeg};
pub use ring::Ring;

/// What is recorded, and how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct RecordingConfig {
    /// Whether alerts are recorded.
    pub enabled: bool,
    /// Where; unset, `recordings` in the state folder.
    pub folder: Option<PathBuf>,
    /// Seconds before the alert.
    pub pre_roll: f64,
    /// Seconds after the alert.
    pub post_roll: f64,
    /// The longest recording, seconds, which alerts of the same camera prolong.
    pub longest: f64,
    /// Bytes of all recordings: the oldest are removed.
    pub max_bytes: u64,
}

impl Default for RecordingConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            folder: None,
            pre_roll: 10.0,
            post_roll: 10.0,
            longest: 300.0,
            max_bytes: 10_000_000_000,
        }
    }
}

impl RecordingConfig {
    /// # Errors
    /// When a number cannot be: what was found, and what was expected.
    pub fn check(&self) -> Result<(), String> {
        for (name, seconds, most) in [
            ("pre-roll", self.pre_roll, 300.0),
            ("post-roll", self.post_roll, 3600.0),
            ("longest", self.longest, 86_400.0),
        ] {
            if !(0.0..=most).contains(&seconds) {
                return Err(format!("{name} is {seconds}: 0 to {most} seconds are expected"));
            }
        }
        if self.longest < self.pre_roll + self.post_roll {
            let (longest, rolls) = (self.longest, self.pre_roll + self.post_roll);
            return Err(format!("longest is {longest}: pre-roll and post-roll take {rolls}"));
        }
        Ok(())
    }

    pub(super) fn times(&self) -> Times {
        // Checked: none is negative or beyond a day.
        let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Times {
            pre_roll: duration(self.pre_roll),
            post_roll: duration(self.post_roll),
            longest: duration(self.longest),
        }
    }
}

/// How long recordings are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub pre_roll: Duration,
    pub post_roll: Duration,
    pub longest: Duration,
}

/// Why an alert is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// There is nothing to begin with.
    #[error("no key frame has come from the camera yet")]
    NoKeyFrame,
    /// It cannot be written.
    #[error("the recording cannot be written to {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nothing installed takes these frames.
    #[error("no installed muxer takes {0} unencoded: expected h264, h265 or what Matroska takes")]
    Codec(String),
}
