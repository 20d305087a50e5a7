//! Names of files as text, for records and tables: any name can be had again from its text.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::percent;

const SCHEME: &str = "file://";

/// The path itself, where it is Unicode; else the `file://` address of `absolute`, which is the same path
/// from the root on: in it every byte can be told.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::file_name::{path_of, told};
/// use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};
///
/// let plain = Path::new("a clip.mp4");
/// assert_eq!(told(plain, Path::new("/videos/a clip.mp4")), "a clip.mp4");
/// let odd = Path::new(OsStr::from_bytes(b"/videos/\xff.mp4"));
/// assert_eq!(told(odd, odd), "file:///videos/%FF.mp4");
/// assert_eq!(path_of(&told(odd, odd)), odd);
/// ```
pub fn told(path: &Path, absolute: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => format!("{SCHEME}{}", percent::encoded(absolute.as_os_str().as_bytes())),
    }
}

/// The file that a name stands for: a path, or a `file://` address.
pub fn path_of(name: &str) -> PathBuf {
    let Some(address) = name.strip_prefix(SCHEME) else { return PathBuf::from(name) };
    // Behind the host, which is this one.
    let path = address.find('/').map_or("", |slash| &address[slash..]);
    PathBuf::from(OsString::from_vec(percent::decoded_bytes(path)))
}
