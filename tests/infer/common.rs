//! Test data, and an engine that answers what a test says.

use std::path::PathBuf;

use gstm2sd::infer::{
    CancelToken, ElementType, Engine, EngineInfo, EngineOptions, InferError, Outputs, Precision,
    Provider, TensorIn, TensorInfo,
};
use ndarray::{Array4, ArrayD, ArrayViewD};

use crate::data::shared_dir;

/// A file of the shared test data.
pub fn shared(file: &str) -> PathBuf {
    shared_dir().join(file)
}

/// The providers that every machine with a set-up has.
pub fn providers() -> Vec<Provider> {
    vec![Provider::Cpu, Provider::OpenVino]
}

pub fn on(provider: Provider) -> EngineOptions {
    EngineOptions { provider, ..Default::default() }
}

/// An input of a fake engine, which was declared as floats.
pub fn floats<'a>(input: &'a TensorIn<'_>) -> ArrayViewD<'a, f32> {
    match input {
        TensorIn::F32(values) => values.view(),
        TensorIn::U8(_) => panic!("bytes for a network of floats"),
    }
}

/// Something between noise and a gradient, the same every time.
pub fn texture(shape: (usize, usize, usize, usize)) -> Array4<f32> {
    Array4::from_shape_fn(shape, |(c, t, y, x)| {
        let wave = (x as f32 * 0.11 + c as f32).sin() + (y as f32 * 0.07 + t as f32).cos();
        wave * 0.8
    })
}

pub fn tensor(name: &str, dims: &[i64]) -> TensorInfo {
    let dims = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    TensorInfo { name: name.to_owned(), dims, element: ElementType::F32 }
}

type Answer =
    Box<dyn FnMut(&[TensorIn<'_>], &CancelToken) -> Result<Vec<ArrayD<f32>>, InferError> + Send>;

pub struct Fake {
    info: EngineInfo,
    answer: Answer,
}

impl Fake {
    pub fn boxed(
        inputs: Vec<TensorInfo>,
        outputs: Vec<TensorInfo>,
        answer: impl FnMut(&[TensorIn<'_>], &CancelToken) -> Result<Vec<ArrayD<f32>>, InferError>
        + Send
        + 'static,
    ) -> Box<dyn Engine> {
        let info = EngineInfo {
            model: "fake".to_owned(),
            inputs,
            outputs,
            largest_batch: None,
            provider: Provider::Cpu,
            precision: Precision::Auto,
            assigned: Vec::new(),
            runtime: "none".to_owned(),
            passed_over: Vec::new(),
        };
        Box::new(Self { info, answer: Box::new(answer) })
    }
}

impl Engine for Fake {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let answer = (self.answer)(inputs, cancel)?;
        answer.iter().enumerate().for_each(|(place, values)| outputs.put(place, &values.view()));
        outputs.truncate(answer.len());
        Ok(())
    }
}
