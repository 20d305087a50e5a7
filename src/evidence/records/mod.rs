//! The first and the last record of a scan, for who writes and who reads them.
//!
//! ```
//! use gstm2sd::evidence::records::{Edge, End};
//!
//! let line = r#"{"type":"footer","end":"interrupted","reason":"ended by signal 15","frames":3}"#;
//! let Ok(Edge::Footer(footer)) = Edge::parse(line) else { panic!("a footer") };
//! assert_eq!((footer.end, footer.counts.frames), (End::Interrupted, 3));
//! ```

mod below;
mod crops;
mod footer;
mod header;
mod places;
mod said;
mod wall;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use thiserror::Error;

pub use self::below::those_below;
pub use self::crops::{CropsFile, Which};
pub use self::footer::{Counts, Damage, End, Footer};
pub use self::header::{
    Audio, Calibration, Header, Host, Input, InputKind, Judging, Media, ModelFile, Point,
    Population, Rate, Span, Versions, Video,
};
pub use self::places::input_places;
pub use self::said::Said;
pub use self::wall::{WALL, WallEnd, WallStart, without_wall};

/// What records are called in a scan's folder: whole ones, and those of a scan that was killed.
pub const FILES: [&str; 2] = ["scores.jsonl", "scores.jsonl.part"];

/// Of [`Header::format`]: higher where a reader of before would misread.
pub const FORMAT: u32 = 1;

/// Records that this version would misread.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("its records have format {0}, and this m2sd reads {FORMAT}; read them with a newer one")]
pub struct NewerFormat(pub u32);

impl Header {
    /// # Errors
    /// Where a newer version wrote the records.
    pub fn check_format(&self) -> Result<(), NewerFormat> {
        if self.format > FORMAT { Err(NewerFormat(self.format)) } else { Ok(()) }
    }
}

/// What is wrong with a line that is to be a record, in words.
pub fn fault(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => "it is cut short".to_owned(),
        Category::Syntax => format!("it is no JSON from its character {} on", error.column()),
        Category::Data | Category::Io => {
            let text = error.to_string();
            // Each record is one line.
            text.split(" at line ").next().unwrap_or_default().to_owned()
        }
    }
}

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
