//! What a scan says of itself after its last frame.

use serde::{Deserialize, Serialize};

use super::crops::CropsFile;
use super::wall::WallEnd;

/// How a scan ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The input, or what of it was asked for, was scanned to its end.
    Complete,
    /// By a signal, or by whoever read the records.
    Interrupted,
    /// The input ended before its time, or parts of it could not be decoded.
    TruncatedInput,
    /// An error ended the scan.
    #[default]
    Failed,
}

impl End {
    /// As in the records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::TruncatedInput => "truncated-input",
            Self::Failed => "failed",
        }
    }
}

/// The last record. Records without one are of a scan that was killed: they are true as far as they go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Footer {
    /// How the scan came to its end.
    pub end: End,
    /// Why, where it is not `complete`, or what is missing in results that are; in words.
    pub reason: Option<String>,
    /// Frames, faces and clips; in the record, beside the other fields.
    #[serde(flatten)]
    pub counts: Counts,
    /// Running time of the last frame, in seconds.
    pub time: Option<f64>,
    /// How far the input was read, in seconds of its own time; and how long it says that it is.
    pub input_end: Option<f64>,
    /// How long the input says that it is, in seconds.
    pub input_duration: Option<f64>,
    /// Stretches that were not there or could not be decoded, in order.
    pub damage: Vec<Damage>,
    /// What else whoever reads the scores should know, in words: faces that were left out, pictures that
    /// were too dark or upside down.
    pub notes: Vec<String>,
    /// The video or picture with boxes and scores that was written beside the records, by its name.
    pub annotated: Option<String>,
    /// What was kept of what the classifier saw, face by face.
    pub crops: Vec<CropsFile>,
    /// When, by the clock on the wall.
    pub wall: WallEnd,
}

impl Footer {
    /// Whether the scan wrote a file of this name into its folder, beside its records.
    pub fn has_written(&self, name: &str) -> bool {
        self.annotated.as_deref() == Some(name) || self.crops.iter().any(|crops| crops.file == name)
    }
}

/// What a scan has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Counts {
    /// Frames that left.
    pub frames: u64,
    /// Those on which faces were looked for, or followed from frames near by.
    pub frames_analysed: u64,
    /// Those that left without.
    pub frames_not_analysed: u64,
    /// Followed faces, each counted once.
    pub faces: u64,
    /// Clip records.
    pub clips: u64,
    /// Those with a score.
    pub clips_scored: u64,
    /// Those of which the classifier gave none.
    pub clips_failed: u64,
    /// Those that a live scan left out because the classifier was busy.
    pub clips_skipped: u64,
}

/// A part of the input that is not in the results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Damage {
    /// Seconds of the input's own time.
    pub start: f64,
    /// `None`: to an end that nobody knows.
    pub end: Option<f64>,
    /// `missing`, `cannot be decoded`, …; in words.
    pub why: String,
}
