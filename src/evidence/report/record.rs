//! A line of the records: what it may hold, and whether a scan can have written its values.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::evidence::records::{Footer, Header, fault};

/// More seconds than GStreamer's clocks count.
const LONGEST_TIME: f64 = u64::MAX as f64 / 1e9;
/// Boxes end a little outside of pictures, which are not larger than this.
const FARTHEST_PX: f64 = 1e5;

/// The records that are read here.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Record {
    Header(Box<Header>),
    Footer(Box<Footer>),
    Frame(Frame),
    Clip(Clip),
    /// Of a later version.
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Frame {
    pub(super) time: Option<f64>,
    pub(super) analysed: Option<bool>,
    pub(super) faces: Vec<Seen>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Seen {
    pub(super) track: Option<u64>,
    #[serde(rename = "box")]
    pub(super) rect: Option<[f64; 4]>,
    pub(super) label: String,
    pub(super) reason: Option<String>,
    pub(super) reason_text: Option<String>,
    pub(super) score: Option<f64>,
    pub(super) frame_score: Option<f64>,
    pub(super) llr: Option<f64>,
    pub(super) quality: BTreeMap<String, serde_json::Value>,
}

/// A clip of a face.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Clip {
    /// Seconds.
    pub start: f64,
    /// Where the clip ends, in seconds.
    pub end: f64,
    /// P(fake); `None`: the clip has no score.
    pub score: Option<f64>,
    /// Of several classifiers together, which is what counts where there are some.
    pub(super) fused_score: Option<f64>,
    /// The log-likelihood ratio in nats; `None`: not calibrated.
    pub llr: Option<f64>,
    /// Why it counts for no verdict.
    pub reason: Option<String>,
    pub(super) track: Option<u64>,
    /// Left, top, width and height in pixels, on its newest frame.
    #[serde(rename = "box")]
    pub rect: Option<[f64; 4]>,
}

impl Default for Clip {
    fn default() -> Self {
        let (score, fused_score, llr, reason) = (None, None, None, None);
        let (track, rect, start, end) = (None, None, f64::NAN, f64::NAN);
        Self { start, end, score, fused_score, llr, reason, track, rect }
    }
}

impl Record {
    /// # Errors
    /// What is wrong with the line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let line = std::str::from_utf8(line).map_err(|_| "it is no UTF-8".to_owned())?;
        if line.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        let record: Self = serde_json::from_str(line.trim_end()).map_err(|error| fault(&error))?;
        match &record {
            Self::Frame(frame) => frame.check()?,
            Self::Clip(clip) => clip.check()?,
            Self::Header(_) | Self::Footer(_) | Self::Other => {}
        }
        Ok(record)
    }
}

impl Frame {
    fn check(&self) -> Result<(), String> {
        self.time.map_or(Ok(()), time)?;
        for seen in &self.faces {
            seen.score.map_or(Ok(()), score)?;
            seen.frame_score.map_or(Ok(()), score)?;
            seen.rect.map_or(Ok(()), rect)?;
        }
        Ok(())
    }
}

impl Clip {
    fn check(&self) -> Result<(), String> {
        let Self { start, end, .. } = *self;
        if start.is_nan() || end.is_nan() {
            return Err("a clip without start and end".to_owned());
        }
        time(start)?;
        time(end)?;
        if end < start {
            return Err(format!("a clip that ends at {end} s, before it begins at {start} s"));
        }
        self.score.map_or(Ok(()), score)?;
        self.fused_score.map_or(Ok(()), score)?;
        self.rect.map_or(Ok(()), rect)
    }
}

fn time(seconds: f64) -> Result<(), String> {
    match (0.0..=LONGEST_TIME).contains(&seconds) {
        true => Ok(()),
        false => Err(format!("{seconds} s is no time of a stream; it is 0 or more")),
    }
}

fn score(score: f64) -> Result<(), String> {
    match (0.0..=1.0).contains(&score) {
        true => Ok(()),
        false => Err(format!("{score} is no score; it is from 0 to 1")),
    }
}

fn rect(rect: [f64; 4]) -> Result<(), String> {
    let [_, _, width, height] = rect;
    let is_near = rect.iter().all(|value| value.abs() <= FARTHEST_PX);
    match is_near && width >= 0.0 && height >= 0.0 {
        true => Ok(()),
        false => Err(format!("{rect:?} is no box; it has left, top, width and height in pixels")),
    }
}
