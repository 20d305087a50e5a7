//! Lists of videos that are known to be real or fake, as others write them.
//!
//! [`from_csv`] reads `file,label,group`; [`from_deepfakebench`] the JSON in which DeepfakeBench keeps
//! its sets. Paths are as the list has them; whoever reads files knows where they start.

use std::io::Read;

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Class, UnknownClass, Video};

/// What there is to score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// One file, a video or a picture.
    File(String),
    /// Pictures that are a video's frames, in order.
    Frames(Vec<String>),
}

/// A video of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is called, and what it is known to be.
    pub video: Video,
    /// Where its pictures are.
    pub media: Media,
}

/// Why a list of videos cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum DatasetError {
    #[error("{0}")]
    Csv(#[from] csv::Error),
    #[error("there is no column {name:?} among {found}; expected file,label and maybe group")]
    NoColumn { name: &'static str, found: String },
    #[error("line {line}: {error}")]
    Label { line: u64, error: UnknownClass },
    #[error("line {line} names no file; expected file,label,group")]
    NoFile { line: u64 },
    #[error("line {line}: {file} is there already, on line {before}; expected each file once")]
    Twice { line: u64, before: u64, file: String },
    #[error("it is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(
        "it has no entry with label and frames in a split {split:?}; expected DeepfakeBench's form, \
         {{SET: {{LABEL: {{SPLIT: {{VIDEO: {{label, frames}}}}}}}}}}. Its splits: {found}"
    )]
    NoEntries { split: String, found: String },
    #[error(
        "{video} has the label {label:?}; expected one of DeepfakeBench's: with \"real\" or \"fake\" \
         in it, or FF-…"
    )]
    UnknownLabel { video: String, label: String },
    #[error("{video} has frames that are no list of names")]
    Frames { video: String },
}

/// Reads `file,label,group`; the group may be missing, and other columns may be there.
///
/// # Errors
/// With the number of the line that is wrong.
pub fn from_csv(input: impl Read) -> Result<Vec<Item>, DatasetError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let headers = reader.headers()?.clone();
    let place = |name: &str| headers.iter().position(|header| header == name);
    let needed = |name: &'static str| {
        let found = || headers.iter().collect::<Vec<_>>().join(", ");
        place(name).ok_or_else(|| DatasetError::NoColumn { name, found: found() })
    };
    let (file, label, group) = (needed("file")?, needed("label")?, place("group"));
    let mut lines = std::collections::BTreeMap::new();
    let mut items = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |place| record.get(place).unwrap_or_default().to_owned();
        let file = text(file);
        if file.is_empty() {
            return Err(DatasetError::NoFile { line });
        }
        if let Some(before) = lines.insert(file.clone(), line) {
            return Err(DatasetError::Twice { line, before, file });
        }
        let class = text(label).parse().map_err(|error| DatasetError::Label { line, error })?;
        let group = group.map(text).unwrap_or_default();
        items.push(Item {
            video: Video { file: file.clone(), class, group },
            media: Media::File(file),
        });
    }
    Ok(items)
}

/// Reads the JSON of one of DeepfakeBench's sets (`preprocessing/dataset_json`):
/// `{SET: {LABEL: {SPLIT: {VIDEO: {"label": …, "frames": […]}}}}}`, for FaceForensics++ with the
/// compression between split and video. The group is the label, with the compression.
///
/// # Errors
/// When it has another form or a label that is neither real nor fake.
pub fn from_deepfakebench(text: &str, split: &str) -> Result<Vec<Item>, DatasetError> {
    let root: Value = serde_json::from_str(text)?;
    let mut walk = Walk { split, items: Vec::new(), splits: Vec::new() };
    if let Value::Object(sets) = &root {
        for labels in sets.values().filter_map(Value::as_object) {
            for (label, splits) in labels {
                walk.splits(label, splits.as_object())?;
            }
        }
    }
    // Not as the file has them: how objects keep their order is up to how this was built.
    walk.items.sort_by(|a, b| {
        let key = |item: &Item| (item.video.group.clone(), item.video.file.clone());
        key(a).cmp(&key(b))
    });
    walk.splits.sort();
    if walk.items.is_empty() {
        let found = if walk.splits.is_empty() { "none".into() } else { walk.splits.join(", ") };
        return Err(DatasetError::NoEntries { split: split.to_owned(), found });
    }
    Ok(walk.items)
}

/// What was found on the way through a set.
struct Walk<'a> {
    split: &'a str,
    items: Vec<Item>,
    splits: Vec<String>,
}

impl Walk<'_> {
    fn splits(
        &mut self,
        label: &str,
        splits: Option<&Map<String, Value>>,
    ) -> Result<(), DatasetError> {
        for (split, videos) in splits.into_iter().flatten() {
            if split == self.split {
                self.videos(label, videos.as_object())?;
            } else if !self.splits.contains(split) {
                self.splits.push(split.clone());
            }
        }
        Ok(())
    }

    /// Videos by name, or by compression and name.
    fn videos(
        &mut self,
        group: &str,
        entries: Option<&Map<String, Value>>,
    ) -> Result<(), DatasetError> {
        for (name, entry) in entries.into_iter().flatten() {
            match (entry.get("label").and_then(Value::as_str), entry.get("frames")) {
                (Some(label), Some(frames)) => self.video(group, name, label, frames)?,
                // A compression has videos, whose values are objects once more.
                _ if entry.as_object().is_some_and(|e| e.values().all(Value::is_object)) => {
                    self.videos(&format!("{group}/{name}"), entry.as_object())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn video(
        &mut self,
        group: &str,
        name: &str,
        label: &str,
        frames: &Value,
    ) -> Result<(), DatasetError> {
        let file = format!("{group}/{name}");
        let class = class_of(label).ok_or_else(|| DatasetError::UnknownLabel {
            video: file.clone(),
            label: label.to_owned(),
        })?;
        // Lists that were written on Windows.
        let path = |frame: &Value| Some(frame.as_str()?.replace('\\', "/"));
        let frames: Option<Vec<_>> =
            frames.as_array().and_then(|frames| frames.iter().map(path).collect());
        let mut frames = frames.ok_or_else(|| DatasetError::Frames { video: file.clone() })?;
        // Written in the order in which the folder was listed; names have leading zeros.
        frames.sort();
        let video = Video { file, class, group: group.to_owned() };
        self.items.push(Item { video, media: Media::Frames(frames) });
        Ok(())
    }
}

/// DeepfakeBench's `label_dict`: `FF-real`, `DFDC_Real`, `CelebDFv2_real` … are real, `FF-DF`,
/// `FF-F2F`, `DFD_fake` … fake.
fn class_of(label: &str) -> Option<Class> {
    let lower = label.to_ascii_lowercase();
    if lower.contains("real") {
        Some(Class::Real)
    } else {
        (lower.contains("fake") || lower.starts_with("ff-")).then_some(Class::Fake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_wrong_lines_named() {
        let items = from_csv("label,file\nreal,a.mp4\n1,\"b, c.mp4\"\n".as_bytes()).unwrap();
        let read: Vec<_> = items.iter().map(|i| (i.video.file.as_str(), i.video.class)).collect();
        assert_eq!(read, [("a.mp4", Class::Real), ("b, c.mp4", Class::Fake)]);
        for (text, expected) in [
            ("name,label\na,real", "no column \"file\" among name, label"),
            ("file,label,group\na,real,x\nb,genuine,x", "line 3: the label \"genuine\""),
            ("file,label\n,real", "line 2 names no file"),
            ("file,label\na,real\nb,real\na,fake", "line 4: a is there already, on line 2"),
            ("file,label\na", "line: 2"),
        ] {
            let error = from_csv(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(from_csv("file,label\n".as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn sets_of_deepfakebench_are_read() {
        let text = r#"{"FF-DF": {
            "FF-real": {"test": {"c23": {"000": {"label": "FF-real", "frames": ["a\\1.png", "a\\0.png"]}},
                                 "c40": {}},
                        "train": {"c23": {"071": {"label": "FF-real", "frames": []}}}},
            "FF-DF": {"test": {"c23": {"000_003": {"label": "FF-DF", "frames": ["b/0.png"], "masks": []}}}}}}"#;
        let items = from_deepfakebench(text, "test").unwrap();
        let read = |n: usize| (&*items[n].video.file, items[n].video.class, &items[n].media);
        let frames =
            |names: &[&str]| Media::Frames(names.iter().map(|n| (*n).to_owned()).collect());
        assert_eq!(read(0), ("FF-DF/c23/000_003", Class::Fake, &frames(&["b/0.png"])));
        assert_eq!(read(1), ("FF-real/c23/000", Class::Real, &frames(&["a/0.png", "a/1.png"])));
        assert_eq!(items.len(), 2);
        let flat = r#"{"Celeb-DF-v2": {"CelebDFv2_fake": {"test": {"id0": {"label": "CelebDFv2_fake", "frames": ["x"]}}}}}"#;
        assert_eq!(from_deepfakebench(flat, "test").unwrap()[0].video.group, "CelebDFv2_fake");
        let error = from_deepfakebench(flat, "val").unwrap_err().to_string();
        assert!(error.contains("\"val\"") && error.contains("Its splits: test"), "{error}");
        let odd = flat.replace("\"label\": \"CelebDFv2_fake\"", "\"label\": \"x\"");
        assert!(from_deepfakebench(&odd, "test").unwrap_err().to_string().contains("label \"x\""));
        assert!(from_deepfakebench("[]", "test").is_err() && from_deepfakebench("{", "x").is_err());
    }
}
