//! Whether what OpenVINO compiled lies on the disk as it was written. OpenVINO looks at how a file
//! begins and how long it is; numbers that changed in the middle of one would be computed with.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Says of each compiled file how long it is and what its CRC-32 is.
const RECORD: &str = "blobs.txt";

/// One compiled file as it was written.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Blob {
    name: String,
    bytes: u64,
    crc: u32,
}

/// Records the compiled files in `dir`.
pub(super) fn record(dir: &Path) -> io::Result<()> {
    let line = |blob: Blob| format!("{} {:08x} {}\n", blob.bytes, blob.crc, blob.name);
    let lines: String = found(dir)?.into_iter().map(line).collect();
    fs::write(dir.join(RECORD), lines)
}

/// Whether the compiled files in `dir` are those that were recorded, by every byte.
pub(super) fn are_whole(dir: &Path) -> bool {
    found(dir).is_ok_and(|found| !found.is_empty() && found == recorded(dir))
}

/// Whether they are as long as those that were recorded, which costs nothing to see.
pub(super) fn have_their_length(dir: &Path) -> bool {
    let recorded = recorded(dir);
    let is_there =
        |blob: &Blob| dir.join(&blob.name).metadata().is_ok_and(|found| found.len() == blob.bytes);
    !recorded.is_empty() && recorded.iter().all(is_there)
}

/// Removes the compiled files in `dir`, so that the network is compiled again.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    paths(dir)?.iter().try_for_each(fs::remove_file)
}

fn recorded(dir: &Path) -> Vec<Blob> {
    let text = fs::read_to_string(dir.join(RECORD)).unwrap_or_default();
    let blob = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (bytes, crc, name) = (words.next()?, words.next()?, words.next()?);
        let crc = u32::from_str_radix(crc, 16).ok()?;
        Some(Blob { name: name.to_owned(), bytes: bytes.parse().ok()?, crc })
    };
    text.lines().map(blob).collect::<Option<_>>().unwrap_or_default()
}

fn found(dir: &Path) -> io::Result<Vec<Blob>> {
    paths(dir)?.iter().map(|path| read(path)).collect()
}

fn paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "blob"));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> io::Result<Blob> {
    let (mut file, mut hasher) = (File::open(path)?, crc32fast::Hasher::new());
    let (mut piece, mut bytes) = (vec![0; 1 << 18], 0);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => {
                hasher.update(piece.get(..n).unwrap_or_default());
                bytes += n as u64;
            }
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Blob { name, bytes, crc: hasher.finalize() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_that_changed_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let blob = dir.path().join("1.blob");
        assert!(!are_whole(dir.path()) && !have_their_length(dir.path()));
        fs::write(&blob, [7; 1000]).unwrap();
        assert!(!are_whole(dir.path()), "nobody recorded it");
        record(dir.path()).unwrap();
        assert!(are_whole(dir.path()) && have_their_length(dir.path()));
        for (bytes, has_its_length) in
            [(vec![7; 999], false), ([vec![7; 500], vec![8; 500]].concat(), true)]
        {
            fs::write(&blob, bytes).unwrap();
            assert!(!are_whole(dir.path()));
            assert_eq!(have_their_length(dir.path()), has_its_length);
        }
        remove(dir.path()).unwrap();
        assert!(!blob.exists() && !are_whole(dir.path()));
    }
}
