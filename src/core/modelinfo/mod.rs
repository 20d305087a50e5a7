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
    /// Finds faces, with five points each.
    Detector,
    /// Finds 68 points of a face.
    Aligner,
    /// Scores clips of a face.
    Classifier,
}

impl Role {
    /// Every role, in the order in which a frame meets them.
    pub const ALL: [Self; 3] = [Self::Detector, Self::Aligner, Self::Classifier];

    /// As in the sidecar's key `role`: `detector`, `aligner`, `classifier`.
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
    /// Into the network.
    Input,
    /// Out of the network.
    Output,
}

/// What the numbers of a tensor are, of those that this project's networks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum PortType {
    /// 32-bit floats.
    Float32,
    /// Bytes.
    Uint8,
}

/// A tensor that the sidecar describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The tensor's name in the network, and the section's.
    pub name: String,
    /// Whether it goes in or comes out.
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
///
/// ```
/// use gstm2sd::core::modelinfo::{ModelInfo, Role};
///
/// let text = "[modelinfo]\nrole=classifier\nthreshold=0.3\n\n[clip]\ndir=input\n";
/// let info: ModelInfo = text.parse().unwrap();
/// assert_eq!((info.role, info.threshold, info.input()), (Some(Role::Classifier), Some(0.3), Some("clip")));
/// let error = "[modelinfo]\nthreshold=high".parse::<ModelInfo>().unwrap_err();
/// assert_eq!(error.to_string(), "[modelinfo] threshold=high: expected a probability, 0 to 1");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    /// What the network is for.
    pub role: Option<Role>,
    /// A short name for people, such as `MesoNet Meso4`.
    pub title: Option<String>,
    /// Of the weights, as an SPDX expression or in words.
    pub licence: Option<String>,
    /// Where the weights come from.
    pub source: Option<String>,
    /// What is known of how the network came by its weights.
    pub training: Training,
    /// What those who use it have to keep to beside its licence, such as the terms of the data that it
    /// was trained on.
    pub terms: Option<String>,
    /// The order in which the network reads colours.
    pub channel_order: Option<ChannelOrder>,
    /// How levels become the network's floats.
    pub normalization: Option<Normalization>,
    /// The tensors that the sidecar describes, by name. An ONNX file needs none of them described;
    /// a bare TensorRT engine all.
    pub ports: Vec<Port>,
    /// P(fake) above which whoever published the classifier calls a face fake.
    pub threshold: Option<f64>,
    /// What the classifier's numbers are: logits, or probabilities.
    pub outputs: Option<ClassifierOutput>,
    /// Which of the classifier's two classes is fake.
    pub fake_index: Option<FakeIndex>,
    /// The order of a clip's axes.
    pub input_layout: Option<InputLayout>,
    /// Where the five points belong in an aligned picture.
    pub template: Option<Template>,
    /// Whether a clip is aligned as a whole, or frame by frame.
    pub align: Option<Align>,
    /// The side of what is cut out of the frame, in sides of the face's box.
    pub crop_scale: Option<f64>,
    /// The frame rates that the classifier was trained at.
    pub fps: Option<FrameRates>,
    /// How the detector's numbers become faces.
    pub family: Option<DetectorFamily>,
    /// The sides of the detector's anchors.
    pub anchors: Option<AnchorSides>,
    /// What the classifier needs of a face.
    pub sufficiency: SufficiencyKeys,
    /// From scores to likelihood ratios, where that was measured.
    pub calibration: Option<Calibration>,
    /// Measured on the videos of the calibration.
    pub points: Vec<MeasuredPoint>,
}

/// Why a sidecar cannot be read, or not be written.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ModelInfoError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("line {line} is neither a [section], a key=value nor a comment: {text:?}")]
    Syntax { line: usize, text: String },
    #[error("{reason}; expected a [section], key=value or a comment in each line")]
    Ini { reason: String },
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
