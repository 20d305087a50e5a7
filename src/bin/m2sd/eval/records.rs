//! The records of one scan, read for their scores.

use gstm2sd::core::hex::hex;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use gstm2sd::core::evidence::Probability;
use gstm2sd::measure::QualityNumber;
use serde_json::Value;
use sha2::{Digest, Sha256};
use strum::IntoEnumIterator;

/// A scored clip.
#[derive(Clone, Debug)]
pub struct Clip {
    pub track: u64,
    pub start: Option<f64>,
    pub end: Option<f64>,
    pub score: Probability,
    /// x, y, width, height in px.
    pub bbox: Option<[f64; 4]>,
    /// Why it counts for no verdict; empty where it does.
    pub reason: String,
    pub quality: [Option<f64>; 7],
}

/// What a scan found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    pub clips: Vec<Clip>,
    /// The score of each face on each frame that has one.
    pub frames: Vec<Probability>,
    /// Faces on frames, scored or not.
    pub faces: u64,
    /// `complete`, `truncated-input`, `interrupted` or `failed`; empty where the records have no end.
    pub status: String,
}

impl Scan {
    /// # Errors
    /// When it cannot be read or is no JSON.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let mut scan = Self::default();
        for line in BufReader::new(File::open(path)?).lines() {
            let record: Value = serde_json::from_str(&line?)?;
            match record["type"].as_str() {
                Some("clip") => scan.clips.extend(clip(&record)),
                Some("frame") => scan.frame(&record),
                Some("footer") => {
                    record["end"].as_str().unwrap_or_default().clone_into(&mut scan.status);
                }
                _ => {}
            }
        }
        Ok(scan)
    }

    fn frame(&mut self, record: &Value) {
        for face in record["faces"].as_array().into_iter().flatten() {
            self.faces += 1;
            self.frames.extend(probability(&face["score"]));
        }
    }

    /// Whether the scan need not be done again.
    pub fn is_done(&self) -> bool {
        matches!(self.status.as_str(), "complete" | "truncated-input")
    }

    /// Why there is no score.
    pub fn reason(&self) -> &'static str {
        match (self.clips.is_empty(), self.faces) {
            (false, _) => "",
            (true, 0) => "no face was found",
            (true, _) => "no score: no face is there for a whole clip",
        }
    }
}

fn probability(value: &Value) -> Option<Probability> {
    Probability::new(value.as_f64()?).ok()
}

fn clip(record: &Value) -> Option<Clip> {
    let bbox = record["box"].as_array().and_then(|numbers| {
        let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
        numbers?.try_into().ok()
    });
    let mut quality = [None; 7];
    for (value, number) in quality.iter_mut().zip(QualityNumber::iter()) {
        *value = record["quality"][number.key()].as_f64();
    }
    Some(Clip {
        track: record["track"].as_u64()?,
        start: record["start"].as_f64(),
        end: record["end"].as_f64(),
        score: probability(&record["score"])?,
        bbox,
        reason: record["reason"].as_str().unwrap_or_default().to_owned(),
        quality,
    })
}

/// The SHA-256 of parts, each of which is told from the next, in hexadecimal.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex(digest.finalize())
}
