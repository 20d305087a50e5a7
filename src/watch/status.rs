//! What is known of a camera at the moment.

use std::sync::Arc;

use serde::Serialize;

use crate::core::histogram::Histogram;
use crate::events::body::{CameraState, VideoFormat};
use crate::events::{CameraId, UtcTime};

/// A picture as JPEG.
pub type Jpeg = Arc<[u8]>;

/// A camera as it does now.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CameraStatus {
    /// Its id.
    #[schema(value_type = String)]
    pub id: CameraId,
    /// For people; the id where the file has none.
    pub name: String,
    /// Its address, without credentials.
    pub uri: String,
    /// What it does.
    #[schema(value_type = String)]
    pub state: CameraState,
    /// Since when.
    #[schema(value_type = String)]
    pub since: UtcTime,
    /// Why, without credentials.
    pub reason: Option<String>,
    /// The frames that it sends.
    #[schema(value_type = Option<Object>)]
    pub video: Option<VideoFormat>,
    /// When the newest frame came.
    #[schema(value_type = Option<String>)]
    pub last_frame: Option<UtcTime>,
    /// Counters and times.
    pub figures: CameraFigures,
    /// The faces on the newest frame.
    pub faces: Vec<FaceStatus>,
}

/// What has been counted and timed of a camera since the process began; of the property `stats` of its
/// element, summed over its pipelines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CameraFigures {
    /// Frames that came.
    pub frames_in: u64,
    /// Frames that left.
    pub frames_out: u64,
    /// Frames on which faces were looked for.
    pub frames_analysed: u64,
    /// Frames that wait inside.
    pub frames_waiting: u64,
    /// Bytes that came from the source.
    pub bytes_in: u64,
    /// Clips that were scored.
    pub clips_scored: u64,
    /// Clips for which there was no time.
    pub clips_skipped: u64,
    /// Clips that failed.
    pub clips_failed: u64,
    /// Clips that wait.
    pub clips_waiting: u64,
    /// Connections that were lost.
    pub reconnects: u64,
    /// Pipelines that did not stop in time and were left alone.
    pub abandoned: u64,
    /// Alerts.
    pub alerts: u64,
    /// Frames from their arrival to their push, milliseconds: 50th and 95th percentile of the last 256.
    pub latency_p50_ms: f64,
    /// As above.
    pub latency_p95_ms: f64,
    /// A clip in the classifier, milliseconds: 95th percentile of the last 256.
    pub classify_p95_ms: f64,
    /// Frames from their arrival to their push.
    #[serde(skip)]
    pub latency: Histogram,
    /// Runs of the detector.
    #[serde(skip)]
    pub detect: Histogram,
    /// Clips in the classifier.
    #[serde(skip)]
    pub classify: Histogram,
}

/// A face on the newest frame.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FaceStatus {
    /// Its number in the stream.
    pub track: Option<u64>,
    /// `real`, `fake`, `uncertain`, `insufficient` or `unscored`.
    pub label: String,
    /// What is missing for a verdict, as a word.
    pub reason: Option<String>,
    /// What is missing for a verdict, with the numbers.
    pub reason_text: Option<String>,
    /// P(fake).
    pub score: Option<f64>,
    /// The natural logarithm of the likelihood ratio.
    pub llr: Option<f64>,
    /// Whether the classifier is calibrated.
    pub calibrated: bool,
    /// `trained`, `analytic`, `untrained`, `unknown`; empty without a classifier.
    pub training: String,
    /// Left, top, width and height in pixels.
    #[serde(rename = "box")]
    pub rect: [u32; 4],
}

/// The networks that the cameras share, and how they do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ModelStatus {
    /// `detector`, `aligner` or `classifier`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Who runs it: `cpu`, `openvino`, `cuda`, …
    pub provider: String,
    /// What it is computed in.
    pub precision: String,
    /// `trained`, `analytic`, `untrained`, `unknown`; empty for detectors and aligners.
    pub training: String,
    /// Whether scores have likelihood ratios; classifiers only.
    pub calibrated: Option<bool>,
    /// The SHA-256 of its file.
    pub sha256: Option<String>,
    /// The part of the time that its engines were busy, 0 to 1, over the last minute.
    pub busy: Option<f64>,
}

/// An alert's recording.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RecordingStatus {
    /// The name that the alert's event has.
    pub id: String,
    /// Of which camera.
    #[schema(value_type = String)]
    pub camera: CameraId,
    /// Whether more of it is to come.
    pub unfinished: bool,
    /// Bytes of the video file.
    pub bytes: u64,
    /// The name of the video file, when it is finished.
    pub video: Option<String>,
    /// Names of the stills, JPEG.
    pub stills: Vec<String>,
    /// Why there is no video, where there is none.
    pub failure: Option<String>,
}
