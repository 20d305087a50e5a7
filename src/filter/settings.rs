//! What the properties say.

use std::path::PathBuf;

use gst::ClockTime;

use crate::core::evidence::{NotAProbability, PointChoice, Probability};
use crate::core::image;
use crate::core::orientation::Orientation;
use crate::core::sampling::{ClipFps, NoClipFps};
use crate::infer;
pub use crate::infer::{Precision, Provider};

/// Who says in which channel order the detector reads frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstM2sdChannelOrder")]
pub enum ChannelOrderSource {
    /// What the model's sidecar says, else what its family reads.
    #[default]
    #[enum_value(name = "What the model's .modelinfo says, else its family's", nick = "auto")]
    Auto,
    /// Red first, as the published M2SD script feeds it.
    #[enum_value(name = "RGB, as the published M2SD script feeds it", nick = "rgb")]
    Rgb,
    /// Blue first, as RetinaFace was trained.
    #[enum_value(name = "BGR, as RetinaFace was trained", nick = "bgr")]
    Bgr,
}

/// When a frame leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstM2sdMode")]
pub enum Mode {
    /// Live for live sources, complete for others.
    #[default]
    #[enum_value(name = "Live for live sources, complete for others", nick = "auto")]
    Auto,
    /// At once, with the newest score of each face.
    #[enum_value(name = "At once, with the newest score of each face", nick = "live")]
    Live,
    /// When every clip that contains it is scored.
    #[enum_value(name = "When every clip that contains it is scored", nick = "complete")]
    Complete,
}

/// Where the five alignment points of a face come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstM2sdLandmarkSource")]
pub enum LandmarkSource {
    /// The detector, as in the published method.
    #[default]
    #[enum_value(name = "The detector, as in the published method", nick = "detector")]
    Detector,
    /// The 68 landmarks of the aligner.
    #[enum_value(name = "The 68 landmarks of the aligner", nick = "aligner")]
    Aligner,
}

/// How frames are turned to be seen upright: as the stream's tag `image-orientation` says, or as
/// named in its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstM2sdOrientation")]
pub enum OrientationSource {
    /// As the stream's tag says.
    #[default]
    #[enum_value(name = "As the stream's tag image-orientation says", nick = "auto")]
    Auto,
    /// As they are.
    #[enum_value(name = "As they are", nick = "rotate-0")]
    Rotate0,
    /// A quarter turn clockwise.
    #[enum_value(name = "A quarter turn clockwise", nick = "rotate-90")]
    Rotate90,
    /// Half a turn.
    #[enum_value(name = "Half a turn", nick = "rotate-180")]
    Rotate180,
    /// A quarter turn counter-clockwise.
    #[enum_value(name = "A quarter turn counter-clockwise", nick = "rotate-270")]
    Rotate270,
    /// Mirrored left to right.
    #[enum_value(name = "Mirrored left to right", nick = "flip-rotate-0")]
    FlipRotate0,
    /// Mirrored at the rising diagonal.
    #[enum_value(name = "Mirrored at the rising diagonal", nick = "flip-rotate-90")]
    FlipRotate90,
    /// Mirrored top to bottom.
    #[enum_value(name = "Mirrored top to bottom", nick = "flip-rotate-180")]
    FlipRotate180,
    /// Mirrored at the falling diagonal.
    #[enum_value(name = "Mirrored at the falling diagonal", nick = "flip-rotate-270")]
    FlipRotate270,
}

impl OrientationSource {
    /// The orientation, where `tag` is what the stream says.
    pub fn resolve(self, tag: Orientation) -> Orientation {
        match self {
            Self::Auto => tag,
            Self::Rotate0 => Orientation::Rotate0,
            Self::Rotate90 => Orientation::Rotate90,
            Self::Rotate180 => Orientation::Rotate180,
            Self::Rotate270 => Orientation::Rotate270,
            Self::FlipRotate0 => Orientation::FlipRotate0,
            Self::FlipRotate90 => Orientation::FlipRotate90,
            Self::FlipRotate180 => Orientation::FlipRotate180,
            Self::FlipRotate270 => Orientation::FlipRotate270,
        }
    }
}

/// What happens when a model fails while running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstM2sdOnError")]
pub enum OnError {
    /// The element warns, passes frames unscored, and tries again with growing pauses.
    #[default]
    #[enum_value(name = "Warn, pass frames unscored, try again with growing pauses", nick = "pass")]
    Pass,
    /// The stream stops with an error.
    #[enum_value(name = "Stop the stream with an error", nick = "fail")]
    Fail,
}

/// The value of every property. 0 stands for "automatic" where the property says so.
#[derive(Clone, Debug)]
pub struct Settings {
    pub engines_dir: Option<String>,
    pub detector: Option<String>,
    pub aligner: Option<String>,
    pub classifier: Option<String>,
    pub provider: Provider,
    pub device: Option<String>,
    pub precision: Precision,
    pub threads: u32,
    pub detect_interval: u32,
    pub detect_size: u32,
    pub detect_threshold: f64,
    pub channel_order: ChannelOrderSource,
    pub max_faces: u32,
    pub min_face: u32,
    pub clip_fps: Option<String>,
    pub clip_stride: u32,
    pub batch_size: u32,
    pub batch_timeout: u64,
    pub threshold: f64,
    pub operating_point: Option<String>,
    pub mode: Mode,
    pub max_latency: u64,
    pub landmark_source: LandmarkSource,
    pub orientation: OrientationSource,
    pub on_error: OnError,
    pub draw: bool,
    pub post_messages: bool,
}

pub const DEFAULT_DETECT_THRESHOLD: f64 = 0.5;
pub const DEFAULT_MAX_FACES: u32 = 10;
pub const DEFAULT_MAX_LATENCY: ClockTime = ClockTime::from_mseconds(100);
pub const DEFAULT_BATCH_TIMEOUT: ClockTime = ClockTime::from_mseconds(10);
/// `threshold` left to the model.
pub const MODEL_THRESHOLD: f64 = -1.0;
/// The longer side of the detector's input that automatic `detect-size` allows in live mode.
const LIVE_DETECT_SIZE_PX: u32 = 640;

impl Default for Settings {
    fn default() -> Self {
        Self {
            engines_dir: None,
            detector: None,
            aligner: None,
            classifier: None,
            provider: Provider::default(),
            device: None,
            precision: Precision::default(),
            threads: 0,
            detect_interval: 0,
            detect_size: 0,
            detect_threshold: DEFAULT_DETECT_THRESHOLD,
            channel_order: ChannelOrderSource::default(),
            max_faces: DEFAULT_MAX_FACES,
            min_face: 0,
            clip_fps: None,
            clip_stride: 0,
            batch_size: 1,
            batch_timeout: DEFAULT_BATCH_TIMEOUT.nseconds(),
            threshold: MODEL_THRESHOLD,
            operating_point: None,
            mode: Mode::default(),
            max_latency: DEFAULT_MAX_LATENCY.nseconds(),
            landmark_source: LandmarkSource::default(),
            orientation: OrientationSource::default(),
            on_error: OnError::default(),
            draw: true,
            post_messages: true,
        }
    }
}

/// How frames are delivered, once `mode=auto` has been decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Live,
    Complete,
}

impl Settings {
    pub fn engines_dir(&self) -> Option<PathBuf> {
        self.engines_dir.as_deref().filter(|d| !d.is_empty()).map(PathBuf::from)
    }

    /// The operating point that is asked for.
    pub fn point(&self) -> Result<PointChoice, NotAProbability> {
        let name = self.operating_point.as_deref().filter(|name| !name.is_empty());
        Ok(match name {
            _ if self.threshold >= 0.0 => PointChoice::Threshold(Probability::new(self.threshold)?),
            Some(name) => PointChoice::Named(name.to_owned()),
            None => PointChoice::Best,
        })
    }

    pub fn delivery(&self, upstream_is_live: bool) -> Delivery {
        match self.mode {
            Mode::Live => Delivery::Live,
            Mode::Complete => Delivery::Complete,
            Mode::Auto if upstream_is_live => Delivery::Live,
            Mode::Auto => Delivery::Complete,
        }
    }

    /// Frames from one detection to the next, at least 1.
    pub fn detect_interval(&self, delivery: Delivery) -> u32 {
        match (self.detect_interval, delivery) {
            (0, Delivery::Complete) => 1,
            (0, Delivery::Live) => 2,
            (interval, _) => interval,
        }
    }

    /// The longest side of the detector's input in pixels; `None`: the frame's own size.
    pub fn detect_size_px(&self, delivery: Delivery) -> Option<u32> {
        match (self.detect_size, delivery) {
            (0, Delivery::Complete) => None,
            (0, Delivery::Live) => Some(LIVE_DETECT_SIZE_PX),
            (size, _) => Some(size),
        }
    }

    /// At which rate clips are made; an error if `clip-fps` says none.
    pub fn clip_fps(&self) -> Result<ClipFps, NoClipFps> {
        self.clip_fps.as_deref().unwrap_or_default().parse()
    }

    /// Frames of clips from the start of one to the start of the next, at least 1.
    pub fn clip_stride(&self, delivery: Delivery, clip_frames: usize) -> usize {
        match (self.clip_stride as usize, delivery) {
            (0, Delivery::Complete) => 1,
            (0, Delivery::Live) => clip_frames.div_ceil(2).max(1),
            (stride, _) => stride,
        }
    }

    /// The order in which the detector is given colours, where `model` is its own.
    pub fn channel_order(&self, model: image::ChannelOrder) -> image::ChannelOrder {
        match self.channel_order {
            ChannelOrderSource::Auto => model,
            ChannelOrderSource::Rgb => image::ChannelOrder::Rgb,
            ChannelOrderSource::Bgr => image::ChannelOrder::Bgr,
        }
    }

    /// What the engines are asked for; an error if `device` names none.
    pub fn engine_options(&self) -> Result<infer::EngineOptions, infer::UnknownName> {
        Ok(infer::EngineOptions {
            provider: self.provider,
            precision: self.precision,
            device: self.device.as_deref().unwrap_or_default().parse()?,
            threads: self.threads as usize,
            cache_dir: None,
            shapes: self.shapes(),
        })
    }

    /// The sizes that TensorRT's engines are built for; the same in all modes, so that an engine
    /// that was built ahead serves them all.
    fn shapes(&self) -> infer::Shapes {
        let detect_px = match self.detect_size {
            0 => infer::Shapes::default().detect_px,
            px => px as usize,
        };
        let (batch, faces) = (self.batch_size as usize, self.max_faces as usize);
        infer::Shapes { batch: batch.max(1), faces: faces.max(1), detect_px }
    }
}
