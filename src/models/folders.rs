//! The folders of the system and of its user that models and libraries are looked for in.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, base_strategy::Xdg};

/// The user's data folder: `$XDG_DATA_HOME` where it is an absolute path, as its specification
/// asks, else `~/.local/share`. `None` for a user without a home.
pub(crate) fn data_home() -> Option<PathBuf> {
    let folder = Xdg::new().ok()?.data_dir();
    folder.is_absolute().then_some(folder)
}

/// A path that the user sets in the environment; a relative one is meant from the working
/// directory, and becomes absolute, so that no later change of directory changes what it means.
pub(crate) fn set_in_env(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    let path = Path::new(&path);
    Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}
