//! The first and the last record of a scan, for who writes and who reads them.
//!
//! ```
//! use gstm2sd::evidence::records::{Edge, End};
//!
//! let line = r#"{"type":"footer","end":"interrupted","reason":"ended by signal 15","frames":3}"#;
//! let Ok(Edge::Footer(footer)) = Edge::parse(line) else { panic!("a footer") };
//! assert_eq!((footer.end, footer.counts.frames), (End::Interrupted, 3));
//! ```

mod crops;
mod footer;
mod header;
mod said;
mod wall;

use serde::{Deserialize, Serialize};

pub use self::crops::{CropsFile, Which};
pub use self::footer::{Counts, Damage, End, Footer};
pub use self::header::{
    Audio, Calibration, Header, Host, Input, InputKind, Judging, Media, ModelFile, Point,
    Population, Rate, Span, Versions, Video,
};
pub use self::said::Said;
pub use self::wall::{WALL, WallEnd, WallStart, without_wall};

/// What records are called in a scan's folder: whole ones, and those of a scan that was killed.
pub const FILES: [&str; 2] = ["scores.jsonl", "scores.jsonl.part"];

/// Of [`Header::format`]: higher where a reader of before would misread.
pub const FORMAT: u32 = 1;

/// A record that is not of a frame or a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Edge {
    /// The first record.
    Header(Box<Header>),
    /// The last record.
    Footer(Box<Footer>),
}

impl Edge {
    /// # Errors
    /// Where the line is no header and no footer, or one with other types of fields.
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// With its `type`.
    ///
    /// # Errors
    /// Where a number is not finite.
    pub fn to_value(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

#[cfg(test)]
mod tests;
