//! What a scan says of itself before its first frame.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wall::WallStart;
use crate::evidence::provenance::Provenance;

/// The first record: the input, and all that decides what the records say of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Header {
    /// [`super::FORMAT`] of who wrote it.
    pub format: u32,
    /// Of this program, GStreamer and what ran the networks.
    pub versions: Versions,
    /// What was scanned.
    pub input: Input,
    /// What of the input was asked for.
    pub span: Span,
    /// The machine that scanned.
    pub host: Host,
    /// Every property of the element that can be set, as it was: numbers, booleans and texts; enumerations
    /// by their nicks. Where a property was not set, what that meant.
    pub settings: BTreeMap<String, Value>,
    /// The network that finds faces.
    pub detector: ModelFile,
    /// The network that finds 68 points of a face, where one was used.
    pub aligner: Option<ModelFile>,
    /// None, one, or several that judge together.
    pub classifiers: Vec<ModelFile>,
    /// By what scores are judged.
    #[serde(flatten)]
    pub judging: Judging,
    /// What ran the classifier, and in which precision; empty without one.
    pub provider: String,
    /// In which precision the classifier ran.
    pub precision: String,
    /// What ran the detector.
    pub detect_provider: String,
    /// In which precision the detector ran.
    pub detect_precision: String,
    /// When, by the clock on the wall.
    pub wall: WallStart,
}

/// Versions of the programs that made the records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Versions {
    /// Of this crate.
    pub m2sd: String,
    /// Of GStreamer, as loaded.
    pub gstreamer: String,
    /// `ONNX Runtime 1.24.1`, …
    pub runtimes: Vec<String>,
}

/// What kind of input was scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// A file, which can be read again.
    #[default]
    File,
    /// A camera or a server: nothing of it can be read twice.
    Stream,
    /// What came by standard input.
    StandardInput,
}

/// What was scanned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Input {
    /// What the user called it, without passwords.
    pub name: String,
    /// File, stream or standard input.
    pub kind: InputKind,
    /// Hexadecimal; `None` for a stream.
    pub sha256: Option<String>,
    /// `None` for a stream.
    pub bytes: Option<u64>,
    /// `None` for a stream, and for what cannot be looked into before it is decoded.
    pub media: Option<Media>,
    /// Its content credentials, which are no part of any score; `None` for a stream.
    pub provenance: Option<Provenance>,
}

/// What the container and its streams say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Media {
    /// A media type with what tells apart those of one name: `video/quicktime (variant iso)`; `None` for a
    /// stream without one.
    pub container: Option<String>,
    /// In seconds.
    pub duration: Option<f64>,
    /// The first stream of pictures.
    pub video: Option<Video>,
    /// The first stream of sound.
    pub audio: Option<Audio>,
    /// How many streams of pictures and of sound there are.
    pub video_streams: u32,
    /// How many of sound.
    pub audio_streams: u32,
}

/// A stream of pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Video {
    /// `video/x-h264 (profile high, level 3.1)`.
    pub codec: String,
    /// Pixels, as coded: before it is turned upright.
    pub width: u32,
    /// Rows of pixels, as coded.
    pub height: u32,
    /// Frames a second as a fraction, `30000/1001`; `None` where it varies or nobody says.
    pub frame_rate: Option<String>,
    /// Pixel aspect ratio, `1/1`.
    pub pixel_aspect: String,
    /// Whether frames are made of two fields.
    pub interlaced: bool,
    /// `rotate-0`, `flip-rotate-90`, …: how it is to be shown.
    pub orientation: String,
    /// A still picture.
    pub still: bool,
}

/// A stream of sound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Audio {
    /// As of [`Video::codec`].
    pub codec: String,
    /// Samples a second.
    pub rate: u32,
    /// How many channels.
    pub channels: u32,
}

/// A stretch of the input, in seconds of its own time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Span {
    /// Where it begins.
    pub start: f64,
    /// `None`: to the end.
    pub duration: Option<f64>,
}

/// The machine. Nothing here names it or its user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Host {
    /// `Intel(R) Xeon(R) …`; empty where nobody says.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: u32,
    /// Of the kernel: `Linux 6.1.0-13-amd64`.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
}

/// A network's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ModelFile {
    /// Without its folder.
    pub file: String,
    /// In lower-case hexadecimal.
    pub sha256: String,
    /// Of its sidecar, where there is one.
    pub sidecar_sha256: Option<String>,
}

/// By what scores are judged. Without a classifier all is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Judging {
    /// Whether somebody vouches for the scores.
    pub trained: Option<bool>,
    /// `trained`, `analytic`, `untrained`, `unknown`.
    pub training: Option<String>,
    /// Whether scores become likelihood ratios by a measured map.
    pub calibrated: Option<bool>,
    /// P(fake) above which a face counts as fake.
    pub threshold: Option<f64>,
    /// `user`, `measured`, `published`, `fused`.
    pub threshold_source: Option<String>,
    /// Its name, such as `fpr-1e-2`.
    pub operating_point: Option<String>,
    /// One for each classifier that was calibrated, in their order.
    pub calibrations: Vec<Calibration>,
}

/// What was measured of a classifier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Calibration {
    /// File name of the classifier.
    pub classifier: String,
    /// How scores become log-likelihood ratios: `platt` or `isotonic`.
    pub map: String,
    /// The videos that it was measured on.
    pub population: Population,
    /// Measured thresholds with their error rates.
    pub points: Vec<Point>,
    /// The least (`min-…`) and most (`max-…`) of the qualities within which it was measured.
    pub limits: BTreeMap<String, f64>,
}

/// The videos of a calibration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Population {
    /// What whoever calibrated calls the set.
    pub name: String,
    /// Numbers of videos.
    pub real: u32,
    /// Forged videos.
    pub fake: u32,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Of the list of the videos' names and hashes, in hexadecimal.
    pub list_sha256: String,
}

/// An operating point that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Point {
    /// By which users choose it, such as `fpr-1e-2`.
    pub name: String,
    /// P(fake) above which a face is fake.
    pub threshold: f64,
    /// The part of real videos that are called fake.
    pub fpr: Rate,
    /// The part of fake videos that are called fake.
    pub tpr: Rate,
}

/// A measured proportion with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// What was measured, 0..=1.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}
