//! Numbers on their way into a network: 32-bit floats, or bytes for a network that has the map from
//! 8-bit levels inside.

use std::borrow::Cow;

use ndarray::{Array, ArrayView, Axis, Dimension, IxDyn};

use super::info::ElementType;

/// Numbers that belong to whoever submits them.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor<D: Dimension> {
    /// 32-bit floats.
    F32(Array<f32, D>),
    /// Bytes.
    U8(Array<u8, D>),
}

/// Numbers that are only looked at.
#[derive(Clone, Copy, Debug)]
pub enum TensorView<'a, D: Dimension> {
    /// 32-bit floats.
    F32(ArrayView<'a, f32, D>),
    /// Bytes.
    U8(ArrayView<'a, u8, D>),
}

/// One input of a run, of any number of dimensions. Contiguous views are not copied.
pub type TensorIn<'a> = TensorView<'a, IxDyn>;

impl<D: Dimension> Tensor<D> {
    /// The same numbers, looked at.
    pub fn view(&self) -> TensorView<'_, D> {
        match self {
            Self::F32(values) => TensorView::F32(values.view()),
            Self::U8(values) => TensorView::U8(values.view()),
        }
    }
}

impl<'a, D: Dimension> TensorView<'a, D> {
    /// The same numbers, for a shorter time.
    pub fn view(&self) -> TensorView<'_, D> {
        match self {
            Self::F32(values) => TensorView::F32(values.view()),
            Self::U8(values) => TensorView::U8(values.view()),
        }
    }

    /// Itself, for a shorter time.
    pub fn reborrow<'b>(self) -> TensorView<'b, D>
    where
        'a: 'b,
    {
        match self {
            Self::F32(values) => TensorView::F32(values.reborrow()),
            Self::U8(values) => TensorView::U8(values.reborrow()),
        }
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(values) => values.shape(),
            Self::U8(values) => values.shape(),
        }
    }

    /// What its numbers are.
    pub fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::U8(_) => ElementType::U8,
        }
    }

    /// Whether it has no number.
    pub fn is_empty(&self) -> bool {
        self.shape().contains(&0)
    }

    /// Of all its numbers.
    pub fn byte_length(&self) -> usize {
        match self {
            Self::F32(values) => values.len() * size_of::<f32>(),
            Self::U8(values) => values.len(),
        }
    }

    /// The numbers in their order, little-endian. Contiguous bytes are not copied.
    pub fn le_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::U8(values) => match values.as_slice() {
                Some(slice) => Cow::Borrowed(slice),
                None => values.iter().copied().collect(),
            },
            Self::F32(values) => {
                let mut all = Vec::with_capacity(self.byte_length());
                values.iter().for_each(|value| all.extend_from_slice(&value.to_le_bytes()));
                Cow::Owned(all)
            }
        }
    }

    /// The same numbers, of any number of axes.
    pub fn into_dyn(self) -> TensorIn<'a> {
        match self {
            Self::F32(values) => TensorView::F32(values.into_dyn()),
            Self::U8(values) => TensorView::U8(values.into_dyn()),
        }
    }

    /// A batch of itself alone.
    pub fn alone(self) -> TensorView<'a, D::Larger> {
        match self {
            Self::F32(values) => TensorView::F32(values.insert_axis(Axis(0))),
            Self::U8(values) => TensorView::U8(values.insert_axis(Axis(0))),
        }
    }

    /// Pieces of at most `size` samples, which lie along the first axis.
    pub fn chunks(&self, size: usize) -> Vec<TensorView<'_, D>> {
        match self {
            Self::F32(values) => {
                values.axis_chunks_iter(Axis(0), size).map(TensorView::F32).collect()
            }
            Self::U8(values) => {
                values.axis_chunks_iter(Axis(0), size).map(TensorView::U8).collect()
            }
        }
    }
}

impl<'a> TensorIn<'a> {
    /// Without an axis of one place; one of more places is left with its first.
    pub fn without_axis(self, axis: Axis) -> Self {
        match self {
            Self::F32(values) if values.ndim() > axis.index() && values.len_of(axis) > 0 => {
                Self::F32(values.index_axis_move(axis, 0))
            }
            Self::U8(values) if values.ndim() > axis.index() && values.len_of(axis) > 0 => {
                Self::U8(values.index_axis_move(axis, 0))
            }
            empty => empty,
        }
    }
}

impl<D: Dimension> From<Array<f32, D>> for Tensor<D> {
    fn from(values: Array<f32, D>) -> Self {
        Self::F32(values)
    }
}

impl<D: Dimension> From<Array<u8, D>> for Tensor<D> {
    fn from(values: Array<u8, D>) -> Self {
        Self::U8(values)
    }
}

impl<'a, D: Dimension> From<ArrayView<'a, f32, D>> for TensorView<'a, D> {
    fn from(values: ArrayView<'a, f32, D>) -> Self {
        Self::F32(values)
    }
}

impl<'a, D: Dimension> From<ArrayView<'a, u8, D>> for TensorView<'a, D> {
    fn from(values: ArrayView<'a, u8, D>) -> Self {
        Self::U8(values)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn samples_of_a_batch_are_its_chunks() {
        let batch = Tensor::from(Array2::from_shape_fn((3, 2), |(sample, _)| sample as u8));
        let view = batch.view();
        let chunks = view.chunks(2);
        assert_eq!(chunks.len(), 2);
        assert!(matches!(&chunks[1], TensorView::U8(b) if b.iter().all(|v| *v == 2)));
    }
}
