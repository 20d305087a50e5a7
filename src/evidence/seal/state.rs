//! How the scan ended whose records a file holds.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use super::folder::open;

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
    if kind(&first).is_none_or(|(kind, _)| kind != "header") {
        return Ok(None);
    }
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(size.saturating_sub(MOST_BYTES)))?;
    let mut end = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut end)?;
    let last = end.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Some(match kind(last) {
        Some((kind, record)) if matches!(kind.as_str(), "end" | "footer") => {
            let said = ["ended", "status"].iter().find_map(|name| record[*name].as_str());
            said.unwrap_or("complete").to_owned()
        }
        _ => UNKNOWN.to_owned(),
    }))
}

/// A record and its type.
fn kind(line: &[u8]) -> Option<(String, Value)> {
    let record: Value = serde_json::from_slice(line).ok()?;
    Some((record.get("type")?.as_str()?.to_owned(), record))
}
