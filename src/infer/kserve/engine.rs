//! A run, and what its answer holds.

use std::sync::Arc;

use ndarray::ArrayViewD;

use super::proto::ModelInferResponse;
use super::remote::{REQUESTS, Remote, block_on};
use super::request::Ask;
use crate::infer::cancel::CancelToken;
use crate::infer::engine::Engine;
use crate::infer::error::InferError;
use crate::infer::info::{ElementType, EngineInfo};
use crate::infer::options::Provider;
use crate::infer::outputs::Outputs;
use crate::infer::tensor::TensorIn;

/// Threads that wait for answers, however many servers there are.
const MOST_THREADS: usize = 31;

/// A network that servers run.
pub struct KserveEngine {
    remote: Arc<Remote>,
}

impl KserveEngine {
    /// # Errors
    /// [`InferError::Remote`] for outputs that are no 32-bit floats.
    pub(super) fn new(remote: Arc<Remote>) -> Result<Self, InferError> {
        let outputs = &remote.described.info.outputs;
        match outputs.iter().find(|output| output.element != ElementType::F32) {
            None => Ok(Self { remote }),
            Some(other) => Err(InferError::Remote {
                model: remote.model.to_string(),
                reason: format!("it answers with {other}, and FP32 is expected"),
            }),
        }
    }
}

impl Engine for KserveEngine {
    fn info(&self) -> &EngineInfo {
        &self.remote.described.info
    }

    /// One request is on its way to a server while it computes another.
    fn beside(&self) -> Vec<Box<dyn Engine>> {
        let others = REQUESTS * self.remote.model.endpoints.len() - 1;
        let beside = |_| Box::new(Self { remote: Arc::clone(&self.remote) }) as _;
        (0..others.min(MOST_THREADS)).map(beside).collect()
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let info = &self.remote.described.info;
        if inputs.len() != info.inputs.len() {
            let expected = info.inputs.len();
            let reason = format!("{} inputs were given, and it has {expected}", inputs.len());
            return Err(failed(reason));
        }
        let ask = Ask::new(&self.remote.model, info, inputs);
        let answer = block_on(cancel, self.remote.infer(&ask))?.map_err(failed)?;
        take(&answer, info, outputs).map_err(failed)
    }
}

/// Puts the outputs of an answer in the order of `info`.
fn take(
    answer: &ModelInferResponse,
    info: &EngineInfo,
    outputs: &mut Outputs,
) -> Result<(), String> {
    for (place, expected) in info.outputs.iter().enumerate() {
        let found = answer.outputs.iter().position(|output| output.name == expected.name);
        let Some((at, output)) = found.and_then(|at| Some((at, answer.outputs.get(at)?))) else {
            return Err(format!("the answer has no output {}", expected.name));
        };
        let wrong = |what: &str| format!("the answer's {}: {what}", output.name);
        if output.datatype != "FP32" {
            return Err(wrong(&format!("{} was found, FP32 expected", output.datatype)));
        }
        let shape = output.shape.iter().map(|size| usize::try_from(*size).ok());
        let shape = shape.collect::<Option<Vec<_>>>().ok_or_else(|| wrong("a negative size"))?;
        let values = numbers(answer, at).ok_or_else(|| wrong("no numbers"))?;
        let view = ArrayViewD::from_shape(shape.as_slice(), &values).map_err(|_| {
            wrong(&format!("{} numbers were found for the shape {shape:?}", values.len()))
        })?;
        outputs.put(place, &view);
    }
    outputs.truncate(info.outputs.len());
    Ok(())
}

/// Of the output at a place, as raw bytes or as typed numbers.
fn numbers(answer: &ModelInferResponse, at: usize) -> Option<Vec<f32>> {
    if answer.raw_output_contents.is_empty() {
        return Some(answer.outputs.get(at)?.contents.as_ref()?.fp32_contents.clone());
    }
    let raw = answer.raw_output_contents.get(at)?;
    let (values, rest) = raw.as_chunks::<4>();
    rest.is_empty().then(|| values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn failed(reason: String) -> InferError {
    InferError::RunFailed { provider: Provider::Kserve, reason }
}
