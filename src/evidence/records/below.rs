//! Folders of results in a folder that somebody named instead of one of them.

use std::path::Path;

/// Folders that are named; of more there is a number.
const MOST_NAMED: usize = 5;

/// The folders in `folder` that hold one of `files`, in words; `None`: there is none.
pub fn those_below(folder: &Path, files: &[&str]) -> Option<String> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let holds = |path: &std::path::PathBuf| files.iter().any(|file| path.join(file).is_file());
    let mut found: Vec<_> = entries.filter(holds).collect();
    found.sort();
    let named = found.iter().take(MOST_NAMED).map(|path| path.display().to_string());
    let named = named.collect::<Vec<_>>().join(", ");
    match found.len() {
        0 => None,
        count if count > MOST_NAMED => Some(format!("{named} and {} more", count - MOST_NAMED)),
        _ => Some(named),
    }
}
