//! What a model file does not say about itself: GStreamer's `.modelinfo` sidecar, with our keys.
//!
//! An INI file beside the model (`NAME.onnx.modelinfo`, else `NAME.modelinfo`). Its first section,
//! `[modelinfo]`, holds the whole file's keys, every other section describes the tensor that it
//! is named after. Keys that this project does not know are kept out of the way, not refused: the
//! same file may serve other elements.

mod calibration;
mod classifier;
mod detector;
mod sufficiency;
mod text;
mod training;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use strum::{EnumString, IntoStaticStr, VariantNames};
use thiserror::Error;

use self::text::is_section_name;
use super::image::{ChannelOrder, Normalization};
pub use calibration::{Calibration, LlrMap, MeasuredPoint, Population, Rate};
pub use classifier::{Align, ClassifierOutput, FakeIndex, FrameRates, InputLayout, Template};
pub use detector::{AnchorSides, DetectorFamily};
pub use sufficiency::SufficiencyKeys;
pub use training::{Training, UnknownTraining};

/// What a network is for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    Detector,
    Aligner,
    Classifier,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Detector, Self::Aligner, Self::Classifier];

    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a tensor goes into the network or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
}

/// What the numbers of a tensor are, of those that this project's networks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum PortType {
    Float32,
    Uint8,
}

/// A tensor that the sidecar describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub direction: Direction,
    /// `None`: not told, or of a type that no network here has.
    pub element: Option<PortType>,
    /// A size of `None` is any size. Without the list: not told.
    pub dims: Option<Vec<Option<usize>>>,
}

impl Port {
    /// The image or clip input of a network that the ONNX file itself describes.
    pub fn pixels(name: &str, element: PortType) -> Self {
        let (name, direction) = (name.to_owned(), Direction::Input);
        Self { name, direction, element: Some(element), dims: None }
    }
}

/// A sidecar, read. Every field may be missing: the engines have defaults for each role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    pub role: Option<Role>,
    /// A short name for people, such as `MesoNet Meso4`.
    pub title: Option<String>,
    pub licence: Option<String>,
    /// Where the weights come from.
    pub source: Option<String>,
    /// What is known of how the network came by its weights.
    pub training: Training,
    /// What those who use it have to keep to beside its licence, such as the terms of the data that it
    /// was trained on.
    pub terms: Option<String>,
    pub channel_order: Option<ChannelOrder>,
    pub normalization: Option<Normalization>,
    /// The tensors that the sidecar describes, by name. An ONNX file needs none of them described;
    /// a bare TensorRT engine all.
    pub ports: Vec<Port>,
    /// P(fake) above which whoever published the classifier calls a face fake.
    pub threshold: Option<f64>,
    pub outputs: Option<ClassifierOutput>,
    pub fake_index: Option<FakeIndex>,
    pub input_layout: Option<InputLayout>,
    pub template: Option<Template>,
    pub align: Option<Align>,
    /// The side of what is cut out of the frame, in sides of the face's box.
    pub crop_scale: Option<f64>,
    pub fps: Option<FrameRates>,
    pub family: Option<DetectorFamily>,
    pub anchors: Option<AnchorSides>,
    pub sufficiency: SufficiencyKeys,
    pub calibration: Option<Calibration>,
    /// Measured on the videos of the calibration.
    pub points: Vec<MeasuredPoint>,
}

#[derive(Debug, Error)]
pub enum ModelInfoError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("line {line} is neither a [section], a key=value nor a comment: {text:?}")]
    Syntax { line: usize, text: String },
    #[error("[{section}] {key}={value}: expected {expected}")]
    Value { section: String, key: String, value: String, expected: String },
    #[error("[{section}] {key}: no such key; expected {known}")]
    UnknownKey { section: String, key: String, known: String },
    #[error("[{section}] has no {key}")]
    Missing { section: String, key: &'static str },
    #[error(
        "the tensor name {name:?} cannot be a section of a .modelinfo file: it is empty or the name \
         of a section of ours, or has brackets, control characters or spaces at its ends. Rename the tensor"
    )]
    TensorName { name: String },
    #[error("{} is larger than {limit} bytes: no .modelinfo file", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
}

/// Sidecars are some hundred bytes.
const LARGEST_BYTES: u64 = 1 << 20;
impl ModelInfo {
    /// Where the sidecar of `model` may be: where it is written, `NAME.onnx.modelinfo`, and `NAME.modelinfo`.
    pub fn places(model: &Path) -> [PathBuf; 2] {
        let mut appended = model.as_os_str().to_owned();
        appended.push(".modelinfo");
        [PathBuf::from(appended), model.with_extension("modelinfo")]
    }

    /// The sidecar that belongs to `model`, or the empty one when there is none.
    pub fn beside(model: &Path) -> Result<Self, ModelInfoError> {
        for path in Self::places(model) {
            let mut text = String::new();
            let file = File::open(&path);
            match file.and_then(|file| file.take(LARGEST_BYTES + 1).read_to_string(&mut text)) {
                Ok(len) if len as u64 <= LARGEST_BYTES => return text.parse(),
                Ok(_) => return Err(ModelInfoError::TooLarge { path, limit: LARGEST_BYTES }),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ModelInfoError::Read { path, source }),
            }
        }
        Ok(Self::default())
    }

    /// The sidecar as it is written to disk.
    ///
    /// # Errors
    /// [`ModelInfoError::TensorName`] for a tensor whose name such a file cannot hold.
    pub fn to_sidecar(&self) -> Result<String, ModelInfoError> {
        match self.ports.iter().find(|port| !is_section_name(&port.name)) {
            Some(port) => Err(ModelInfoError::TensorName { name: port.name.clone() }),
            None => Ok(self.to_string()),
        }
    }
}

impl ModelInfo {
    /// The name of the image or clip input, where the sidecar names one.
    pub fn input(&self) -> Option<&str> {
        let input = self.ports.iter().find(|port| port.direction == Direction::Input);
        input.map(|port| port.name.as_str())
    }

    /// Takes over what `other` says was measured of the same weights: calibration, operating points and
    /// what a face needs. Whether that changed anything.
    pub fn take_measured(&mut self, other: &Self) -> bool {
        let before = self.clone();
        if other.calibration.is_some() {
            self.calibration.clone_from(&other.calibration);
        }
        if !other.points.is_empty() {
            self.points.clone_from(&other.points);
        }
        if other.sufficiency != SufficiencyKeys::default() {
            self.sufficiency = other.sufficiency;
        }
        *self != before
    }

    /// How levels become what the network computes with, in the role `role`: the sidecar's word,
    /// else its family's for detectors, 0..=1 for aligners and ImageNet's for classifiers.
    pub fn normalization_as(&self, role: Role) -> Normalization {
        self.normalization.unwrap_or(match role {
            Role::Detector => self.family.unwrap_or(DetectorFamily::RetinaFace).normalization(),
            Role::Aligner => Normalization::UNIT,
            Role::Classifier => Normalization::IMAGENET_RGB,
        })
    }
}

#[cfg(test)]
mod tests;
