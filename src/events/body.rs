//! The types of event, and what each says. Times are running time in nanoseconds, boxes are pixels of
//! the frame, scores are P(fake).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EventId;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Body {
    /// A clip of a face was scored.
    Clip(Box<Clip>),
    /// What is said of a face changed.
    Verdict(Box<Verdict>),
    /// A face is followed from now on.
    TrackStart(TrackStart),
    /// A face is not followed any more: what was said of it.
    TrackEnd(TrackEnd),
    /// A verdict of fake held.
    Alert(Box<Alert>),
    /// A camera came, went, or changed.
    Camera(Camera),
    /// How the process itself does.
    Health(Health),
}

impl Body {
    /// What [`Self::type_name`] may be.
    pub const TYPES: [&str; 7] =
        ["clip", "verdict", "track-start", "track-end", "alert", "camera", "health"];

    /// As the field `type` has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Clip(_) => "clip",
            Self::Verdict(_) => "verdict",
            Self::TrackStart(_) => "track-start",
            Self::TrackEnd(_) => "track-end",
            Self::Alert(_) => "alert",
            Self::Camera(_) => "camera",
            Self::Health(_) => "health",
        }
    }
}

/// A face's box in pixels of the frame, of which parts may be outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaceBox {
    /// Of the left side.
    pub x: f64,
    /// Of the upper side.
    pub y: f64,
    /// In pixels.
    pub width: f64,
    /// In pixels.
    pub height: f64,
}

/// Who scores, and what scores are held against.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Classifier {
    /// The file's name without its ending.
    pub model_name: String,
    /// The SHA-256 of the file; of several that judge together, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// `trained`, `analytic`, `untrained` or `unknown`.
    pub training: String,
    /// Whether somebody vouches for the scores.
    pub trained: bool,
    /// Whether scores have likelihood ratios.
    pub calibrated: bool,
    /// P(fake) that scores are held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_point: Option<String>,
    /// `measured`, `published` or `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_source: Option<String>,
}

/// How well a face could be seen: `docs/metadata.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Quality {
    /// Pixels between the eyes.
    pub eye_distance: f64,
    /// 0 (blurred) to 1.
    pub sharpness: f64,
    /// Mean of the levels, 0 to 1.
    pub brightness: f64,
    /// Standard deviation of the levels, 0 to 1.
    pub contrast: f64,
    /// Degrees between the face's direction and the camera's.
    pub pose: f64,
    /// The part that the frame does not show, 0 to 1.
    pub outside: f64,
    /// Traces of compression in blocks, 0 to 1.
    pub blockiness: f64,
    /// What falls short for this classifier.
    pub failed: Vec<String>,
}

/// A scored clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Clip {
    /// The face's number in its stream.
    pub track: u64,
    /// When the clip's first frame begins.
    pub start: u64,
    /// When its last frame ends.
    pub end: u64,
    /// Frames in it, repeated ones included.
    pub frames: u32,
    /// The face in its newest frame.
    #[serde(flatten)]
    pub face: FaceBox,
    /// P(fake).
    pub score: f64,
    /// Of an ensemble, what all say together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fused_score: Option<f64>,
    /// The natural logarithm of the likelihood ratio of fake against real.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llr: Option<f64>,
    /// Whether it counts for a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sufficient: Option<bool>,
    /// Why not, as a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why not, with the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// How well the face could be seen: medians over the clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// The network's number for fake.
    pub logit_fake: f64,
    /// The network's number for real.
    pub logit_real: f64,
    /// Who ran the network.
    pub provider: String,
    /// What it was computed in.
    pub precision: String,
    /// For how long, milliseconds.
    pub provider_ms: f64,
    /// dB relative to full scale, with sound only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_level_db: Option<f64>,
    /// The part of the time that was heard, with sound only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_coverage: Option<f64>,
    /// Stretches without sound, with sound only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_gaps: Option<u32>,
    /// Who scored it.
    #[serde(flatten)]
    pub classifier: Classifier,
}

/// What is said of a face, and by which numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Judgement {
    /// `real`, `fake`, `uncertain`, `insufficient` or `unscored`.
    pub label: String,
    /// How far the evidence is from the threshold, as a probability; 0 without a verdict.
    pub confidence: f64,
    /// What is missing for a verdict, as a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is missing for a verdict, with the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// P(fake) that the label speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// P(fake) of the frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_score: Option<f64>,
    /// Clips in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_clips: Option<u32>,
    /// The natural logarithm of the likelihood ratio of fake against real.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llr: Option<f64>,
    /// Clips in `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clips: Option<u32>,
    /// When the first of these clips begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// When the last of these clips ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// What is said of a face has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The face's number in its stream.
    pub track: u64,
    /// What was said before.
    pub label_before: String,
    /// What is said now.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// Where the face is.
    #[serde(flatten)]
    pub face: FaceBox,
    /// Who scored; missing without a classifier.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<Classifier>,
}

/// A face is followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TrackStart {
    /// The face's number in its stream.
    pub track: u64,
    /// Where it was found.
    #[serde(flatten)]
    pub face: FaceBox,
}

/// A face is not followed any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TrackEnd {
    /// The face's number in its stream.
    pub track: u64,
    /// Why: `docs/metadata.md`.
    pub reason: String,
    /// The running time of the first frame with the face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<u64>,
    /// The running time of the last frame with the face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<u64>,
    /// What was said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Why no more than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_reason: Option<String>,
    /// P(fake) that the label speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The natural logarithm of the likelihood ratio of fake against real.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llr: Option<f64>,
    /// Clips in `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clips: Option<u32>,
}

/// A verdict of fake was confirmed: `docs/events.md` has the rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Alert {
    /// The face's number in its stream.
    pub track: u64,
    /// The running time from which the verdict has held.
    pub since: u64,
    /// What is said.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// Where the face is.
    #[serde(flatten)]
    pub face: FaceBox,
    /// Who scored; missing without a classifier.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<Classifier>,
    /// The recording that is being made: the name of its files; missing where nothing is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<EventId>,
}

/// What a camera does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CameraState {
    /// It is being connected to, for the first time or again.
    Connecting,
    /// Frames come.
    Online,
    /// It is connected, and brings nothing.
    Stalled,
    /// There is no connection.
    Offline,
    /// A finite source is at its end.
    Ended,
}

impl CameraState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Connecting, Self::Online, Self::Stalled, Self::Offline, Self::Ended];

    /// As events have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Stalled => "stalled",
            Self::Offline => "offline",
            Self::Ended => "ended",
        }
    }
}

/// A camera came, went, or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Camera {
    /// What it does now.
    pub state: CameraState,
    /// Why, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The frames that it sends; an event `online` with other ones is a change of caps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoFormat>,
    /// Connections that were lost since the process began.
    pub reconnects: u64,
}

/// The frames of a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct VideoFormat {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second; 0 where it varies.
    pub frame_rate: f64,
    /// As caps call it: `video/x-h264`; missing for frames that are not compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
}

/// How well a part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    /// As it should.
    Ok,
    /// Something is missing or lost, and the rest goes on.
    Degraded,
    /// It does not work.
    Failed,
}

impl HealthStatus {
    /// As events have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// How a part of the process does, told when that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// `models`, `spool`, `recordings`, or `sink:NAME`.
    pub component: String,
    /// How it does.
    pub status: HealthStatus,
    /// What the matter is, without credentials.
    pub text: String,
    /// Events that were dropped so far, of spools and sinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
}
