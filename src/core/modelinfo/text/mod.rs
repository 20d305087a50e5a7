//! A sidecar's text.

mod key;
mod read;
mod write;

use std::collections::BTreeMap;

use super::ModelInfoError;

/// The section that holds the keys of the whole file.
pub(super) const GLOBAL: &str = "modelinfo";
const SUFFICIENCY: &str = "sufficiency";
const CALIBRATION: &str = "calibration";
/// Before the name of an operating point.
const OPERATING_POINT: &str = "operating-point ";

type Keys = BTreeMap<String, String>;

/// Whether a tensor's name, which the file's author chose, can stand as `[name]` and be nothing else:
/// a name with a line break could bring keys of its own.
pub(super) fn is_section_name(name: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '[' | ']');
    let is_ours =
        [GLOBAL, SUFFICIENCY, CALIBRATION].contains(&name) || name.starts_with(OPERATING_POINT);
    !name.is_empty() && !is_ours && name.trim() == name && !name.contains(breaks)
}

/// The sections in the order of the file, the keys of those with one name together.
fn sections(text: &str) -> Result<Vec<(String, Keys)>, ModelInfoError> {
    let mut all: Vec<(String, Keys)> = Vec::new();
    let mut current = None;
    for (n, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            current = Some(place(&mut all, name.trim()));
        } else if let Some((key, value)) = line.split_once('=') {
            let section = *current.get_or_insert_with(|| place(&mut all, ""));
            if let Some((_, keys)) = all.get_mut(section) {
                keys.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        } else {
            return Err(ModelInfoError::Syntax { line: n + 1, text: line.to_owned() });
        }
    }
    Ok(all)
}

fn place(all: &mut Vec<(String, Keys)>, name: &str) -> usize {
    let found = all.iter().position(|(section, _)| section == name);
    found.unwrap_or_else(|| {
        all.push((name.to_owned(), Keys::new()));
        all.len() - 1
    })
}
