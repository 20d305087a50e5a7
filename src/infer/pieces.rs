//! Inputs of a run in pieces, one for each clip: whoever copies them to a device needs no batch put
//! together before.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, ErrorKind, IxDyn, ShapeError, Slice};

use super::tensor::{Tensor, TensorIn, TensorView};

/// One input of a run, in pieces that follow one another along its first axis.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    /// Of the whole.
    shape: Vec<usize>,
    list: PieceList<'a>,
}

/// The pieces, one at least.
#[derive(Clone, Debug)]
pub(super) enum PieceList<'a> {
    F32(Vec<ArrayViewD<'a, f32>>),
    U8(Vec<ArrayViewD<'a, u8>>),
}

/// An input in one piece.
#[derive(Debug)]
pub enum Whole<'a> {
    /// It was in one already.
    AsItWas(TensorIn<'a>),
    /// Its pieces were copied.
    Joined(Tensor<IxDyn>),
}

impl<'a> Pieces<'a> {
    /// Of pieces that are of one kind and, but for the first axis, of one shape.
    ///
    /// # Errors
    /// When they are not, or when there are none.
    pub fn new(pieces: impl IntoIterator<Item = TensorIn<'a>>) -> Result<Self, ShapeError> {
        let (mut floats, mut bytes) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                TensorView::F32(values) => floats.push(values),
                TensorView::U8(values) => bytes.push(values),
            }
        }
        match (floats.is_empty(), bytes.is_empty()) {
            (false, true) => Ok(Self { shape: shape_of(&floats)?, list: PieceList::F32(floats) }),
            (true, false) => Ok(Self { shape: shape_of(&bytes)?, list: PieceList::U8(bytes) }),
            _ => Err(ShapeError::from_kind(ErrorKind::Unsupported)),
        }
    }

    /// The sizes of the whole's axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn list(&self) -> &PieceList<'a> {
        &self.list
    }

    /// The input in one piece. Several are copied.
    pub fn whole(&self) -> Whole<'_> {
        match &self.list {
            PieceList::F32(pieces) => whole_of(&self.shape, pieces),
            PieceList::U8(pieces) => whole_of(&self.shape, pieces),
        }
    }
}

impl<'a> From<TensorIn<'a>> for Pieces<'a> {
    fn from(whole: TensorIn<'a>) -> Self {
        let shape = whole.shape().to_vec();
        let list = match whole {
            TensorView::F32(values) => PieceList::F32(vec![values]),
            TensorView::U8(values) => PieceList::U8(vec![values]),
        };
        Self { shape, list }
    }
}

impl Whole<'_> {
    /// Its numbers.
    pub fn view(&self) -> TensorIn<'_> {
        match self {
            Self::AsItWas(view) => view.view(),
            Self::Joined(tensor) => tensor.view(),
        }
    }
}

/// The shape of pieces put together.
fn shape_of<T>(pieces: &[ArrayViewD<'_, T>]) -> Result<Vec<usize>, ShapeError> {
    let incompatible = || ShapeError::from_kind(ErrorKind::IncompatibleShape);
    let first = pieces.first().and_then(|piece| piece.shape().split_first());
    let (_, sample) = first.ok_or_else(incompatible)?;
    if !pieces.iter().all(|piece| piece.shape().split_first().is_some_and(|(_, of)| of == sample)) {
        return Err(incompatible());
    }
    let length = pieces.iter().map(|piece| piece.len_of(Axis(0))).sum();
    Ok([&[length], sample].concat())
}

fn whole_of<'a, T: Clone + Default>(shape: &[usize], pieces: &'a [ArrayViewD<'_, T>]) -> Whole<'a>
where
    TensorIn<'a>: From<ArrayViewD<'a, T>>,
    Tensor<IxDyn>: From<ArrayD<T>>,
{
    if let [alone] = pieces {
        return Whole::AsItWas(alone.view().into());
    }
    let mut whole = ArrayD::default(shape);
    copy(pieces, whole.view_mut());
    Whole::Joined(whole.into())
}

/// Copies pieces to where they follow one another. `to` is of their shape.
pub(super) fn copy<T: Clone>(pieces: &[ArrayViewD<'_, T>], mut to: ArrayViewMutD<'_, T>) {
    let mut at = 0;
    for piece in pieces {
        let end = at + piece.len_of(Axis(0));
        to.slice_axis_mut(Axis(0), Slice::from(at..end)).assign(piece);
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::infer::info::ElementType;

    fn of(values: &Tensor<ndarray::Ix2>) -> TensorIn<'_> {
        values.view().into_dyn()
    }

    #[test]
    fn pieces_of_one_kind_become_a_whole() {
        let [a, b] = [(1, 1u8), (2, 2)].map(|(n, v)| Tensor::from(Array2::from_elem((n, 3), v)));
        let pieces = Pieces::new([of(&a), of(&b)]).unwrap();
        let whole = pieces.whole();
        assert_eq!((pieces.shape(), whole.view().element()), (&[3, 3][..], ElementType::U8));
        let TensorView::U8(values) = whole.view() else { panic!("bytes become bytes") };
        assert_eq!(values.iter().copied().collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 2, 2, 2]);

        // One alone stays where it is.
        let alone = Pieces::from(of(&a));
        let (Whole::AsItWas(TensorView::U8(seen)), Tensor::U8(a)) = (alone.whole(), &a) else {
            panic!("it is copied");
        };
        assert_eq!(seen.as_ptr(), a.as_ptr());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let bytes = Tensor::from(Array2::from_elem((1, 3), 0u8));
        let floats = Tensor::from(Array2::<f32>::zeros((1, 3)));
        let wider = Tensor::from(Array2::from_elem((1, 4), 0u8));
        assert!(Pieces::new([of(&bytes), of(&floats)]).is_err());
        assert!(Pieces::new([of(&bytes), of(&wider)]).is_err());
        assert!(Pieces::new([]).is_err());
        let number = ndarray::arr0(0u8);
        assert!(Pieces::new([TensorView::from(number.view()).into_dyn()]).is_err());
    }
}
