//! Inputs of a run in pieces, one for each clip: whoever copies them to a device needs no batch put
//! together before.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, ErrorKind, IxDyn, ShapeError, Slice};

use super::tensor::{Tensor, TensorIn, TensorView};

/// One input of a run, in pieces that follow one another along its first axis.
#[derive(Clone, Debug)]
pub struct Pieces<'a>(PieceList<'a>);

/// Several are of one kind and, but for the first axis, of one shape.
#[derive(Clone, Debug)]
pub(super) enum PieceList<'a> {
    One(TensorIn<'a>),
    F32(Vec<ArrayViewD<'a, f32>>),
    U8(Vec<ArrayViewD<'a, u8>>),
}

impl<'a> Pieces<'a> {
    /// Of pieces that are of one kind and, but for the first axis, of one shape.
    ///
    /// # Errors
    /// When they are not, or when there are none.
    pub fn new(pieces: impl IntoIterator<Item = TensorIn<'a>>) -> Result<Self, ShapeError> {
        let mut pieces = pieces.into_iter();
        let first = pieces.next().ok_or(ShapeError::from_kind(ErrorKind::Unsupported))?;
        // One alone, as in every run of a live stream, needs no list.
        let Some(second) = pieces.next() else {
            sample_of(first.shape())?;
            return Ok(first.into());
        };
        let (mut floats, mut bytes) = (Vec::new(), Vec::new());
        for piece in [first, second].into_iter().chain(pieces) {
            match piece {
                TensorView::F32(values) => floats.push(values),
                TensorView::U8(values) => bytes.push(values),
            }
        }
        if bytes.is_empty() {
            require_one_shape(&floats)?;
            return Ok(Self(PieceList::F32(floats)));
        }
        if floats.is_empty() {
            require_one_shape(&bytes)?;
            return Ok(Self(PieceList::U8(bytes)));
        }
        Err(ShapeError::from_kind(ErrorKind::Unsupported))
    }

    /// The sizes of the whole's axes.
    pub fn shape(&self) -> Vec<usize> {
        match &self.0 {
            PieceList::One(whole) => whole.shape().to_vec(),
            PieceList::F32(pieces) => shape_of(pieces),
            PieceList::U8(pieces) => shape_of(pieces),
        }
    }

    pub(super) fn list(&self) -> &PieceList<'a> {
        &self.0
    }

    /// The input in one piece. Several are copied to `room`.
    pub fn join<'r>(self, room: &'r mut Option<Tensor<IxDyn>>) -> TensorIn<'r>
    where
        'a: 'r,
    {
        let joined = match self.0 {
            PieceList::One(whole) => return whole.reborrow(),
            PieceList::F32(pieces) => joined(&pieces).into(),
            PieceList::U8(pieces) => joined(&pieces).into(),
        };
        room.insert(joined).view()
    }
}

impl<'a> From<TensorIn<'a>> for Pieces<'a> {
    fn from(whole: TensorIn<'a>) -> Self {
        Self(PieceList::One(whole))
    }
}

/// The sizes of the axes after the first.
fn sample_of(shape: &[usize]) -> Result<&[usize], ShapeError> {
    let incompatible = ShapeError::from_kind(ErrorKind::IncompatibleShape);
    shape.split_first().map(|(_, sample)| sample).ok_or(incompatible)
}

fn require_one_shape<T>(pieces: &[ArrayViewD<'_, T>]) -> Result<(), ShapeError> {
    let mut samples = pieces.iter().map(|piece| sample_of(piece.shape()));
    let first = samples.next().transpose()?;
    for sample in samples {
        if Some(sample?) != first {
            return Err(ShapeError::from_kind(ErrorKind::IncompatibleShape));
        }
    }
    Ok(())
}

/// The shape of pieces put together.
fn shape_of<T>(pieces: &[ArrayViewD<'_, T>]) -> Vec<usize> {
    let length = pieces.iter().map(|piece| piece.len_of(Axis(0))).sum();
    let sample = pieces.iter().flat_map(|piece| piece.shape().get(1..)).next().unwrap_or_default();
    [&[length], sample].concat()
}

fn joined<T: Clone + Default>(pieces: &[ArrayViewD<'_, T>]) -> ArrayD<T> {
    let mut whole = ArrayD::default(shape_of(pieces));
    copy(pieces, whole.view_mut());
    whole
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

    fn of(values: &Tensor<ndarray::Ix2>) -> TensorIn<'_> {
        values.view().into_dyn()
    }

    #[test]
    fn pieces_of_one_kind_become_a_whole() {
        let [a, b] = [(1, 1u8), (2, 2)].map(|(n, v)| Tensor::from(Array2::from_elem((n, 3), v)));
        let pieces = Pieces::new([of(&a), of(&b)]).unwrap();
        assert_eq!(pieces.shape(), [3, 3]);
        let mut room = None;
        let TensorView::U8(values) = pieces.join(&mut room) else { panic!("bytes become bytes") };
        assert_eq!(values.shape(), [3, 3]);
        assert_eq!(values.iter().copied().collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 2, 2, 2]);

        // One alone stays where it is.
        let (mut room, alone) = (None, Pieces::new([of(&a)]).unwrap());
        let (TensorView::U8(seen), Tensor::U8(a)) = (alone.join(&mut room), &a) else {
            panic!("bytes become bytes");
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
