//! A sidecar's text.

mod key;
mod read;
mod write;

use std::collections::BTreeMap;

use configparser::ini::{Ini, IniDefault};

use super::ModelInfoError;

/// The section that holds the keys of the whole file.
pub(super) const GLOBAL: &str = "modelinfo";
const SUFFICIENCY: &str = "sufficiency";
const CALIBRATION: &str = "calibration";
/// Before the name of an operating point.
const OPERATING_POINT: &str = "operating-point ";
/// What a comment begins with.
const COMMENTS: [char; 2] = ['#', ';'];
/// Some editors begin files with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

type Keys = BTreeMap<String, String>;

/// Whether a tensor's name, which the file's author chose, can stand as `[name]` and be nothing else:
/// a name with a line break could bring keys of its own.
pub(super) fn is_section_name(name: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '[' | ']');
    let is_ours =
        [GLOBAL, SUFFICIENCY, CALIBRATION].contains(&name) || name.starts_with(OPERATING_POINT);
    !name.is_empty() && !is_ours && name.trim() == name && !name.contains(breaks)
}

/// The sections in the order of the file, the keys of those with one name together; of two equal keys the
/// last one. Values stand as they are: nothing is quoted, escaped or continued on a further line.
fn sections(text: &str) -> Result<Vec<(String, Keys)>, ModelInfoError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let lines = text.lines().map(str::trim).enumerate();
    if let Some((n, line)) = { lines }.find(|(_, line)| is_partly_ignored(line)) {
        return Err(ModelInfoError::Syntax { line: n + 1, text: line.to_owned() });
    }
    let sections = Ini::new_from_defaults(rules()).read(text.to_owned());
    let sections = sections.map_err(|reason| ModelInfoError::Ini { reason })?;
    let valued = |(key, value): (String, Option<String>)| Some((key, value?));
    Ok(sections
        .into_iter()
        .map(|(name, keys)| (name, keys.into_iter().filter_map(valued).collect()))
        .collect())
}

fn rules() -> IniDefault {
    let mut rules = IniDefault::default();
    rules.default_section = String::new();
    rules.comment_symbols = COMMENTS.to_vec();
    // Titles may have them.
    rules.enable_inline_comments = false;
    // Names of tensors and keys of others may have colons.
    rules.delimiters = vec!['='];
    rules.case_sensitive = true;
    rules.multiline = false;
    rules
}

/// Whether the reader would pass over something that somebody meant: a line without a value is a key
/// to it, and what follows a section's name is nothing.
fn is_partly_ignored(line: &str) -> bool {
    let is_meant = !line.is_empty() && !line.starts_with(COMMENTS);
    let ignored = match line.strip_prefix('[') {
        Some(section) => section.rfind(']').is_some_and(|end| end + 1 < section.len()),
        None => !line.contains('='),
    };
    is_meant && ignored
}
