//! What a scan keeps of what its classifier saw.

use serde::{Deserialize, Serialize};

/// Which clip of a face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The clip of the highest P(fake).
    Highest,
    /// The kept clip whose score is nearest to the middle one of all.
    #[default]
    Typical,
    /// The clip of the lowest P(fake).
    Lowest,
}

impl Which {
    /// In the order of a report.
    pub const ALL: [Self; 3] = [Self::Highest, Self::Typical, Self::Lowest];

    /// As in the records: “the … score”.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Highest => "highest",
            Self::Typical => "typical",
            Self::Lowest => "lowest",
        }
    }
}

/// A picture of the aligned crops of one clip, in a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct CropsFile {
    /// The face's track.
    pub track: u64,
    /// Which of the face's clips it is.
    pub which: Which,
    /// Of the clip, in seconds.
    pub start: f64,
    /// Where the clip ends, in seconds.
    pub end: f64,
    /// P(fake) of the clip.
    pub score: f64,
    /// In the scan's folder.
    pub file: String,
    /// Crops in the picture: evenly spaced frames of the clip, in order.
    pub count: u32,
}
