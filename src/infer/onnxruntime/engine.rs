//! A loaded network that runs.

use std::sync::Arc;

use ndarray::{CowArray, IxDyn};
use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::TensorRef;

use super::io_binding::IoBinding;
use crate::infer::cancel::CancelToken;
use crate::infer::engine::{Engine, Staged, Stager};
use crate::infer::error::InferError;
use crate::infer::guard::guarded;
use crate::infer::info::EngineInfo;
use crate::infer::options::Provider;
use crate::infer::outputs::Outputs;
use crate::infer::tensor::TensorIn;

/// A network in ONNX Runtime.
///
/// Loading flushes denormal numbers to zero on the loading thread, and a run on the running one:
/// ONNX Runtime computes on its caller's thread too and leaves the setting behind.
pub struct OnnxEngine {
    pub(super) session: Session,
    pub(super) info: EngineInfo,
    /// For providers with a memory of their own.
    pub(super) binding: Option<IoBinding>,
    /// Of every run.
    pub(super) options: Arc<RunOptions>,
}

impl Engine for OnnxEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        inputs: &[TensorIn<'_>],
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let (session, binding) = (&mut self.session, &mut self.binding);
        cancellable(self.info.provider, &self.options, cancel, |options| match binding {
            Some(binding) => binding.run(session, inputs, outputs, options, cancel),
            None => run(session, inputs, outputs, options),
        })
    }

    fn stager(&mut self) -> Option<Box<dyn Stager>> {
        // Without one, inputs are copied when their run begins.
        self.binding.as_ref()?.stager(&self.session).ok()
    }

    fn run_staged(
        &mut self,
        staged: Staged,
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        let (session, binding) = (&mut self.session, &mut self.binding);
        cancellable(self.info.provider, &self.options, cancel, |options| match binding {
            Some(binding) => binding.run_staged(session, &staged, outputs, options, cancel),
            None => Err(ort::Error::new("nothing is staged for it")),
        })
    }
}

/// Runs with `options`, through which `cancel` ends the run.
fn cancellable(
    provider: Provider,
    options: &Arc<RunOptions>,
    cancel: &CancelToken,
    run: impl FnOnce(&RunOptions) -> ort::Result<()>,
) -> Result<(), InferError> {
    let failed = |e: ort::Error| InferError::RunFailed { provider, reason: e.to_string() };
    // An earlier run may have been ended; its hook is gone.
    options.unterminate().map_err(failed)?;
    let _registered = cancel.on_cancel({
        let options = Arc::clone(options);
        move || {
            // It only raises a flag; should that fail, the run goes on to its end.
            let _may_fail = options.terminate();
        }
    })?;
    let ended = guarded(|| run(options));
    let ended = ended.unwrap_or_else(|panic| Err(ort::Error::new(panic)));
    ended.map_err(|error| match cancel.is_cancelled() {
        true => InferError::Cancelled,
        false => failed(error),
    })
}

fn run(
    session: &mut Session,
    inputs: &[TensorIn<'_>],
    outputs: &mut Outputs,
    options: &RunOptions,
) -> ort::Result<()> {
    let contiguous: Vec<_> = inputs.iter().map(Contiguous::of).collect();
    let values = contiguous.iter().map(|input| {
        Ok(match input {
            Contiguous::F32(values) => TensorRef::from_array_view(values)?.into(),
            Contiguous::U8(values) => TensorRef::from_array_view(values)?.into(),
        })
    });
    let values = values.collect::<ort::Result<Vec<SessionInputValue<'_>>>>()?;
    let found = session.run_with_options(values.as_slice(), options)?;
    for (place, value) in found.values().enumerate() {
        outputs.put(place, &value.try_extract_array()?);
    }
    outputs.truncate(found.len());
    Ok(())
}

/// An input as it lies in memory: row by row.
enum Contiguous<'a> {
    F32(CowArray<'a, f32, IxDyn>),
    U8(CowArray<'a, u8, IxDyn>),
}

impl<'a> Contiguous<'a> {
    fn of(input: &'a TensorIn<'_>) -> Self {
        match input {
            TensorIn::F32(values) => Self::F32(values.as_standard_layout()),
            TensorIn::U8(values) => Self::U8(values.as_standard_layout()),
        }
    }
}
