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

pub use library::Recordings;
pub use ring::Ring;

/// How long recordings are, and how much all of them may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Before the alert.
    pub pre_roll: Duration,
    /// After the alert.
    pub post_roll: Duration,
    /// The longest recording, which further alerts of the camera prolong.
    pub longest: Duration,
    /// Bytes of all recordings: the oldest are removed.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pre_roll: Duration::from_secs(10),
            post_roll: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            max_bytes: 10_000_000_000,
        }
    }
}

impl Limits {
    /// # Errors
    /// When they contradict one another: the name, what was found, and what was expected.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (name, period, most_s) in
            [("pre-roll", self.pre_roll, 300), ("post-roll", self.post_roll, 3600)]
        {
            if period > Duration::from_secs(most_s) {
                return Err((name, format!("{period:?} is too long: {most_s}s at most")));
            }
        }
        let rolls = self.pre_roll + self.post_roll;
        if self.longest < rolls {
            let longest = self.longest;
            return Err(("longest", format!("{longest:?} is less than the two rolls, {rolls:?}")));
        }
        Ok(())
    }
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
