//! What the classifier saw of a face's clips with the highest, a typical and the lowest score: aligned crops
//! in a row, as pictures beside the records.
//!
//! Pixels are seen before the score is known, so each clip's row waits for it as JPEG. What is kept is
//! bounded, however long a scan lasts, and the same for every scan of the same input: it depends on clips
//! in the order of their ends, and on nothing else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gstm2sd::core::span::Span;
use gstm2sd::evidence::records::{CropsFile, Which};
use gstm2sd::filter::ClipPixels;
use jpeg_encoder::{ColorType, Encoder};
use ndarray::{Array3, ArrayView2, ArrayView4, ArrayViewMut2, s};

use super::clip::ClipRecord;
use super::values::seconds;
use crate::error::CliError;
use crate::partial_file;

/// The folder, beside the records.
const FOLDER: &str = "crops";
/// Frames of a clip in its row.
const MOST_CROPS: usize = 8;
/// Of a crop in a row.
const SIDE_PX: usize = 112;
const QUALITY: u8 = 88;
/// Rows that wait for their score. More clips than that are never under way.
const MOST_WAITING: usize = 512;
/// Clips of a face of which one may prove typical.
const MOST_CANDIDATES: usize = 16;
/// Faces of which crops of all three clips are kept: those that come first.
const MOST_FACES: usize = 64;
/// Faces of which those of the clip with the highest score are kept, those above among them.
const MOST_HIGHEST: usize = 1024;

/// Crops of one clip.
#[derive(Clone, Debug)]
struct Row {
    jpeg: Vec<u8>,
    count: u32,
}

/// A clip that may be one of those that are kept.
#[derive(Clone, Debug)]
struct Candidate {
    span: Span,
    score: f64,
    row: Row,
}

/// What is kept of one face.
#[derive(Debug)]
struct Face {
    highest: Candidate,
    /// `None`: the highest is enough.
    others: Option<Others>,
}

/// What is kept beside the clip with the highest score.
#[derive(Debug)]
struct Others {
    lowest: Candidate,
    /// Every so many clips, with their numbers.
    between: Vec<(usize, Candidate)>,
    stride: usize,
    scores: Vec<f64>,
}

/// By end, start and track.
type Key = (u64, u64, u64);

/// Keeps crops while a scan runs. Its lock is a leaf, held for an insertion.
#[derive(Debug, Default)]
pub struct Crops(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Key, Row>,
    faces: BTreeMap<u64, Face>,
}

impl Face {
    fn new(first: Candidate, keeps_others: bool) -> Self {
        let others = || Others {
            lowest: first.clone(),
            between: vec![(0, first.clone())],
            stride: 1,
            scores: vec![first.score],
        };
        Self { others: keeps_others.then(others), highest: first }
    }

    fn scored(&mut self, new: Candidate) {
        if let Some(others) = &mut self.others {
            others.scored(&new);
        }
        if new.score > self.highest.score {
            self.highest = new;
        }
    }

    /// The clips that stand for all, each once.
    fn chosen(self) -> Vec<(Which, Candidate)> {
        let Self { highest, others } = self;
        // Clips of one score stand for each other.
        let others = others.filter(|others| highest.score > others.lowest.score);
        let others = others.map(|others| others.chosen(highest.span)).unwrap_or_default();
        [(Which::Highest, highest)].into_iter().chain(others).collect()
    }
}

impl Others {
    fn scored(&mut self, new: &Candidate) {
        let number = self.scores.len();
        self.scores.push(new.score);
        if new.score < self.lowest.score {
            self.lowest = new.clone();
        }
        if number.is_multiple_of(self.stride) {
            self.between.push((number, new.clone()));
        }
        if self.between.len() > MOST_CANDIDATES {
            self.stride *= 2;
            self.between.retain(|(number, _)| number.is_multiple_of(self.stride));
        }
    }

    /// A typical clip and the one with the lowest score.
    fn chosen(mut self, highest: Span) -> Vec<(Which, Candidate)> {
        self.scores.sort_by(f64::total_cmp);
        let middle = self.scores.get(self.scores.len() / 2).copied().unwrap_or_default();
        let ends = [highest, self.lowest.span];
        let between = self.between.into_iter().map(|(_, kept)| kept);
        let typical = between
            .filter(|kept| !ends.contains(&kept.span))
            .min_by(|a, b| (a.score - middle).abs().total_cmp(&(b.score - middle).abs()));
        let typical = typical.map(|kept| (Which::Typical, kept));
        typical.into_iter().chain([(Which::Lowest, self.lowest)]).collect()
    }
}

impl State {
    fn scored(&mut self, track: u64, candidate: Candidate) {
        let before = self.faces.len();
        match self.faces.entry(track) {
            Entry::Occupied(face) => face.into_mut().scored(candidate),
            Entry::Vacant(place) if before < MOST_HIGHEST => {
                place.insert(Face::new(candidate, before < MOST_FACES));
            }
            Entry::Vacant(_) => {}
        }
    }
}

impl Crops {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clip that goes to the classifier.
    pub fn seen(&self, clip: &ClipPixels<'_>) {
        // A clip without a picture is scored all the same.
        let Some(row) = row(&clip.pixels) else { return };
        let key = (clip.span.end_ns, clip.span.start_ns, clip.track.0);
        let State { waiting, .. } = &mut *self.state();
        // Of several classifiers, the first that sees just this clip.
        waiting.entry(key).or_insert(row);
        if waiting.len() > MOST_WAITING {
            waiting.pop_first();
        }
    }

    /// A clip with its score, in the order of the records.
    pub fn scored(&self, clip: &ClipRecord, score: f64) {
        let key = (clip.end_ns, clip.start_ns, clip.track);
        let state = &mut *self.state();
        let Some(row) = state.waiting.remove(&key) else { return };
        let span = Span { start_ns: clip.start_ns, end_ns: clip.end_ns };
        state.scored(clip.track, Candidate { span, score, row });
    }

    /// Writes what is kept, into a folder beside the records.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &Path) -> Result<Vec<CropsFile>, CliError> {
        let faces = std::mem::take(&mut self.state().faces);
        clear(out)?;
        if !faces.is_empty() {
            let dir = out.join(FOLDER);
            std::fs::create_dir_all(&dir)
                .map_err(|e| CliError::input(format!("cannot make {}: {e}", dir.display())))?;
        }
        let mut files = Vec::new();
        for (track, face) in faces {
            for (which, Candidate { span, score, row }) in face.chosen() {
                let file = format!("{FOLDER}/face-{track}-{}.jpg", which.as_str());
                if let Err(error) = partial_file::write(&out.join(&file), &row.jpeg) {
                    // No records will name those before it, and nobody would replace what none names.
                    let _ = clear(out);
                    // Only where nothing else is in it.
                    let _ = std::fs::remove_dir(out.join(FOLDER));
                    return Err(error.into());
                }
                let (start, end) = (seconds(span.start_ns), seconds(span.end_ns));
                files.push(CropsFile { track, which, start, end, score, file, count: row.count });
            }
        }
        Ok(files)
    }
}

/// Removes the pictures of an earlier scan.
fn clear(out: &Path) -> Result<(), CliError> {
    for path in there(out) {
        std::fs::remove_file(&path)
            .map_err(|e| CliError::input(format!("cannot replace {}: {e}", path.display())))?;
    }
    Ok(())
}

/// What is in the way of the folder of crops.
pub fn in_the_way(out: &Path) -> Option<PathBuf> {
    let dir = out.join(FOLDER);
    (dir.symlink_metadata().is_ok() && !dir.is_dir()).then_some(dir)
}

/// Pictures that an earlier scan has left in a folder.
pub fn there(out: &Path) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix("face-").and_then(|rest| rest.split_once('-'));
        number.is_some_and(|(number, rest)| {
            number.parse::<u64>().is_ok()
                && Which::ALL.iter().any(|which| rest == format!("{}.jpg", which.as_str()))
        })
    };
    let entries = std::fs::read_dir(out.join(FOLDER)).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_ours).collect();
    paths.sort();
    paths
}

/// Evenly spaced frames of a clip `[3,T,S,S]` in a row; `None` for none.
fn row(pixels: &ArrayView4<'_, u8>) -> Option<Row> {
    let &[3, frames, side, _] = pixels.shape() else { return None };
    if frames == 0 || side == 0 {
        return None;
    }
    let count = frames.min(MOST_CROPS);
    let mut rgb = Array3::zeros([SIDE_PX, SIDE_PX * count, 3]);
    for crop in 0..count {
        let frame = crop * frames.saturating_sub(1) / count.saturating_sub(1).max(1);
        let first = crop * SIDE_PX;
        for channel in 0..3 {
            let plane = pixels.slice(s![channel, frame, .., ..]);
            shrink(plane, rgb.slice_mut(s![.., first..first + SIDE_PX, channel]));
        }
    }
    let (width, height) = (u16::try_from(SIDE_PX * count).ok()?, u16::try_from(SIDE_PX).ok()?);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY).encode(rgb.as_slice()?, width, height, ColorType::Rgb).ok()?;
    Some(Row { jpeg, count: u32::try_from(count).ok()? })
}

/// What of a side of so many pixels makes a pixel of a crop.
fn area(place: usize, side: usize) -> std::ops::Range<usize> {
    let from = place * side / SIDE_PX;
    from..((place + 1) * side / SIDE_PX).max(from + 1).min(side)
}

/// Makes each pixel of a crop the mean of its area of a square plane. Columns are added up once for a line,
/// as this is done for every clip.
fn shrink(plane: ArrayView2<'_, u8>, mut crop: ArrayViewMut2<'_, u8>) {
    let side = plane.ncols();
    let mut columns = vec![0u32; side];
    for (y, mut line) in crop.rows_mut().into_iter().enumerate() {
        let rows = area(y, side);
        columns.fill(0);
        for row in plane.slice(s![rows.clone(), ..]).rows() {
            columns.iter_mut().zip(row).for_each(|(sum, pixel)| *sum += u32::from(*pixel));
        }
        for (x, value) in line.iter_mut().enumerate() {
            let columns = columns.get(area(x, side)).unwrap_or_default();
            let count = u32::try_from(rows.len() * columns.len()).unwrap_or(u32::MAX).max(1);
            let mean = (columns.iter().sum::<u32>() + count / 2) / count;
            *value = u8::try_from(mean).unwrap_or(u8::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(number: u64, score: f64) -> Candidate {
        let span = Span { start_ns: number, end_ns: number + 1 };
        Candidate { span, score, row: Row { jpeg: Vec::new(), count: 1 } }
    }

    fn chosen(scores: &[f64]) -> Vec<(Which, u64)> {
        let mut state = State::default();
        for (number, score) in scores.iter().enumerate() {
            state.scored(7, candidate(number as u64, *score));
        }
        let face = state.faces.remove(&7).unwrap();
        assert!(face.others.as_ref().unwrap().between.len() <= MOST_CANDIDATES);
        face.chosen().into_iter().map(|(which, kept)| (which, kept.span.start_ns)).collect()
    }

    #[test]
    fn the_highest_a_typical_and_the_lowest_are_kept_each_once() {
        use Which::{Highest, Lowest, Typical};
        assert_eq!(chosen(&[0.5]), [(Highest, 0)]);
        assert_eq!(chosen(&[0.5, 0.7]), [(Highest, 1), (Lowest, 0)]);
        assert_eq!(chosen(&[0.5, 0.7, 0.1]), [(Highest, 1), (Typical, 0), (Lowest, 2)]);
        // Of equals the first.
        assert_eq!(chosen(&[0.4; 9]), [(Highest, 0)]);
        // However many there are, the typical one is near the middle.
        let many: Vec<_> = (0..1000).map(|n| f64::from(n * 7919 % 1000) / 1000.0).collect();
        let found = chosen(&many);
        let score = |which| {
            let (_, number) = found.iter().find(|(of, _)| *of == which).unwrap();
            many[usize::try_from(*number).unwrap()]
        };
        assert_eq!((score(Highest), score(Lowest)), (0.999, 0.0));
        assert!((score(Typical) - 0.5).abs() < 0.1, "{}", score(Typical));
    }

    /// A crowd's forged face need not be among the first.
    #[test]
    fn of_faces_beyond_the_first_the_highest_is_kept() {
        let mut state = State::default();
        for (number, score) in [(0, 0.1), (1, 0.9), (2, 0.5)] {
            (0..1100).for_each(|track| state.scored(track, candidate(number, score)));
        }
        let kept: Vec<_> = state.faces.into_values().map(|face| face.chosen()).collect();
        let which = |face: usize| kept[face].iter().map(|(which, _)| *which).collect::<Vec<_>>();
        assert_eq!(which(63), Which::ALL);
        assert_eq!(
            (kept.len(), which(64), which(1023)),
            (1024, vec![Which::Highest], vec![Which::Highest])
        );
        assert_eq!(kept[64][0].1.score, 0.9);
    }

    #[test]
    fn a_row_is_evenly_spaced_frames_of_a_clip_of_any_shape() {
        for (frames, side, count) in [(32, 224, 8), (1, 299, 1), (5, 64, 5), (16, 112, 8)] {
            // Each frame is as bright as its number.
            let pixels = ndarray::Array4::from_shape_fn([3, frames, side, side], |(_, t, _, _)| {
                u8::try_from(t * 8).unwrap()
            });
            let row = row(&pixels.view()).unwrap();
            assert_eq!(row.count, count, "{frames} frames of {side} px");
            assert!(row.jpeg.starts_with(&[0xff, 0xd8, 0xff]));
        }
        // Pixels are means of their areas, rounded: of two, of one, and of what is not twice as large.
        for (side, at, expected) in [(224, 3, 13), (112, 3, 6), (64, 3, 2), (299, 3, 17)] {
            let plane = ndarray::Array2::from_shape_fn([side, side], |(_, x)| (2 * x) as u8);
            let mut crop = ndarray::Array2::zeros([SIDE_PX, SIDE_PX]);
            shrink(plane.view(), crop.view_mut());
            assert_eq!(crop[[5, at]], expected, "of {side} px");
        }
        assert!(row(&ndarray::Array4::zeros([3, 0, 8, 8]).view()).is_none());
        assert!(row(&ndarray::Array4::zeros([1, 4, 8, 8]).view()).is_none());
    }
}
