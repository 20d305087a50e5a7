//! What the records of a folder say, face by face.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::record::{Clip, Frame, Record, Seen};
use crate::core::evidence::{Insufficiency, Probability, TrackSummary};
use crate::core::span::Span;
use crate::evidence::records::{
    CropsFile, FILES, Footer, Header, NewerFormat, Said, Which, those_below,
};
use crate::evidence::seal::SEAL_FILE;

/// A line of records has some kB; one of many MB is none.
const LONGEST_LINE: u64 = 16 << 20;
/// Damaged lines that are told by their numbers.
const MOST_UNREADABLE: usize = 20;
/// Faces that have pictures, those that were called fake first: each costs some seeks in the video.
const MOST_PICTURED: usize = 50;

/// A row of crops has some ten kB.
const LARGEST_CROPS: u64 = 4 << 20;
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// What was found in a folder.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The folder, as it was named.
    pub folder: PathBuf,
    /// `scores.jsonl`, or what a scan that died has left.
    pub file: String,
    /// `None`: the file has no first record that can be read.
    pub header: Option<Header>,
    /// `None`: the scan was killed, or still runs.
    pub footer: Option<Footer>,
    /// By the faces' numbers.
    pub faces: BTreeMap<u64, FaceResults>,
    /// Records of frames.
    pub frames: u64,
    /// Frames on which nobody looked for faces.
    pub not_analysed: u64,
    /// Seconds of the last frame.
    pub end: f64,
    /// Lines that are no records: how many.
    pub damaged: usize,
    /// The first of them, by their number from 1, and why.
    pub unreadable: Vec<(usize, String)>,
    /// Whether the folder has a seal; nothing is said of whether it holds.
    pub has_seal: bool,
    /// What pictures of faces are cut from.
    pub pictures_from: Option<String>,
}

/// What was seen of one face.
#[derive(Clone, Debug, Default)]
pub struct FaceResults {
    /// Frames that show it.
    pub frames: u64,
    /// Seconds.
    pub first: f64,
    /// When it was seen last, in seconds.
    pub last: f64,
    /// What was said of it on all of its frames.
    pub said: Said,
    /// In the order of the records.
    pub clips: Vec<Clip>,
    /// Seconds and P(fake) of frames.
    pub frame_scores: Vec<(f64, f64)>,
    /// Seconds and what was said of it till then.
    pub face_scores: Vec<(f64, f64)>,
    /// Left, top, width and height in pixels, in order.
    pub boxes: Vec<[f64; 4]>,
    /// Least, middle and most of each quality.
    pub quality: BTreeMap<String, [f64; 3]>,
    /// Stretches that could not be judged, and why.
    pub gates: Vec<Stretch>,
    /// JPEG pictures of its clips, see [`Results::take_pictures`].
    pub pictures: BTreeMap<Which, Vec<u8>>,
    /// Clips of which the scan has kept crops.
    kept: Vec<CropsFile>,
    /// The last frame on which it was seen, as JPEG, see [`Results::take_pictures`].
    pub frame: Option<Vec<u8>>,
    /// What the classifier saw of the same clips, see [`Results::take_crops`].
    pub crops: BTreeMap<Which, Crops>,
}

/// Aligned crops of a clip, in the order of its frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Crops {
    /// A JPEG picture of them in a row.
    pub jpeg: Vec<u8>,
    /// How many crops the picture shows.
    pub count: u32,
}

/// A part of a face's time, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Where it begins.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
    /// Why nothing can be said of the face there, in words.
    pub why: String,
}

/// Why there is no report.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ReportError {
    #[error("{} has no scores.jsonl; expected the folder of a scan; {expected}", folder.display())]
    NoRecords { folder: PathBuf, expected: String },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds no record of a scan: {why}", path.display())]
    NotRecords { path: PathBuf, why: String },
    #[error("{}: {source}", path.display())]
    Newer { path: PathBuf, source: NewerFormat },
}

/// All values of a face's qualities, until they are summed up.
type Qualities = BTreeMap<u64, BTreeMap<String, Vec<f64>>>;

impl Results {
    /// Reads the records of a scan's folder, whole or not.
    ///
    /// # Errors
    /// [`ReportError`] where there are none.
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        let found = FILES.into_iter().find(|name| folder.join(name).is_file());
        let file = found.ok_or_else(|| ReportError::NoRecords {
            folder: folder.to_owned(),
            expected: match those_below(folder, &FILES) {
                None if folder.is_file() => {
                    "this is a file: name the folder that it is in".to_owned()
                }
                Some(those) => format!("those in it are {those}"),
                None => format!("m2sd scan VIDEO --out {} makes one", folder.display()),
            },
        })?;
        let path = folder.join(file);
        let read = |source| ReportError::Read { path: path.clone(), source };
        let mut reader = BufReader::new(File::open(&path).map_err(read)?);
        let mut results =
            Self { folder: folder.to_owned(), file: file.to_owned(), ..Self::default() };
        let mut qualities = Qualities::new();
        for number in 1.. {
            let mut line = Vec::new();
            let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            if length.map_err(read)? == 0 {
                break;
            }
            // The rest of one that is too long is no line of its own.
            if !line.ends_with(b"\n") {
                reader.skip_until(b'\n').map_err(read)?;
            }
            if let Err(why) = results.take(&line, &mut qualities) {
                results.damaged += 1;
                if results.unreadable.len() < MOST_UNREADABLE {
                    results.unreadable.push((number, why));
                }
            }
        }
        if results.header.is_none() && results.frames == 0 {
            let first = results.unreadable.first().map(|(_, why)| why.clone());
            let why = first.unwrap_or_else(|| "it is empty".to_owned());
            return Err(ReportError::NotRecords { path, why });
        }
        if let Some(header) = &results.header {
            header.check_format().map_err(|source| ReportError::Newer { path, source })?;
        }
        for (track, qualities) in qualities {
            let face = results.faces.entry(track).or_default();
            face.quality = qualities
                .into_iter()
                .filter_map(|(name, all)| Some((name, spread(all)?)))
                .collect();
        }
        results.has_seal = folder.join(SEAL_FILE).is_file();
        Ok(results)
    }

    /// Whether all that was seen is one picture.
    pub fn is_still(&self) -> bool {
        self.frames == 1
    }

    /// Whether likelihood ratios mean anything.
    pub fn is_calibrated(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.judging.calibrated == Some(true))
    }

    fn take(&mut self, line: &[u8], qualities: &mut Qualities) -> Result<(), String> {
        match Record::parse(line)? {
            Record::Header(header) => self.header = Some(*header),
            Record::Footer(footer) => {
                for crops in &footer.crops {
                    if let Some(face) = self.faces.get_mut(&crops.track) {
                        face.kept.push(crops.clone());
                    }
                }
                self.footer = Some(*footer);
            }
            Record::Frame(frame) => self.frame(frame, qualities),
            Record::Clip(mut clip) => {
                if self.header.as_ref().is_some_and(|header| header.classifiers.len() > 1) {
                    clip.score = clip.fused_score;
                }
                if let Some(track) = clip.track {
                    self.faces.entry(track).or_default().clips.push(clip);
                }
            }
            Record::Other => {}
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame, qualities: &mut Qualities) {
        self.frames += 1;
        self.not_analysed += u64::from(frame.analysed == Some(false));
        let time = frame.time.unwrap_or(self.end);
        self.end = self.end.max(time);
        for seen in frame.faces {
            let Some(track) = seen.track else { continue };
            let of_face = qualities.entry(track).or_default();
            for (name, value) in &seen.quality {
                if let Some(value) = value.as_f64() {
                    of_face.entry(name.clone()).or_default().push(value);
                }
            }
            self.faces.entry(track).or_default().seen(time, seen);
        }
    }

    /// Reads the crops that the scan has kept, as far as they are there.
    pub fn take_crops(&mut self) {
        for face in self.faces.values_mut() {
            for kept in &face.kept {
                // Records may come from anywhere: nothing outside of their folder is read.
                let is_inside = Path::new(&kept.file)
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                let path = self.folder.join(&kept.file);
                let is_picture = |file: &Path| {
                    file.symlink_metadata()
                        .is_ok_and(|is| is.is_file() && is.len() <= LARGEST_CROPS)
                };
                if kept.count == 0 || !is_inside || !is_picture(&path) {
                    continue;
                }
                let jpeg = std::fs::read(&path).ok().filter(|bytes| bytes.starts_with(&JPEG));
                let crops = jpeg.map(|jpeg| Crops { jpeg, count: kept.count });
                face.crops.extend(crops.map(|crops| (kept.which, crops)));
            }
        }
    }

    /// Has pictures taken of each face, as JPEG, by whoever has the video: of its clips with the highest, a
    /// typical and the lowest score, and of the whole frame, upright, at a time in seconds. `from` says what
    /// they are cut from.
    pub fn take_pictures(
        &mut self,
        from: &str,
        mut take: impl FnMut(&Clip, [f64; 4]) -> Option<Vec<u8>>,
        mut whole: impl FnMut(f64) -> Option<Vec<u8>>,
    ) {
        self.pictures_from = Some(from.to_owned());
        let mut faces: Vec<_> = self.faces.values_mut().collect();
        faces.sort_by_key(|face| face.said.interest());
        for face in faces.into_iter().take(MOST_PICTURED) {
            let clips: Vec<_> =
                face.chosen().into_iter().map(|(which, clip, _)| (which, clip.clone())).collect();
            for (which, clip) in clips {
                let picture = clip.rect.and_then(|rect| take(&clip, rect));
                face.pictures.extend(picture.map(|picture| (which, picture)));
            }
            face.frame = whole(face.last);
        }
    }
}

/// A reason of the records as part of a sentence.
fn in_words(reason: String) -> String {
    match reason.parse::<Insufficiency>() {
        Ok(known) => known.in_words().to_owned(),
        Err(_) => reason,
    }
}

impl FaceResults {
    fn seen(&mut self, time: f64, seen: Seen) {
        if self.frames == 0 {
            self.first = time;
        }
        self.frames += 1;
        self.last = time;
        self.boxes.extend(seen.rect);
        self.frame_scores.extend(seen.frame_score.map(|score| (time, score)));
        self.face_scores.extend(seen.score.map(|score| (time, score)));
        let why = seen.reason_text.or_else(|| seen.reason.map(in_words));
        if seen.label == "insufficient" {
            let why = why.clone().unwrap_or_else(|| "not told".to_owned());
            match self.gates.last_mut() {
                Some(gate) if gate.why == why && time - gate.end < 0.5 => gate.end = time,
                _ => self.gates.push(Stretch { start: time, end: time, why }),
            }
        }
        let Seen { label, score, llr, .. } = seen;
        self.said.follow(Said { label, reason: why, score, llr });
    }

    /// The clips with the highest, the middle and the lowest score, each once: those that the scan has kept
    /// crops of, if it has.
    pub fn chosen(&self) -> Vec<(Which, &Clip, f64)> {
        let mut scored: Vec<_> = self.scored().collect();
        let kept: Vec<_> = self
            .kept
            .iter()
            .filter_map(|kept| {
                let is_it = |clip: &Clip| (clip.start, clip.end) == (kept.start, kept.end);
                let (clip, _) = scored.iter().find(|(clip, _)| is_it(clip))?;
                Some((kept.which, *clip, kept.score))
            })
            .collect();
        if !kept.is_empty() {
            return kept;
        }
        scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let last = scored.len().saturating_sub(1);
        let mut places =
            vec![(Which::Highest, 0), (Which::Typical, last / 2), (Which::Lowest, last)];
        places.dedup_by_key(|(_, place)| *place);
        let clips = places.into_iter().filter_map(|(which, place)| {
            let (clip, score) = *scored.get(place)?;
            Some((which, clip, score))
        });
        clips.collect()
    }

    /// The mean score of its clips.
    pub fn mean(&self) -> Option<f64> {
        let mut summary = TrackSummary::default();
        let ns = |seconds: f64| (seconds * 1e9).round() as u64;
        for (clip, score) in self.scored() {
            if let Ok(fake) = Probability::new(score) {
                summary.add(fake, Span { start_ns: ns(clip.start), end_ns: ns(clip.end) });
            }
        }
        summary.mean().map(Probability::get)
    }

    /// Clips that were scored.
    pub fn scored(&self) -> impl Iterator<Item = (&Clip, f64)> {
        self.clips.iter().filter_map(|clip| Some((clip, clip.score?)))
    }
}

/// Least, middle and most.
fn spread(mut all: Vec<f64>) -> Option<[f64; 3]> {
    all.sort_unstable_by(f64::total_cmp);
    Some([*all.first()?, *all.get(all.len() / 2)?, *all.last()?])
}
