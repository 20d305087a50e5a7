//! A run as a request.

use std::cell::OnceCell;
use std::collections::HashMap;

use bytes::Bytes;

use super::proto::{
    InferParameter, InferRequestedOutput, InferTensor, ModelInferRequest, ParameterChoice,
};
use super::shared_memory::Placed;
use crate::infer::info::{ElementType, EngineInfo};
use crate::infer::tensor::TensorIn;
use crate::models::remote::RemoteModel;

/// What a network is asked, in whichever way its inputs travel.
pub(super) struct Ask<'a, 't> {
    pub(super) model: &'a RemoteModel,
    pub(super) info: &'a EngineInfo,
    /// As many as the network has.
    inputs: &'a [TensorIn<'t>],
    /// Made once, if an endpoint wants them.
    raw: OnceCell<Vec<Bytes>>,
}

impl<'a, 't> Ask<'a, 't> {
    pub(super) fn new(
        model: &'a RemoteModel,
        info: &'a EngineInfo,
        inputs: &'a [TensorIn<'t>],
    ) -> Self {
        Self { model, info, inputs, raw: OnceCell::new() }
    }

    pub(super) fn inputs(&self) -> &'a [TensorIn<'t>] {
        self.inputs
    }

    /// Of the inputs.
    pub(super) fn byte_length(&self) -> usize {
        self.inputs.iter().map(TensorIn::byte_length).sum()
    }

    /// With the inputs' bytes.
    pub(super) fn with_bytes(&self) -> ModelInferRequest {
        let raw = || self.inputs.iter().map(|input| input.le_bytes().into_owned().into()).collect();
        let raw_input_contents = self.raw.get_or_init(raw).clone();
        self.request(|_| HashMap::new(), raw_input_contents)
    }

    /// With where the inputs lie.
    pub(super) fn with_places(&self, placed: &[Placed]) -> ModelInferRequest {
        self.request(|at| placed.get(at).map(parameters).unwrap_or_default(), Vec::new())
    }

    fn request(
        &self,
        parameters: impl Fn(usize) -> HashMap<String, InferParameter>,
        raw_input_contents: Vec<Bytes>,
    ) -> ModelInferRequest {
        let EngineInfo { inputs: declared, outputs, .. } = self.info;
        let tensors =
            self.inputs.iter().zip(declared).enumerate().map(|(at, (given, declared))| {
                let datatype = if given.element() == ElementType::U8 { "UINT8" } else { "FP32" };
                InferTensor {
                    name: declared.name.clone(),
                    datatype: datatype.to_owned(),
                    shape: given.shape().iter().map(|size| number(*size as u64)).collect(),
                    parameters: parameters(at),
                    contents: None,
                }
            });
        let asked = outputs.iter().map(|output| InferRequestedOutput { name: output.name.clone() });
        ModelInferRequest {
            model_name: self.model.model.clone(),
            model_version: self.model.version.clone().unwrap_or_default(),
            id: String::new(),
            inputs: tensors.collect(),
            outputs: asked.collect(),
            raw_input_contents,
        }
    }
}

/// A size is never near the largest.
fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn parameters(placed: &Placed) -> HashMap<String, InferParameter> {
    let text = ParameterChoice::Text(placed.region.clone());
    let sizes = [placed.bytes, placed.offset].map(|size| ParameterChoice::Number(number(size)));
    let [bytes, offset] = sizes;
    let named = [
        ("shared_memory_region", text),
        ("shared_memory_byte_size", bytes),
        ("shared_memory_offset", offset),
    ];
    let named =
        named.map(|(name, choice)| (name.to_owned(), InferParameter { choice: Some(choice) }));
    HashMap::from(named)
}
