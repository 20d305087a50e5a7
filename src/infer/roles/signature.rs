//! What a network's inputs and outputs look like, held against what a role expects.

use std::num::NonZeroUsize;

use ndarray::ArrayView;

use crate::core::image::{Normalization, PixelValues};
use crate::core::modelinfo::Role;
use crate::infer::error::InferError;
use crate::infer::info::{ElementType, EngineInfo, TensorInfo};
use crate::infer::limits;
use crate::infer::outputs::Outputs;
use crate::infer::tensor::TensorView;

/// An engine's signature, being held against a role.
pub(super) struct Signature<'a> {
    pub(super) info: &'a EngineInfo,
    pub(super) role: Role,
    /// What the role expects, for the error.
    pub(super) expected: &'static str,
}

impl<'a> Signature<'a> {
    pub(super) fn wrong(&self) -> InferError {
        self.wrong_as(self.expected)
    }

    /// As [`Self::wrong`], of a part for which there is more to say.
    pub(super) fn wrong_as(&self, expected: &str) -> InferError {
        let all = |tensors: &[TensorInfo]| {
            tensors.iter().map(TensorInfo::to_string).collect::<Vec<_>>().join(", ")
        };
        InferError::WrongSignature {
            model: self.info.model.clone(),
            role: self.role,
            expected: expected.to_owned(),
            found: format!("{} -> {}", all(&self.info.inputs), all(&self.info.outputs)),
        }
    }

    /// The place of the one output that is `[.., last]` of `rank` dimensions.
    pub(super) fn output(&self, rank: usize, last: usize) -> Result<usize, InferError> {
        let fits = |t: &TensorInfo| t.dims.len() == rank && t.dims.last() == Some(&Some(last));
        let mut found = self.info.outputs.iter().enumerate().filter(|(_, t)| fits(t));
        match (found.next(), found.next()) {
            (Some((place, tensor)), None) if tensor.element == ElementType::F32 => Ok(place),
            _ => Err(self.wrong()),
        }
    }

    /// The places of the outputs that have `count` numbers for each sample: `[N,count]`, or `[N]`
    /// for one.
    pub(super) fn outputs_of(&self, count: usize) -> Vec<usize> {
        let fits = |tensor: &TensorInfo| match tensor.dims.as_slice() {
            [None | Some(1)] => count == 1,
            [_, last] => *last == Some(count),
            _ => false,
        };
        let found = self.info.outputs.iter().enumerate();
        let found = found.filter(|(_, t)| t.element == ElementType::F32 && fits(t));
        found.map(|(place, _)| place).collect()
    }

    /// The dimensions of an input of f32, `N` of them.
    pub(super) fn input<const N: usize>(
        &self,
        tensor: &'a TensorInfo,
    ) -> Result<[Option<usize>; N], InferError> {
        match <[Option<usize>; N]>::try_from(tensor.dims.as_slice()) {
            Ok(dims) if tensor.element == ElementType::F32 => Ok(dims),
            _ => Err(self.wrong()),
        }
    }

    /// What an input of pixels reads: f32 mapped by `normalization`, or bytes.
    pub(super) fn values(
        &self,
        tensor: &TensorInfo,
        normalization: Normalization,
    ) -> Result<PixelValues, InferError> {
        match tensor.element {
            ElementType::F32 => Ok(PixelValues::Normalized(normalization)),
            ElementType::U8 => Ok(PixelValues::U8),
            ElementType::Other(_) => Err(self.wrong()),
        }
    }

    /// The dimensions of an input of pixels, `N` of them, and what it reads.
    pub(super) fn pixels<const N: usize>(
        &self,
        tensor: &'a TensorInfo,
        normalization: Normalization,
    ) -> Result<([Option<usize>; N], PixelValues), InferError> {
        let values = self.values(tensor, normalization)?;
        let dims = <[Option<usize>; N]>::try_from(tensor.dims.as_slice());
        dims.map(|dims| (dims, values)).map_err(|_| self.wrong())
    }

    /// As [`Self::pixels`], for a network with a single input.
    pub(super) fn only_input<const N: usize>(
        &self,
        normalization: Normalization,
    ) -> Result<([Option<usize>; N], PixelValues), InferError> {
        match self.info.inputs.as_slice() {
            [tensor] => self.pixels(tensor, normalization),
            _ => Err(self.wrong()),
        }
    }

    /// Sizes of the one that `what` names, all of its axes but the batch: none is larger than
    /// `side`, and all together have no more numbers than [`limits::MOST_NUMBERS`].
    pub(super) fn bounded(
        &self,
        what: &str,
        side: usize,
        axes: &[usize],
    ) -> Result<(), InferError> {
        let numbers = axes.iter().try_fold(1usize, |all, axis| all.checked_mul(*axis));
        let fits = numbers.is_some_and(|numbers| numbers <= limits::MOST_NUMBERS);
        if fits && axes.iter().all(|axis| *axis <= side) {
            return Ok(());
        }
        let sizes: Vec<_> = axes.iter().map(usize::to_string).collect();
        Err(InferError::TooLarge {
            model: self.info.model.clone(),
            role: self.role,
            found: format!("{what} of {}", sizes.join("×")),
            limit: format!("{side} on a side, {} numbers in all", limits::MOST_NUMBERS),
        })
    }

    /// Whether a dimension is one that the role can feed.
    pub(super) fn require(&self, holds: bool) -> Result<(), InferError> {
        if holds { Ok(()) } else { Err(self.wrong()) }
    }

    pub(super) fn batch(&self, dim: Option<usize>) -> Result<Batch, InferError> {
        match (dim, self.info.largest_batch) {
            (None, None) => Ok(Batch::Any),
            (None, Some(most)) if most.get() > 1 => Ok(Batch::Up(most)),
            (None | Some(1), _) => Ok(Batch::One),
            (Some(_), _) => Err(self.wrong()),
        }
    }
}

/// How many samples a run can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    One,
    Up(NonZeroUsize),
    Any,
}

impl Batch {
    /// The largest number, where there is one.
    pub(super) fn most(self) -> Option<usize> {
        match self {
            Self::One => Some(1),
            Self::Up(most) => Some(most.get()),
            Self::Any => None,
        }
    }
}

/// Takes the output at `place` as what it was declared to be.
pub(super) fn take<'o, D: ndarray::Dimension>(
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

pub(super) fn shape_error(
    what: &'static str,
    expected: &[Option<usize>],
    found: &[usize],
) -> InferError {
    let expected: Vec<_> =
        expected.iter().map(|d| d.map_or("?".into(), |d| d.to_string())).collect();
    let expected = format!("[{}]", expected.join(", "));
    InferError::WrongShape { what, expected, found: format!("{found:?}") }
}

/// Whether what is given is of the kind that the network reads.
pub(super) fn require_values<D: ndarray::Dimension>(
    what: &'static str,
    expected: PixelValues,
    found: &TensorView<'_, D>,
) -> Result<(), InferError> {
    let reads = match expected {
        PixelValues::Normalized(_) => ElementType::F32,
        PixelValues::U8 => ElementType::U8,
    };
    if found.element() == reads {
        return Ok(());
    }
    let reason = format!("the network reads {reads}, and was given {}", found.element());
    Err(InferError::WrongValues { what, reason })
}

pub(super) fn fits(expected: &[Option<usize>], found: &[usize]) -> bool {
    expected.len() == found.len()
        && expected.iter().zip(found).all(|(e, f)| e.is_none_or(|e| e == *f))
}
