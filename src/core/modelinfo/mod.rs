//! What a model file does not say about itself: GStreamer's `.modelinfo` sidecar, with our keys.
//!
//! An INI file beside the model (`NAME.onnx.modelinfo`, else `NAME.modelinfo`). Its first section,
//! `[modelinfo]`, holds the whole file's keys, every other section describes the tensor that it
//! is named after. Keys that this project does not know are kept out of the way, not refused: the
//! same file may serve other elements.

mod text;
mod training;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::image::{ChannelOrder, Normalization};
pub use training::{Training, UnknownTraining};

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Detector,
    Aligner,
    Classifier,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Detector, Self::Aligner, Self::Classifier];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Aligner => "aligner",
            Self::Classifier => "classifier",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a classifier's two numbers still need a softmax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassifierOutput {
    #[default]
    Logits,
    Probabilities,
}

/// Whether a tensor goes into the network or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
}

/// What the numbers of a tensor are, of those that this project's networks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortType {
    Float32,
    Uint8,
}

impl PortType {
    const NAMES: [(&'static str, Self); 2] = [("float32", Self::Float32), ("uint8", Self::Uint8)];

    fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Uint8 => "uint8",
        }
    }
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
    pub channel_order: Option<ChannelOrder>,
    pub normalization: Option<Normalization>,
    /// The tensors that the sidecar describes, by name. An ONNX file needs none of them described;
    /// a bare TensorRT engine all.
    pub ports: Vec<Port>,
    /// P(fake) above which this classifier calls a face fake.
    pub threshold: Option<f64>,
    pub output: Option<ClassifierOutput>,
}

#[derive(Debug, Error)]
pub enum ModelInfoError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("line {line} is neither a [section], a key=value nor a comment: {text:?}")]
    Syntax { line: usize, text: String },
    #[error("[{section}] {key}={value}: expected {expected}")]
    Value { section: String, key: String, value: String, expected: &'static str },
    #[error(
        "the tensor name {name:?} cannot be a section of a .modelinfo file: it is empty or \
         modelinfo, or has brackets, control characters or spaces at its ends. Rename the tensor"
    )]
    TensorName { name: String },
    #[error("{} is larger than {limit} bytes: no .modelinfo file", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
}

/// Sidecars are some hundred bytes.
const LARGEST_BYTES: u64 = 1 << 20;
/// The section that holds the keys of the whole file.
const GLOBAL: &str = "modelinfo";

/// Whether a tensor's name, which the file's author chose, can stand as `[name]` and be nothing else:
/// a name with a line break could bring keys of its own.
fn is_section_name(name: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '[' | ']');
    !name.is_empty() && name != GLOBAL && name.trim() == name && !name.contains(breaks)
}

impl ModelInfo {
    /// The sidecar that belongs to `model`, or the empty one when there is none.
    pub fn beside(model: &Path) -> Result<Self, ModelInfoError> {
        let mut appended = model.as_os_str().to_owned();
        appended.push(".modelinfo");
        for path in [PathBuf::from(appended), model.with_extension("modelinfo")] {
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

    /// How levels become what the network computes with, in the role `role`: the sidecar's word,
    /// else RetinaFace's, 0..=1 for aligners and ImageNet's for classifiers.
    pub fn normalization_as(&self, role: Role) -> Normalization {
        self.normalization.unwrap_or(match role {
            Role::Detector => Normalization::RETINAFACE,
            Role::Aligner => Normalization::UNIT,
            Role::Classifier => Normalization::IMAGENET_RGB,
        })
    }
}

#[cfg(test)]
mod tests;
