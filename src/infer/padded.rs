//! An engine whose runs all have one size, for a provider that prepares itself anew for each other one.

use std::num::NonZeroUsize;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};

use super::cancel::CancelToken;
use super::engine::Engine;
use super::error::InferError;
use super::info::EngineInfo;
use super::outputs::Outputs;
use super::tensor::{Tensor, TensorIn};

/// Runs batches of up to `size` samples as batches of `size`, filled up with zeros; whoever has more
/// splits them ([`EngineInfo::largest_batch`]).
pub(super) struct Padded<E> {
    engine: E,
    info: EngineInfo,
    size: NonZeroUsize,
    /// Of the whole batch.
    inputs: Vec<Tensor<IxDyn>>,
    outputs: Outputs,
}

impl<E: Engine> Padded<E> {
    /// The engine's inputs and outputs all have the batch as their first axis.
    pub(super) fn new(engine: E, size: NonZeroUsize) -> Self {
        let info = EngineInfo { largest_batch: Some(size), ..engine.info().clone() };
        Self { engine, info, size, inputs: Vec::new(), outputs: Outputs::default() }
    }
}

impl<E: Engine> Engine for Padded<E> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let size = self.size.get();
        let count = inputs.first().and_then(|input| input.shape().first().copied());
        let Some(count) = count.filter(|count| *count < size) else {
            return self.engine.run(inputs, outputs, cancel);
        };
        let mut kept = std::mem::take(&mut self.inputs).into_iter();
        self.inputs = inputs.iter().map(|input| filled(kept.next(), input, size)).collect();
        let whole: Vec<_> = self.inputs.iter().map(Tensor::view).collect();
        self.engine.run(&whole, &mut self.outputs, cancel)?;
        let mut place = 0;
        while let Some(whole) = self.outputs.get(place) {
            let rows = count.min(whole.shape().first().copied().unwrap_or_default());
            match whole.ndim() {
                0 => outputs.put(place, &whole),
                _ => outputs.put(place, &whole.slice_axis(Axis(0), Slice::from(..rows))),
            }
            place += 1;
        }
        outputs.truncate(place);
        Ok(())
    }
}

/// `size` samples that begin with those of `input`, in the memory of `kept` if it fits.
fn filled(kept: Option<Tensor<IxDyn>>, input: &TensorIn<'_>, size: usize) -> Tensor<IxDyn> {
    match (kept, input) {
        (Some(Tensor::F32(kept)), TensorIn::F32(input)) => write(kept, input, size).into(),
        (Some(Tensor::U8(kept)), TensorIn::U8(input)) => write(kept, input, size).into(),
        (_, TensorIn::F32(input)) => write(ArrayD::default(IxDyn(&[0])), input, size).into(),
        (_, TensorIn::U8(input)) => write(ArrayD::default(IxDyn(&[0])), input, size).into(),
    }
}

fn write<T: Copy + Default>(
    mut kept: ArrayD<T>,
    input: &ArrayViewD<'_, T>,
    size: usize,
) -> ArrayD<T> {
    let mut shape = input.shape().to_vec();
    let count = shape.first_mut().map_or(0, |first| std::mem::replace(first, size));
    if kept.shape() != shape.as_slice() {
        kept = ArrayD::default(shape);
    }
    let (mut samples, mut rest) = kept.view_mut().split_at(Axis(0), count);
    samples.assign(input);
    rest.fill(T::default());
    kept
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Array2, array};

    use super::*;
    use crate::infer::{Precision, Provider};

    /// Gives twice its first input, and notes the sizes of its batches.
    struct Twice(EngineInfo, Vec<usize>);

    impl Engine for Twice {
        fn info(&self) -> &EngineInfo {
            &self.0
        }

        fn run(
            &mut self,
            inputs: &[TensorIn<'_>],
            outputs: &mut Outputs,
            _: &CancelToken,
        ) -> Result<(), InferError> {
            let twice = match &inputs[0] {
                TensorIn::F32(values) => values * 2.0,
                TensorIn::U8(values) => values.mapv(|value| 2.0 * f32::from(value)),
            };
            self.1.push(twice.shape()[0]);
            outputs.put(0, &twice.view());
            outputs.put(1, &twice.sum_axis(Axis(1)).view());
            Ok(())
        }
    }

    fn padded(size: usize) -> Padded<Twice> {
        let info = EngineInfo {
            model: "twice".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            largest_batch: None,
            provider: Provider::Cuda,
            precision: Precision::Auto,
            assigned: Vec::new(),
            runtime: "none".to_owned(),
            passed_over: Vec::new(),
        };
        Padded::new(Twice(info, Vec::new()), NonZeroUsize::new(size).unwrap())
    }

    #[test]
    fn every_run_has_one_size_and_what_was_added_does_not_come_out() {
        let mut engine = padded(3);
        assert_eq!(engine.info().largest_batch.map(NonZeroUsize::get), Some(3));
        let (mut outputs, cancel) = (Outputs::default(), CancelToken::new());
        for count in [1, 3, 2, 1] {
            let samples = Array::from_shape_fn((count, 2), |(n, i)| (10 * n + i) as f32 + 1.0);
            engine.run(&[samples.view().into_dyn().into()], &mut outputs, &cancel).unwrap();
            assert_eq!(outputs.get(0).unwrap(), (&samples * 2.0).into_dyn());
            assert_eq!(outputs.get(1).unwrap(), (&samples * 2.0).sum_axis(Axis(1)).into_dyn());
            assert!(outputs.get(2).is_none());
        }
        // Bytes after floats, and samples of another shape.
        let bytes: Array2<u8> = array![[7, 8, 9]];
        engine.run(&[bytes.view().into_dyn().into()], &mut outputs, &cancel).unwrap();
        assert_eq!(outputs.get(0).unwrap(), array![[14.0, 16.0, 18.0]].into_dyn());
        assert_eq!(engine.engine.1, [3; 5]);
    }

    #[test]
    fn what_is_left_of_an_earlier_run_is_not_computed_with() {
        let mut engine = padded(2);
        let (mut outputs, cancel) = (Outputs::default(), CancelToken::new());
        for samples in [array![[1.0f32], [2.0]], array![[3.0]]] {
            engine.run(&[samples.view().into_dyn().into()], &mut outputs, &cancel).unwrap();
        }
        assert_eq!(engine.outputs.get(0).unwrap(), array![[6.0], [0.0]].into_dyn());
    }
}
