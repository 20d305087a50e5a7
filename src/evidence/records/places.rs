//! Where the input of records may be now.

use std::path::{Path, PathBuf};

use crate::core::file_name::path_of;

/// Places of an input that records in `folder` call `name`: where it was, and with the results, which may
/// have been taken elsewhere.
pub fn input_places(name: &str, folder: &Path) -> Vec<PathBuf> {
    let called = path_of(name);
    let file = called.file_name().map(ToOwned::to_owned);
    let beside = file.map(|file| [folder.join(&file), folder.join("..").join(&file)]);
    [called].into_iter().chain(beside.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn an_input_is_looked_for_by_what_the_records_call_it() {
        let dir = tempfile::tempdir().unwrap();
        for (name, first) in [
            ("in/clip.mp4", &b"in/clip.mp4"[..]),
            ("file:///in/a%20clip%FF.mp4", b"/in/a clip\xff.mp4"),
        ] {
            let places = input_places(name, dir.path());
            assert_eq!(places[0], Path::new(OsStr::from_bytes(first)));
            assert_eq!(places.len(), 3);
            assert!(places[1..].iter().all(|place| place.file_name() == places[0].file_name()));
        }
    }
}
