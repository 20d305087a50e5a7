//! One tensor's place in its file, and its numbers.

use std::io::Read;

use super::CheckpointError;
use crate::models::pickle::{DType, TensorRef};

/// A tensor's place, checked against the file.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) file: usize,
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    /// In elements.
    stride: Vec<usize>,
    /// Where its first element lies in the file.
    pub(super) start_byte: u64,
    numel: usize,
    /// Elements from the first to the last, both included, gaps too.
    span: usize,
}

impl Tensor {
    /// `place`: the file and the first byte of its storage.
    pub(super) fn new(
        name: &str,
        tensor: &TensorRef,
        place: Option<(usize, u64)>,
    ) -> Result<Self, CheckpointError> {
        let storage = &tensor.storage;
        let beyond = || CheckpointError::OutOfRange {
            tensor: name.to_owned(),
            shape: tensor.shape.clone(),
            offset: tensor.offset,
            storage: storage.key.clone(),
            numel: storage.numel,
        };
        let (file, start) = place.ok_or_else(|| CheckpointError::NoStorage {
            tensor: name.to_owned(),
            storage: storage.key.clone(),
        })?;
        let numel = tensor.shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
        // A broadcast view (stride 0) could ask for any amount of memory: no checkpoint has one.
        let numel = numel.filter(|n| *n <= storage.numel).ok_or_else(beyond)?;
        let span = if numel == 0 { Some(0) } else { span(tensor) };
        let end = span.and_then(|s| s.checked_add(tensor.offset)).ok_or_else(beyond)?;
        if end > storage.numel {
            return Err(beyond());
        }
        let sizes = |dims: &[u64]| -> Option<Vec<usize>> {
            dims.iter().map(|d| usize::try_from(*d).ok()).collect()
        };
        Ok(Self {
            file,
            dtype: storage.dtype,
            shape: sizes(&tensor.shape).ok_or_else(beyond)?,
            stride: sizes(&tensor.stride).ok_or_else(beyond)?,
            start_byte: start + tensor.offset * storage.dtype.bytes(),
            numel: numel.try_into().map_err(|_| beyond())?,
            span: (end - tensor.offset).try_into().map_err(|_| beyond())?,
        })
    }

    fn is_row_major(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.stride).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        })
    }

    /// Picks this tensor's elements out of its span.
    pub(super) fn row_major(&self, flat: Vec<f32>) -> Vec<f32> {
        if self.numel == 0 || self.is_row_major() {
            return flat;
        }
        let mut picked = Vec::with_capacity(self.numel);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..self.numel {
            let at: usize = index.iter().zip(&self.stride).map(|(i, s)| i * s).sum();
            picked.extend(flat.get(at));
            for (i, size) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < *size {
                    break;
                }
                *i = 0;
            }
        }
        picked
    }
}

/// Elements between a tensor's first and last, both included.
fn span(tensor: &TensorRef) -> Option<u64> {
    let mut steps = tensor.shape.iter().zip(&tensor.stride);
    steps.try_fold(1u64, |sum, (size, stride)| {
        sum.checked_add(size.checked_sub(1)?.checked_mul(*stride)?)
    })
}

/// Appends the numbers in `bytes`, little-endian and whole, to a vector.
type Converter = fn(&[u8], &mut Vec<f32>);

pub(super) fn converter(dtype: DType) -> Option<Converter> {
    fn each<const N: usize>(bytes: &[u8], out: &mut Vec<f32>, f: impl Fn([u8; N]) -> f32) {
        out.extend(bytes.as_chunks::<N>().0.iter().map(|b| f(*b)));
    }
    Some(match dtype {
        DType::F64 => |b, out| each(b, out, |x| f64::from_le_bytes(x) as f32),
        DType::F32 => |b, out| each(b, out, f32::from_le_bytes),
        DType::F16 => |b, out| each(b, out, |x| half::f16::from_le_bytes(x).to_f32()),
        DType::BF16 => |b, out| each(b, out, |x| half::bf16::from_le_bytes(x).to_f32()),
        DType::I64 => |b, out| each(b, out, |x| i64::from_le_bytes(x) as f32),
        _ => return None,
    })
}

/// The whole span from the reader's position, in pieces, so that one tensor is in memory once.
pub(super) fn read_flat(
    source: &mut impl Read,
    tensor: &Tensor,
    convert: Converter,
) -> std::io::Result<Vec<f32>> {
    let mut piece = [0; 1 << 16];
    let mut left = tensor.span * tensor.dtype.bytes() as usize;
    let mut flat = Vec::with_capacity(tensor.span);
    while left > 0 {
        let len = left.min(piece.len());
        let (now, _) = piece.split_at_mut(len);
        source.read_exact(now)?;
        convert(now, &mut flat);
        left -= len;
    }
    Ok(flat)
}
