//! A network that a device of OpenVINO's runs.

use std::sync::Arc;

use super::api::{ApiError, CompiledModel, Core, InferRequest};
use crate::infer::cancel::{CancelToken, Hook};
use crate::infer::engine::Engine;
use crate::infer::error::InferError;
use crate::infer::guard::guarded;
use crate::infer::info::EngineInfo;
use crate::infer::options::Provider;
use crate::infer::outputs::Outputs;
use crate::infer::tensor::TensorIn;

/// A network in OpenVINO. Inputs are read where they lie; one request serves all runs.
pub struct OpenVinoEngine {
    info: EngineInfo,
    /// Cancels the request.
    cancel: Hook,
    request: InferRequest,
    // Dropped in this order.
    _model: CompiledModel,
    _core: Core,
}

impl Engine for OpenVinoEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let expected = self.info.inputs.len();
        if inputs.len() != expected {
            // OpenVINO would run with the inputs of before.
            let reason = format!("{} inputs were given, and it has {expected}", inputs.len());
            return Err(failed(reason));
        }
        let _registered = cancel.on_cancel_call(Arc::clone(&self.cancel))?;
        let ended = guarded(|| self.run_registered(inputs, outputs, cancel));
        ended.unwrap_or_else(|panic| Err(ApiError::Failed(panic))).map_err(|error| match error {
            ApiError::Failed(reason) if !cancel.is_cancelled() => failed(reason),
            _ => InferError::Cancelled,
        })
    }
}

impl OpenVinoEngine {
    /// # Errors
    /// [`ApiError`] where the device refuses.
    pub(super) fn new(
        core: Core,
        model: CompiledModel,
        info: EngineInfo,
    ) -> Result<Self, ApiError> {
        let request = model.request()?;
        let running = Arc::clone(request.running());
        let cancel: Hook = Arc::new(move || running.cancel());
        Ok(Self { info, cancel, request, _model: model, _core: core })
    }

    /// Runs, while the token's hook cancels the request.
    fn run_registered(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), ApiError> {
        let stop = &self.cancel;
        self.request.run(inputs, || {
            // A hook that came before the start had nothing to cancel.
            if cancel.is_cancelled() {
                stop();
            }
        })?;
        let count = self.info.outputs.len();
        for place in 0..count {
            self.request.output(place, |output| outputs.put(place, &output))?;
        }
        outputs.truncate(count);
        Ok(())
    }
}

fn failed(reason: String) -> InferError {
    InferError::RunFailed { provider: Provider::OpenVino, reason }
}
