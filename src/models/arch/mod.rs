//! One file for each network: its tensors by name, and the graph that computes with them.

mod conv;
mod detections;
pub mod ftcn;
pub mod gdconv;
pub mod gend;
mod landmarks;
pub mod m2sd;
pub mod mobilefacenet;
mod patches;
pub mod pfld;
mod resnet;
pub mod retinaface;
pub mod slim;
mod transformer;

use std::collections::BTreeSet;

use thiserror::Error;

use super::checkpoint::CheckpointError;

/// Named tensors, from a file or made up.
pub trait Weights {
    /// `None`: there is no such tensor.
    fn shape(&self, name: &str) -> Option<&[usize]>;
    /// All numbers of one tensor, row-major.
    fn read(&mut self, name: &str) -> Result<Vec<f32>, CheckpointError>;
    /// What is in the place of a tensor, where that is something that is not read.
    fn placeholder(&self, _name: &str) -> Option<&str> {
        None
    }
}

/// Why a network cannot be built from a checkpoint's tensors.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ArchError {
    #[error("the tensor {tensor} is missing: an incomplete file, or another network")]
    Missing { tensor: String },
    #[error("tensor {tensor} is {found:?}, expected {expected}")]
    Shape { tensor: String, found: Vec<usize>, expected: String },
    #[error("tensor {tensor} holds a number that is not finite; the file is damaged")]
    NotFinite { tensor: String },
    #[error("in the place of the tensor {tensor} is {found}, which is not read")]
    Placeholder { tensor: String, found: String },
    #[error(
        "nothing tells its {what}: the file does not, and a width of {width} is none of the \
         published networks'; say it with {option}"
    )]
    Unsaid { what: &'static str, option: &'static str, width: usize },
    #[error(
        "{}: expected the head LinearNorm or linear in config.json, beside the tensors",
        found.as_deref().map_or("its head is not told".to_owned(), |head| format!("its head is {head:?}"))
    )]
    Head { found: Option<String> },
    #[error("tensor {tensor}: {why}")]
    Unsupported { tensor: String, why: &'static str },
    #[error("the network is {bytes} bytes; an ONNX file holds at most 2 GiB")]
    TooLarge { bytes: u64 },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("cannot write the network: {0}")]
    Write(#[from] std::io::Error),
}

/// Weights as the networks ask for them, with a record of which were used.
pub struct Tensors<'a> {
    weights: &'a mut dyn Weights,
    used: BTreeSet<String>,
}

impl<'a> Tensors<'a> {
    /// With no tensor used yet.
    pub fn new(weights: &'a mut dyn Weights) -> Self {
        Self { weights, used: BTreeSet::new() }
    }

    /// The names of the tensors that were asked for and are there.
    pub fn used(&self) -> &BTreeSet<String> {
        &self.used
    }

    /// Whether a tensor of this name can be read. Asking does not count as use.
    pub fn has(&self, name: &str) -> bool {
        self.weights.shape(name).is_some()
    }

    /// The shape of a tensor, which counts as used.
    ///
    /// # Errors
    /// [`ArchError::Missing`], or [`ArchError::Placeholder`] where something else has its name.
    pub fn shape(&mut self, name: &str) -> Result<&[usize], ArchError> {
        let missing = || match self.weights.placeholder(name) {
            Some(found) => {
                ArchError::Placeholder { tensor: name.to_owned(), found: found.to_owned() }
            }
            None => ArchError::Missing { tensor: name.to_owned() },
        };
        let shape = self.weights.shape(name).ok_or_else(missing)?;
        self.used.insert(name.to_owned());
        Ok(shape)
    }

    /// The shape of a tensor that must have `N` axes.
    pub fn dims<const N: usize>(&mut self, name: &str) -> Result<[usize; N], ArchError> {
        let shape = self.shape(name)?;
        shape.try_into().map_err(|_| ArchError::Shape {
            tensor: name.to_owned(),
            found: shape.to_vec(),
            expected: format!("{N} axes"),
        })
    }

    /// Checks a tensor's shape.
    ///
    /// # Errors
    /// As [`Self::shape`]; [`ArchError::Shape`] for another one.
    pub fn expect(&mut self, name: &str, expected: &[usize]) -> Result<(), ArchError> {
        let found = self.shape(name)?;
        if found == expected {
            return Ok(());
        }
        Err(ArchError::Shape {
            tensor: name.to_owned(),
            found: found.to_vec(),
            expected: format!("{expected:?}"),
        })
    }

    /// Reads a tensor, in row-major order.
    ///
    /// # Errors
    /// As [`Self::shape`]; [`ArchError::NotFinite`]; when the file cannot be read.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, ArchError> {
        self.shape(name)?;
        let values = self.weights.read(name)?;
        if values.iter().all(|v| v.is_finite()) {
            Ok(values)
        } else {
            Err(ArchError::NotFinite { tensor: name.to_owned() })
        }
    }

    /// Reads a tensor of this shape.
    ///
    /// # Errors
    /// As [`Self::expect`] and [`Self::read`].
    fn read_expecting(&mut self, name: &str, dims: &[usize]) -> Result<Vec<f32>, ArchError> {
        self.expect(name, dims)?;
        self.read(name)
    }
}
