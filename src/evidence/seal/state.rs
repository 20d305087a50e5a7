//! How the scan ended whose records a file holds.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use super::folder::open;
use crate::evidence::records::Edge;

/// What is read of a file's beginning, and of its end.
const MOST_BYTES: u64 = 1 << 20;

/// The word for an end that nothing tells.
pub(super) const UNKNOWN: &str = "unknown";

/// How a scan ended: what its last record says, `unknown` when there is no such record, `None` when
/// these are no records of a scan.
pub(super) fn ended(path: &Path) -> io::Result<Option<String>> {
    let mut file = open(path)?;
    let mut first = Vec::new();
    BufReader::new((&mut file).take(MOST_BYTES)).read_until(b'\n', &mut first)?;
    if !is_header(&first) {
        return Ok(None);
    }
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(size.saturating_sub(MOST_BYTES)))?;
    let mut end = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut end)?;
    let last = end.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let footer = str::from_utf8(last).ok().and_then(|line| Edge::parse(line).ok());
    let ended = match footer {
        Some(Edge::Footer(footer)) => footer.end.as_str(),
        _ => UNKNOWN,
    };
    Ok(Some(ended.to_owned()))
}

/// Whether a line is the first record of a scan, of whatever version.
fn is_header(line: &[u8]) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|record| record["type"] == "header")
}
