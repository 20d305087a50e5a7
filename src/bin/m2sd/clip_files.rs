//! Clips as files: what `scan --clips` stores and `models compare` reads.
//!
//! One NumPy file a clip, `uint8` `[3,T,S,S]`: red, green and blue planes of the aligned face,
//! before any classifier's normalization.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use gstm2sd::filter::ClipPixels;
use ndarray::{Array4, ArrayView4};
use ndarray_npy::{ViewNpyError, ViewNpyExt, WriteNpyExt};

use crate::error::CliError;
use crate::partial_file::PartialFile;

/// Stores the clips of one scan.
pub struct ClipWriter {
    dir: PathBuf,
    /// Begins each file's name, so that several inputs can share a folder.
    stem: String,
    written: u64,
    /// Clips of an earlier scan of this name that none of this one has replaced.
    earlier: BTreeSet<PathBuf>,
}

impl ClipWriter {
    /// Makes the folder if need be. `input` is the file or URI that is scanned.
    pub fn new(dir: &Path, input: &str) -> Result<Self, CliError> {
        std::fs::create_dir_all(dir)
            .map_err(|e| CliError::input(format!("cannot make {}: {e}", dir.display())))?;
        let stem = stem(input);
        let earlier = of_stem(dir, &stem).into_iter().collect();
        Ok(Self { dir: dir.to_owned(), stem, written: 0, earlier })
    }

    /// Stores one clip.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, clip: &ClipPixels<'_>) -> Result<(), CliError> {
        let (track, start) = (clip.track.0, clip.span.start_ns as f64 / 1e9);
        let name = format!("{}_{:06}_face{track}_{start:.3}s.npy", self.stem, self.written);
        let path = self.dir.join(name);
        let file = PartialFile::create(&path)?;
        let mut out = BufWriter::new(file.file());
        let written = clip.pixels.write_npy(&mut out).map_err(|e| e.to_string());
        let written = written.and_then(|()| out.flush().map_err(|e| e.to_string()));
        written.map_err(|e| CliError::Input(format!("cannot write {}: {e}", path.display())))?;
        drop(out);
        file.keep()?;
        self.earlier.remove(&path);
        self.written += 1;
        Ok(())
    }

    /// What is left of an earlier scan, which is to go: a folder would hold clips of both.
    pub fn take_earlier(&mut self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.earlier)
    }

    /// How many clips were stored.
    pub fn written(&self) -> u64 {
        self.written
    }
}

/// Refuses a folder that has clips of an input of this name: they would be replaced, or what is left of
/// them be mixed with new ones.
///
/// # Errors
/// [`CliError::Usage`], which names one of them.
pub fn refuse_same_names(dir: &Path, input: &str) -> Result<(), CliError> {
    let found = of_stem(dir, &stem(input)).into_iter().next();
    found.map_or(Ok(()), |path| {
        Err(CliError::Usage(format!(
            "{} is there: clips of an input of this name. Name another folder for --clips, or let --force \
             replace them",
            path.display()
        )))
    })
}

/// The clips in a folder that a scan of an input of this stem stored there.
fn of_stem(dir: &Path, stem: &str) -> Vec<PathBuf> {
    // A folder that is not there has none.
    let mut paths = list(dir).unwrap_or_default();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('_'));
        rest.is_some_and(is_numbered)
    });
    paths
}

/// Whether this is `NUMBER_faceTRACK_SECONDSs.npy`, as [`ClipWriter::write`] has it.
fn is_numbered(rest: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = rest.strip_suffix("s.npy").and_then(|rest| rest.split_once("_face"));
    let Some((number, (track, start))) =
        parts.and_then(|(number, rest)| Some((number, rest.split_once('_')?)))
    else {
        return false;
    };
    is_number(number)
        && is_number(track)
        && start.split_once('.').is_some_and(|(whole, rest)| is_number(whole) && is_number(rest))
}

/// The last part of a path or URI without its ending, as far as it makes a file name anywhere.
pub fn stem(input: &str) -> String {
    let Some((_, address)) = input.split_once("://") else { return plain_stem(input) };
    let path = address.split(['?', '#']).next().unwrap_or_default();
    // Without user and password.
    let host = path.find('/').unwrap_or(path.len());
    plain_stem(path[..host].rfind('@').map_or(path, |at| &path[at + 1..]))
}

fn plain_stem(path: &str) -> String {
    let stem = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    match stem.chars().map(plain).collect::<String>() {
        // Those of dots alone are folders.
        none if none.chars().all(|c| c == '.') => "clip".to_owned(),
        stem => stem,
    }
}

/// The clips of a folder, by name.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |e| CliError::input(format!("cannot read {}: {e}", dir.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "npy") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(CliError::input(format!(
            "there are no clips (.npy) in {}. Make some with `m2sd scan VIDEO --clips {}`",
            dir.display(),
            dir.display()
        )));
    }
    paths.sort();
    Ok(paths)
}

/// Reads a clip that must be `uint8` `[3, frames, side_px, side_px]`.
pub fn read(path: &Path, frames: usize, side_px: usize) -> Result<Array4<u8>, CliError> {
    let bytes = std::fs::read(path)
        .map_err(|e| CliError::input(format!("cannot read {}: {e}", path.display())))?;
    let expected = [3, frames, side_px, side_px];
    let wrong = |found: String| {
        CliError::input(format!(
            "{}: {found}; expected a clip for these models, uint8 {expected:?} as `m2sd scan \
             --clips` with one of them stores it",
            path.display()
        ))
    };
    if !has_plain_header(&bytes) {
        return Err(wrong("its header is none that NumPy writes for numbers".to_owned()));
    }
    // A view, as the header's word for a length is not to be trusted with memory.
    let pixels = ArrayView4::<u8>::view_npy(&bytes).map_err(|error| match error {
        ViewNpyError::WrongDescriptor(found) => wrong(format!("its elements are {found}")),
        ViewNpyError::WrongNdim(_, found) => wrong(format!("it has {found} axes")),
        other => wrong(other.to_string()),
    })?;
    if pixels.shape() != expected {
        return Err(wrong(format!("it is uint8 {:?}", pixels.shape())));
    }
    Ok(pixels.to_owned())
}

/// The longest header that NumPy itself reads from files that it does not trust, in bytes.
const MAX_HEADER: usize = 10_000;
/// A dictionary with a tuple in it.
const MAX_NESTING: usize = 2;

/// Whether the header of a `.npy` file is short and flat: its parser calls itself for each bracket,
/// and a file of brackets would end the process.
fn has_plain_header(bytes: &[u8]) -> bool {
    let Some((magic, rest)) = bytes.split_at_checked(6) else { return false };
    let header = match rest {
        [1, _, low, high, header @ ..] => {
            header.get(..usize::from(u16::from_le_bytes([*low, *high])))
        }
        [2 | 3, _, a, b, c, d, header @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            usize::try_from(length).ok().and_then(|length| header.get(..length))
        }
        _ => None,
    };
    let Some(header) = header.filter(|h| magic == b"\x93NUMPY" && h.len() <= MAX_HEADER) else {
        return false;
    };
    let mut depth = 0usize;
    header.iter().all(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= MAX_NESTING
    })
}

#[cfg(test)]
mod tests {
    use gstm2sd::core::span::Span;
    use gstm2sd::core::track::TrackId;

    use super::*;

    #[test]
    fn names_tell_input_face_and_time_and_clips_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("clips");
        let mut writer = ClipWriter::new(&folder, "some/a film.mp4").unwrap();
        let pixels = Array4::from_shape_fn((3, 2, 4, 4), |(c, t, y, x)| (c + t * y + x) as u8);
        let span = Span { start_ns: 1_500_000_000, end_ns: 1_600_000_000 };
        for track in [TrackId(0), TrackId(7)] {
            writer.write(&ClipPixels { track, span, pixels: pixels.view() }).unwrap();
        }
        assert_eq!(writer.written(), 2);
        let paths = list(&folder).unwrap();
        assert!(paths[0].ends_with("a_film_000000_face0_1.500s.npy"), "{paths:?}");
        assert!(paths[1].ends_with("a_film_000001_face7_1.500s.npy"), "{paths:?}");
        assert_eq!(read(&paths[1], 2, 4).unwrap(), pixels);
    }

    #[test]
    fn a_clip_that_cannot_be_stored_is_an_error_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = ClipWriter::new(&dir.path().join("gone"), "x").unwrap();
        std::fs::remove_dir(dir.path().join("gone")).unwrap();
        let (pixels, span) = (Array4::zeros((3, 1, 2, 2)), Span { start_ns: 0, end_ns: 1 });
        let clip = ClipPixels { track: TrackId(0), span, pixels: pixels.view() };
        assert!(matches!(writer.write(&clip), Err(CliError::Input(_))));
        assert_eq!(writer.written(), 0);
    }

    #[test]
    fn every_input_gives_a_file_name() {
        for (input, expected) in [
            ("/videos/clip.mp4", "clip"),
            ("rtsp://camera:554/stream?user=a/b", "stream"),
            ("rtsp://camera/", "camera"),
            ("rtsp://user:secret@camera/", "camera"),
            ("a@b?.mp4", "a_b_"),
            ("a b:c.mkv", "a_b_c"),
            ("..", "clip"),
            ("/in/...mp4", "clip"),
            ("/in/..mp4", "clip"),
        ] {
            assert_eq!(stem(input), expected, "{input}");
        }
    }

    #[test]
    fn a_header_of_brackets_is_refused_and_not_parsed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.npy");
        let file = |header: &[u8]| {
            let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
            bytes.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
            bytes.extend(header);
            bytes
        };
        let shape = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 1, 1, 1), }\n";
        let mut sound = file(shape.as_bytes());
        sound.extend([1, 2, 3]);
        std::fs::write(&path, &sound).unwrap();
        assert_eq!(read(&path, 1, 1).unwrap().len(), 3, "the control");
        let brackets = [b"(".repeat(1_000_000), b"[".repeat(5_000), b"{'a': ((1".to_vec()];
        for header in brackets {
            std::fs::write(&path, file(&header)).unwrap();
            let error = read(&path, 1, 1).unwrap_err().to_string();
            assert!(error.contains("header") && error.contains("clip.npy"), "{error}");
        }
        for cut in 0..20 {
            std::fs::write(&path, &sound[..cut]).unwrap();
            assert!(read(&path, 1, 1).is_err(), "{cut} bytes");
        }
    }
}
