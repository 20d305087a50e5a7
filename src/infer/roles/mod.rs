//! The three roles a network can have, and what its inputs and outputs must look like for each.

mod aligner;
mod classifier;
mod clips;
mod detector;

use std::num::NonZeroUsize;
use std::path::Path;

use ndarray::ArrayView;

pub use self::aligner::Aligner;
pub use self::classifier::{AudioSpec, Classifier, ClassifierSpec, ClipScore};
pub use self::clips::{Clip, ClipStager, StagedClips};
pub use self::detector::Detector;
use super::error::InferError;
use super::loading::Loading;
use super::options::EngineOptions;
use super::registry::SharedEngine;
use super::{ElementType, Engine, EngineInfo, Outputs, TensorInfo, TensorView};
use crate::core::image::{Normalization, PixelValues};
use crate::core::modelinfo::{ModelInfo, Role};

/// Loads a detector and the sidecar beside it.
///
/// # Errors
/// As [`Detector::load`]; [`InferError::Sidecar`] and [`InferError::WrongRole`] for the sidecar.
pub fn load_detector<'a>(
    path: &Path,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Detector, InferError> {
    Detector::load(path, &sidecar(path, Role::Detector)?, options, loading)
}

/// Loads an aligner and the sidecar beside it.
///
/// # Errors
/// As [`Aligner::load`]; [`InferError::Sidecar`] and [`InferError::WrongRole`] for the sidecar.
pub fn load_aligner<'a>(
    path: &Path,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Aligner, InferError> {
    Aligner::load(path, &sidecar(path, Role::Aligner)?, options, loading)
}

/// Loads a classifier and the sidecar beside it.
///
/// # Errors
/// As [`Classifier::load`]; [`InferError::Sidecar`] and [`InferError::WrongRole`] for the sidecar.
pub fn load_classifier<'a>(
    path: &Path,
    options: &EngineOptions,
    loading: impl Into<Loading<'a>>,
) -> Result<Classifier, InferError> {
    Classifier::load(path, &sidecar(path, Role::Classifier)?, options, loading)
}

fn sidecar(path: &Path, expected: Role) -> Result<ModelInfo, InferError> {
    let sidecar = ModelInfo::beside(path)
        .map_err(|source| InferError::Sidecar { path: path.to_owned(), source })?;
    match sidecar.role {
        Some(found) if found != expected => {
            Err(InferError::WrongRole { path: path.to_owned(), expected, found })
        }
        _ => Ok(sidecar),
    }
}

/// An engine that is shared with those who open the same.
fn open_shared(
    path: &Path,
    role: Role,
    options: &EngineOptions,
    loading: Loading<'_>,
) -> Result<Box<dyn Engine>, InferError> {
    Ok(Box::new(SharedEngine::load(path, role, options, loading)?))
}

/// An engine's signature, being held against a role.
struct Signature<'a> {
    info: &'a EngineInfo,
    role: Role,
    /// What the role expects, for the error.
    expected: &'static str,
}

impl<'a> Signature<'a> {
    fn wrong(&self) -> InferError {
        let all = |tensors: &[TensorInfo]| {
            tensors.iter().map(TensorInfo::to_string).collect::<Vec<_>>().join(", ")
        };
        InferError::WrongSignature {
            model: self.info.model.clone(),
            role: self.role,
            expected: self.expected.to_owned(),
            found: format!("{} -> {}", all(&self.info.inputs), all(&self.info.outputs)),
        }
    }

    /// The place of the one output that is `[.., last]` of `rank` dimensions.
    fn output(&self, rank: usize, last: usize) -> Result<usize, InferError> {
        let fits = |t: &TensorInfo| t.dims.len() == rank && t.dims.last() == Some(&Some(last));
        let mut found = self.info.outputs.iter().enumerate().filter(|(_, t)| fits(t));
        match (found.next(), found.next()) {
            (Some((place, tensor)), None) if tensor.element == ElementType::F32 => Ok(place),
            _ => Err(self.wrong()),
        }
    }

    /// The dimensions of an input of f32, `N` of them.
    fn input<const N: usize>(
        &self,
        tensor: &'a TensorInfo,
    ) -> Result<[Option<usize>; N], InferError> {
        match <[Option<usize>; N]>::try_from(tensor.dims.as_slice()) {
            Ok(dims) if tensor.element == ElementType::F32 => Ok(dims),
            _ => Err(self.wrong()),
        }
    }

    /// The dimensions of an input of pixels, `N` of them: f32 mapped by `normalization`, or bytes.
    fn pixels<const N: usize>(
        &self,
        tensor: &'a TensorInfo,
        normalization: Normalization,
    ) -> Result<([Option<usize>; N], PixelValues), InferError> {
        let values = match tensor.element {
            ElementType::F32 => PixelValues::Normalized(normalization),
            ElementType::U8 => PixelValues::Levels,
            ElementType::Other(_) => return Err(self.wrong()),
        };
        let dims = <[Option<usize>; N]>::try_from(tensor.dims.as_slice());
        dims.map(|dims| (dims, values)).map_err(|_| self.wrong())
    }

    /// As [`Self::pixels`], for a network with a single input.
    fn only_input<const N: usize>(
        &self,
        normalization: Normalization,
    ) -> Result<([Option<usize>; N], PixelValues), InferError> {
        match self.info.inputs.as_slice() {
            [tensor] => self.pixels(tensor, normalization),
            _ => Err(self.wrong()),
        }
    }

    /// Whether a dimension is one that the role can feed.
    fn require(&self, holds: bool) -> Result<(), InferError> {
        if holds { Ok(()) } else { Err(self.wrong()) }
    }

    fn batch(&self, dim: Option<usize>) -> Result<Batch, InferError> {
        match (dim, self.info.largest_batch) {
            (None, None) => Ok(Batch::Any),
            (None, Some(most)) if most.get() > 1 => Ok(Batch::Up(most)),
            (None | Some(1), _) => Ok(Batch::One),
            (Some(_), _) => Err(self.wrong()),
        }
    }
}

/// What networks are fed where their files leave it open.
pub(super) mod sizes {
    /// The side of the published small aligners (PFLD, MobileFaceNet).
    pub const ALIGNER_PX: usize = 112;
    /// M2SD's own clip (docs/method.md, "The M2SD network").
    pub const CLIP_FRAMES: usize = 16;
    pub const CLIP_PX: usize = 224;
}

/// How many samples a run can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    One,
    Up(NonZeroUsize),
    Any,
}

impl Batch {
    /// The largest number, where there is one.
    fn most(self) -> Option<usize> {
        match self {
            Self::One => Some(1),
            Self::Up(most) => Some(most.get()),
            Self::Any => None,
        }
    }
}

/// Takes the output at `place` as what it was declared to be.
fn take<'o, D: ndarray::Dimension>(
    outputs: &'o Outputs,
    place: usize,
    what: &'static str,
    expected: &str,
) -> Result<ArrayView<'o, f32, D>, InferError> {
    let wrong =
        |found: String| InferError::WrongShape { what, expected: expected.to_owned(), found };
    let output = outputs.get(place).ok_or_else(|| wrong("no such output".to_owned()))?;
    let found = || wrong(format!("{:?}", output.shape()));
    let output = output.clone().into_dimensionality::<D>().map_err(|_| found())?;
    if output.iter().all(|x| x.is_finite()) {
        Ok(output)
    } else {
        let reason = "the network answered with infinite numbers or NaN; \
                      try precision=fp32, or import the model again";
        Err(InferError::WrongValues { what, reason: reason.to_owned() })
    }
}

fn shape_error(what: &'static str, expected: &[Option<usize>], found: &[usize]) -> InferError {
    let expected: Vec<_> =
        expected.iter().map(|d| d.map_or("?".into(), |d| d.to_string())).collect();
    let expected = format!("[{}]", expected.join(", "));
    InferError::WrongShape { what, expected, found: format!("{found:?}") }
}

/// Whether what is given is of the kind that the network reads.
fn require_values<D: ndarray::Dimension>(
    what: &'static str,
    expected: PixelValues,
    found: &TensorView<'_, D>,
) -> Result<(), InferError> {
    let reads = match expected {
        PixelValues::Normalized(_) => ElementType::F32,
        PixelValues::Levels => ElementType::U8,
    };
    if found.element() == reads {
        return Ok(());
    }
    let reason = format!("the network reads {reads}, and was given {}", found.element());
    Err(InferError::WrongValues { what, reason })
}

fn fits(expected: &[Option<usize>], found: &[usize]) -> bool {
    expected.len() == found.len()
        && expected.iter().zip(found).all(|(e, f)| e.is_none_or(|e| e == *f))
}
