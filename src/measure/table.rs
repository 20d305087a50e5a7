//! `scores.csv`: one row for each scored clip, and one for each file that has no score.
//!
//! It is what `m2sd eval` writes and `m2sd calibrate` reads, and may come from elsewhere: only `file`,
//! `label` and `score` have to be there. [`Table::scores`] is the view of one classifier, from which
//! samples of clips, tracks and videos are made.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use strum::{EnumIter, IntoEnumIterator};
use thiserror::Error;

use super::{Class, Sample, SampleError, Video};
use crate::core::evidence::Probability;

/// A number about the pictures of a face, from which a classifier's score may suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter)]
pub enum QualityNumber {
    /// Between the eyes, in px.
    EyeDistance,
    /// 0..=1, of the aligned picture.
    Sharpness,
    /// The mean level of the face, 0..=1.
    Brightness,
    /// The standard deviation of its levels, 0..=1.
    Contrast,
    /// In degrees.
    Pose,
    /// The part of the aligned picture outside of the frame, 0..=1.
    Outside,
    /// How much the blocks of coarse compression show, 0..=1.
    Blockiness,
}

/// How many [`QualityNumber`]s there are.
const QUALITY_NUMBERS: usize = 7;

impl QualityNumber {
    /// Its name in records and its column.
    pub fn key(self) -> &'static str {
        match self {
            Self::EyeDistance => "eye-distance",
            Self::Sharpness => "sharpness",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::Pose => "pose",
            Self::Outside => "outside",
            Self::Blockiness => "blockiness",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The video, as its list names it.
    pub file: String,
    /// What the video is known to be.
    pub class: Class,
    /// Forgery kind, source: whatever the list says; may be empty.
    pub group: String,
    /// The name of the classifier.
    pub classifier: String,
    /// What was done to the file before: `none`, or a kind and level such as `jpeg-50`.
    pub degradation: String,
    /// The face's track; `None`: the row names none.
    pub track: Option<u64>,
    /// Seconds of the file.
    pub start: Option<f64>,
    /// Where the clip ends, in seconds of the file.
    pub end: Option<f64>,
    /// P(fake); without one the row says why the file has none.
    pub score: Option<Probability>,
    /// With a score: why it counts for no verdict; empty where it does.
    pub reason: String,
    /// In the order of [`QualityNumber`].
    pub quality: [Option<f64>; QUALITY_NUMBERS],
}

impl Row {
    /// A row about a file that has no score.
    pub fn without_score(video: &Video, classifier: &str, degradation: &str, reason: &str) -> Self {
        Self {
            file: video.file.clone(),
            class: video.class,
            group: video.group.clone(),
            classifier: classifier.to_owned(),
            degradation: degradation.to_owned(),
            track: None,
            start: None,
            end: None,
            score: None,
            reason: reason.to_owned(),
            quality: [None; QUALITY_NUMBERS],
        }
    }

    /// `None`: it was not measured.
    pub fn quality(&self, number: QualityNumber) -> Option<f64> {
        self.quality.get(number as usize).copied().flatten()
    }
}

/// What a file of files as they were: no degradation.
pub const NOT_DEGRADED: &str = "none";

const COLUMNS: [&str; 10] = [
    "file",
    "label",
    "group",
    "classifier",
    "degradation",
    "track",
    "start",
    "end",
    "score",
    "reason",
];

/// Why a table cannot be read.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum TableError {
    #[error("{0}")]
    Csv(#[from] csv::Error),
    #[error("there is no column {name:?} among {found}; expected at least file, label and score")]
    NoColumn { name: &'static str, found: String },
    #[error("line {line}: {column} is {value:?}; expected {expected}")]
    Value { line: u64, column: String, value: String, expected: &'static str },
    #[error("line {line}: {file} is {now} here and {before} before; expected one label a file")]
    TwoLabels { line: u64, file: String, before: Class, now: Class },
}

/// All rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// In the order of the file.
    pub rows: Vec<Row>,
}

impl Table {
    /// # Errors
    /// When it is not such a table; the error tells the line.
    pub fn read(input: impl Read) -> Result<Self, TableError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
        let columns = Columns::of(reader.headers()?)?;
        let mut classes = BTreeMap::new();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = columns.row(&Line { number: line, record: &record })?;
            let before = *classes.entry(row.file.clone()).or_insert(row.class);
            if before != row.class {
                return Err(TableError::TwoLabels { line, file: row.file, before, now: row.class });
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }

    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, output: impl Write) -> Result<(), TableError> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record(COLUMNS.into_iter().chain(QualityNumber::iter().map(|n| n.key())))?;
        let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
        for row in &self.rows {
            let texts = [&row.file, row.class.as_str(), &row.group, &row.classifier];
            let texts = texts.map(str::to_owned).into_iter().chain([row.degradation.clone()]);
            let track = row.track.map(|track| track.to_string()).unwrap_or_default();
            let times = [number(row.start), number(row.end)];
            let score = number(row.score.map(Probability::get));
            let quality = row.quality.map(number);
            writer.write_record(
                texts.chain([track]).chain(times).chain([score, row.reason.clone()]).chain(quality),
            )?;
        }
        writer.flush().map_err(|error| TableError::Csv(error.into()))
    }

    /// The classifiers that the table has rows of, in order of their first.
    pub fn classifiers(&self) -> Vec<&str> {
        distinct(self.rows.iter().map(|row| row.classifier.as_str()))
    }

    /// What was done to the files, in order of the first row.
    pub fn degradations(&self) -> Vec<&str> {
        distinct(self.rows.iter().map(|row| row.degradation.as_str()))
    }

    /// What one classifier says of files that were degraded so.
    pub fn scores(&self, classifier: &str, degradation: &str) -> Scores {
        let mut numbers = BTreeMap::new();
        let mut scores = Scores::default();
        let mut reasons = Vec::new();
        let wanted = |r: &&Row| r.classifier == classifier && r.degradation == degradation;
        for row in self.rows.iter().filter(wanted) {
            let number = *numbers.entry(row.file.as_str()).or_insert(scores.videos.len());
            if number == scores.videos.len() {
                let (file, group) = (row.file.clone(), row.group.clone());
                scores.videos.push(Video { file, class: row.class, group });
                reasons.push(row.reason.clone());
            }
            if let Some(score) = row.score {
                let track = row.track.unwrap_or_default();
                let reason = row.reason.clone();
                scores.clips.push(Clip {
                    video: number,
                    track,
                    score,
                    reason,
                    quality: row.quality,
                });
            }
        }
        let scored: BTreeSet<_> = scores.clips.iter().map(|clip| clip.video).collect();
        let silent = reasons.into_iter().enumerate().filter(|(number, _)| !scored.contains(number));
        scores.abstentions = silent.map(|(video, reason)| Abstention { video, reason }).collect();
        scores
    }
}

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// Where each column is.
struct Columns {
    known: [Option<usize>; COLUMNS.len()],
    quality: [Option<usize>; QUALITY_NUMBERS],
}

impl Columns {
    fn of(headers: &csv::StringRecord) -> Result<Self, TableError> {
        let place = |name: &str| headers.iter().position(|header| header == name);
        if let Some(name) = ["file", "label", "score"].into_iter().find(|n| place(n).is_none()) {
            let found = headers.iter().collect::<Vec<_>>().join(", ");
            return Err(TableError::NoColumn { name, found });
        }
        let mut quality = [None; QUALITY_NUMBERS];
        quality.iter_mut().zip(QualityNumber::iter()).for_each(|(q, n)| *q = place(n.key()));
        Ok(Self { known: COLUMNS.map(place), quality })
    }

    fn row(&self, line: &Line<'_>) -> Result<Row, TableError> {
        let [file, label, group, classifier, degradation, track, start, end, score, reason] =
            self.known.map(|place| line.text(place));
        let file = match file {
            "" => return Err(line.wrong("file", "", "the name of a file")),
            file => file.to_owned(),
        };
        let class = label.parse().map_err(|_| line.wrong("label", label, "real or fake"))?;
        let track = match track {
            "" => None,
            text => Some(text.parse().map_err(|_| line.wrong("track", text, "a whole number"))?),
        };
        let score = match line.number("score", score)? {
            None => None,
            Some(p) => Some(
                Probability::new(p)
                    .map_err(|_| line.wrong("score", score, "a probability, 0 to 1, or nothing"))?,
            ),
        };
        let mut quality = [None; QUALITY_NUMBERS];
        for ((value, place), number) in
            quality.iter_mut().zip(self.quality).zip(QualityNumber::iter())
        {
            *value = line.number(number.key(), line.text(place))?;
        }
        let degradation = if degradation.is_empty() { NOT_DEGRADED } else { degradation };
        Ok(Row {
            file,
            class,
            group: group.to_owned(),
            classifier: classifier.to_owned(),
            degradation: degradation.to_owned(),
            track,
            start: line.number("start", start)?,
            end: line.number("end", end)?,
            score,
            reason: reason.to_owned(),
            quality,
        })
    }
}

/// A line that is being read.
struct Line<'a> {
    number: u64,
    record: &'a csv::StringRecord,
}

impl<'a> Line<'a> {
    fn text(&self, place: Option<usize>) -> &'a str {
        place.and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    fn number(&self, column: &str, text: &str) -> Result<Option<f64>, TableError> {
        if text.is_empty() {
            return Ok(None);
        }
        let finite = text.parse().ok().filter(|number: &f64| number.is_finite());
        finite.map(Some).ok_or_else(|| self.wrong(column, text, "a number or nothing"))
    }

    fn wrong(&self, column: &str, value: &str, expected: &'static str) -> TableError {
        let (column, value) = (column.to_owned(), value.to_owned());
        TableError::Value { line: self.number, column, value, expected }
    }
}

/// A scored clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its number among the videos.
    pub video: usize,
    /// The face's track.
    pub track: u64,
    /// P(fake) of the clip.
    pub score: Probability,
    /// Why it counts for no verdict; empty where it does.
    pub reason: String,
    /// In the order of [`QualityNumber`].
    pub quality: [Option<f64>; QUALITY_NUMBERS],
}

/// A video about which nothing was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abstention {
    /// Its number among the videos.
    pub video: usize,
    /// Why, in words.
    pub reason: String,
}

/// What one classifier says of one set of videos.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// All videos, scored or not, in the order of their first row.
    pub videos: Vec<Video>,
    /// Clips with a score.
    pub clips: Vec<Clip>,
    /// Videos without one.
    pub abstentions: Vec<Abstention>,
}

impl Scores {
    /// Without the clips that count for no verdict; a video that has no others is one about which
    /// nothing was said.
    pub fn sufficient(&self) -> Self {
        let (clips, others): (Vec<_>, Vec<_>) =
            self.clips.iter().cloned().partition(|clip| clip.reason.is_empty());
        let judged: BTreeSet<_> = clips.iter().map(|clip| clip.video).collect();
        let mut reasons: BTreeMap<usize, String> =
            self.abstentions.iter().map(|a| (a.video, a.reason.clone())).collect();
        for clip in others.into_iter().filter(|clip| !judged.contains(&clip.video)) {
            reasons.entry(clip.video).or_insert_with(|| format!("insufficient: {}", clip.reason));
        }
        let abstentions =
            reasons.into_iter().map(|(video, reason)| Abstention { video, reason }).collect();
        Self { videos: self.videos.clone(), clips, abstentions }
    }

    /// Every clip's score.
    ///
    /// # Errors
    /// When a class has none; as all of these.
    pub fn of_clips(&self) -> Result<Sample, SampleError> {
        let scores = self.clips.iter().map(|clip| (clip.video, clip.score));
        Sample::new(self.videos.clone(), scores)
    }

    /// Each track's mean over its clips.
    pub fn of_tracks(&self) -> Result<Sample, SampleError> {
        let scores = self.tracks().into_iter().map(|((video, _), score)| (video, score));
        Sample::new(self.videos.clone(), scores)
    }

    /// Each video's highest track: one forged face makes a forged video.
    pub fn of_videos(&self) -> Result<Sample, SampleError> {
        Sample::new(self.videos.clone(), self.video_scores())
    }

    /// The score of each video that has one, by its number.
    pub fn video_scores(&self) -> BTreeMap<usize, Probability> {
        let mut highest = BTreeMap::new();
        for ((video, _), score) in self.tracks() {
            let known = highest.entry(video).or_insert(score);
            if score > *known {
                *known = score;
            }
        }
        highest
    }

    fn tracks(&self) -> BTreeMap<(usize, u64), Probability> {
        let mut sums = BTreeMap::new();
        for clip in &self.clips {
            let (sum, count) = sums.entry((clip.video, clip.track)).or_insert((0.0, 0u32));
            *sum += clip.score.get();
            *count += 1;
        }
        let mean = |(sum, count): (f64, u32)| Probability::new((sum / f64::from(count)).min(1.0));
        sums.into_iter().filter_map(|(track, all)| Some((track, mean(all).ok()?))).collect()
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
