//! Seals of the folders above.

use std::path::{Path, PathBuf};

use super::SEAL_FILE;

/// The folder with a seal that holds whatever is, or will be, at `path`: it, or one above it.
pub fn sealed_above(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    // What is not there yet will be below the nearest that is.
    let there = path.ancestors().find_map(|above| above.canonicalize().ok())?;
    let sealed = there.ancestors().find(|folder| folder.join(SEAL_FILE).is_file());
    sealed.map(Path::to_owned)
}
