//! The folders of the system and of its user that models and libraries are looked for in.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, base_strategy::Xdg};

/// The user's data folder: `$XDG_DATA_HOME` where it is an absolute path, as its specification
/// asks, else `~/.local/share`. `None` for a user without a home.
pub fn data_home() -> Option<PathBuf> {
    let folder = Xdg::new().ok()?.data_dir();
    folder.is_absolute().then_some(folder)
}

/// The user's configuration: `$XDG_CONFIG_HOME` where it is an absolute path, else `~/.config`. `None`
/// for a user without a home.
pub fn config_home() -> Option<PathBuf> {
    let folder = Xdg::new().ok()?.config_dir();
    folder.is_absolute().then_some(folder)
}

/// The user's folder for what programs keep over restarts, ours in it: `$XDG_STATE_HOME/m2sd` where that
/// is an absolute path, else `~/.local/state/m2sd`. `None` for a user without a home.
#[cfg(feature = "publish")]
pub(crate) fn state_home() -> Option<PathBuf> {
    let folder = Xdg::new().ok()?.state_dir()?;
    folder.is_absolute().then(|| folder.join("m2sd"))
}

/// A path that the user sets in the environment; a relative one is meant from the working
/// directory, and becomes absolute, so that no later change of directory changes what it means.
pub(crate) fn set_in_env(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    let path = Path::new(&path);
    Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

/// The file that this code was loaded from: the plugin, or the program it is linked into.
///
/// The kernel's word: the loader keeps the name that it was given, which for a program is its
/// first argument, and a relative one would be looked up in the working directory of now.
pub(crate) fn own_file() -> Option<PathBuf> {
    file_at(&std::fs::read("/proc/self/maps").ok()?, own_file as *const () as usize)
}

/// The file that is mapped at an address, of a process whose `maps` these are: lines of
/// `begin-end permissions offset device inode path`.
fn file_at(maps: &[u8], address: usize) -> Option<PathBuf> {
    let range = |line: &[u8]| {
        let range = str::from_utf8(line.split(|b| *b == b' ').next()?).ok()?;
        let (begin, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some(number(begin)?..number(end)?)
    };
    let mut lines = maps.split(|b| *b == b'\n');
    let line = lines.find(|line| range(line).is_some_and(|range| range.contains(&address)))?;
    let path = line.get(line.iter().position(|b| *b == b'/')?..)?;
    Some(Path::new(OsStr::from_bytes(path)).to_owned())
}
