//! A model's way into a session.

use std::path::Path;
use std::sync::Arc;

use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, Session};

use super::engine::OnnxEngine;
use super::io_binding::{FixedShapes, IoBinding, MemoryLocation};
use super::nvidia::Gpu;
use super::runtime::Runtime;
use super::session_info::{assigned, tensor_info};
use super::tensorrt::{self, Plan};
use super::tensorrt_rtx::{self, Plan as RtxPlan};
use super::{cpu, cuda, gpu_gate, graphs, provider};
use crate::infer::error::InferError;
use crate::infer::guard::{guarded, unreadable};
use crate::infer::info::EngineInfo;
use crate::infer::loading::LoadStep;
use crate::infer::log::{Severity, log};
use crate::infer::options::Provider;
use crate::infer::request::Request;

/// Loads the network on one of the providers that are ONNX Runtime's.
///
/// # Errors
/// For the library, the provider, the precision and the file, each its own [`InferError`].
pub(in crate::infer) fn load(
    request: &Request<'_>,
    provider: Provider,
) -> Result<OnnxEngine, InferError> {
    request.load_on(&*Runtime::get()?, provider)
}

impl Request<'_> {
    fn load_on(&self, runtime: &Runtime, provider: Provider) -> Result<OnnxEngine, InferError> {
        match provider {
            Provider::Cuda => self.load_on_cuda(runtime),
            Provider::TensorRt => self.load_on_tensorrt(runtime),
            Provider::TensorRtRtx => self.load_on_tensorrt_rtx(runtime),
            // OpenVINO and servers are no providers of this library, and are not asked of it.
            Provider::Auto | Provider::OpenVino | Provider::Kserve | Provider::Cpu => {
                let session = self.commit(provider, cpu::session(runtime, &self.options)?)?;
                self.engine(runtime, provider, session, None, None)
            }
        }
    }

    fn load_on_cuda(&self, runtime: &Runtime) -> Result<OnnxEngine, InferError> {
        let gpu = Gpu::find(runtime, Provider::Cuda, &self.options)?;
        let _turn = gpu_gate::load(self.loading.cancel)?;
        let source = cuda::Source::of(self)?;
        let fixed = graphs::fixed_shapes(self);
        let load = |graphs| {
            let builder = cuda::session(runtime, &gpu, &self.options, graphs)?;
            self.commit_file(Provider::Cuda, builder, &source.file)
        };
        // Graphs need every node on the GPU, which not every network allows.
        let (session, fixed) = match load(fixed.is_some()) {
            Err(error) if fixed.is_some() && !is_cancelled(&error) => (load(false)?, None),
            session => (session?, fixed),
        };
        let memory = Some(MemoryLocation::Cuda(gpu.ordinal));
        let mut engine = self.engine(runtime, Provider::Cuda, session, memory, fixed)?;
        engine.info.precision = source.precision;
        Ok(engine)
    }

    fn load_on_tensorrt(&self, runtime: &Runtime) -> Result<OnnxEngine, InferError> {
        let gpu = Gpu::find(runtime, Provider::TensorRt, &self.options)?;
        let _turn = gpu_gate::load(self.loading.cancel)?;
        let plan = Plan::new(runtime, self)?;
        let mut fixed = graphs::fixed_shapes(self);
        let load = |graphs| {
            let builder = tensorrt::session(runtime, &gpu, &self.options, &plan, graphs)?;
            self.commit(Provider::TensorRt, builder)
        };
        let was_built = plan.is_built();
        if !was_built {
            self.loading.tell(LoadStep::Building { model: self.path });
        }
        let mut session = load(fixed.is_some());
        if fixed.is_some() && failed(&session) {
            fixed = None;
            session = load(false);
        }
        if let Err(error) = &session
            && was_built
            && !is_cancelled(error)
        {
            // An engine that was damaged on the disk; one that was built just now is not.
            log(Severity::Warning, &format!("built again: {error}"));
            plan.forget()?;
            self.loading.tell(LoadStep::Building { model: self.path });
            session = load(false);
        }
        let session = session?;
        plan.finish()?;
        self.engine(
            runtime,
            Provider::TensorRt,
            session,
            Some(MemoryLocation::Cuda(gpu.ordinal)),
            fixed,
        )
    }

    fn load_on_tensorrt_rtx(&self, runtime: &Runtime) -> Result<OnnxEngine, InferError> {
        let _turn = gpu_gate::load(self.loading.cancel)?;
        let plan = RtxPlan::new(runtime, self)?;
        let load = || {
            let (source, precision) = plan.source(self)?;
            let builder = tensorrt_rtx::session(runtime, &self.options, &plan)?;
            Ok((self.commit_file(Provider::TensorRtRtx, builder, &source)?, precision))
        };
        let was_built = plan.is_built();
        let loaded: Result<_, InferError> = load();
        let loaded = match loaded {
            // What was damaged on the disk; what was compiled just now is not.
            Err(error) if was_built && !is_cancelled(&error) => {
                log(Severity::Warning, &format!("built again: {error}"));
                plan.forget()?;
                load()
            }
            loaded => loaded,
        };
        let (session, precision) = loaded?;
        plan.finish(precision)?;
        let memory = Some(MemoryLocation::PageLocked);
        let mut engine = self.engine(runtime, Provider::TensorRtRtx, session, memory, None)?;
        engine.info.precision = precision;
        Ok(engine)
    }

    fn commit(&self, provider: Provider, builder: SessionBuilder) -> Result<Session, InferError> {
        self.commit_file(provider, builder, &self.model)
    }

    /// The session of a builder, which is cancelled with the load.
    fn commit_file(
        &self,
        provider: Provider,
        mut builder: SessionBuilder,
        file: &Path,
    ) -> Result<Session, InferError> {
        let canceler = builder.canceler();
        let registered = self.loading.cancel.on_cancel(move || {
            // It only raises a flag; should that fail, the load goes on to its end.
            let _may_fail = canceler.cancel();
        })?;
        // The binding panics on kinds of inputs and outputs that it does not know.
        let loaded = guarded(|| builder.commit_from_file(file));
        drop(registered);
        if self.loading.cancel.is_cancelled() {
            return Err(InferError::Cancelled);
        }
        loaded
            .map_err(|panic| unreadable(self.path, &panic))?
            .map_err(|error| unreadable(self.path, &format!("{provider}: {error}")))
    }

    /// The engine of a session, if ONNX Runtime gave the network to the provider.
    fn engine(
        &self,
        runtime: &Runtime,
        provider: Provider,
        session: Session,
        memory: Option<MemoryLocation>,
        fixed: Option<FixedShapes>,
    ) -> Result<OnnxEngine, InferError> {
        let failed = |e: ort::Error| unreadable(self.path, &e.to_string());
        let assigned = assigned(&session).map_err(failed)?;
        let name = provider::ep_name(provider);
        let right = match provider {
            Provider::Cpu => assigned.iter().all(|used| used == name),
            // What it cannot run goes to the CPU; a graph of constants has nothing to give.
            _ => assigned.is_empty() || assigned.iter().any(|used| used == name),
        };
        if !right {
            return Err(InferError::ProviderNotUsed { asked: provider, used: assigned });
        }
        // TensorRT takes what its engine was built for, and a recorded run what it was recorded
        // with.
        let compiled = matches!(provider, Provider::TensorRt | Provider::TensorRtRtx);
        let limited = compiled || fixed.is_some();
        let largest_batch = self.profile().filter(|_| limited).map(|p| p.largest_batch());
        let binding =
            memory.map(|memory| IoBinding::new(&session, memory, provider, fixed.as_ref()));
        let info = EngineInfo {
            model: self.path.display().to_string(),
            inputs: session.inputs().iter().map(tensor_info).collect(),
            outputs: session.outputs().iter().map(tensor_info).collect(),
            largest_batch: largest_batch.and_then(std::num::NonZeroUsize::new),
            provider,
            precision: provider::precision(provider, self.options.precision),
            assigned,
            runtime: format!("ONNX Runtime {}", runtime.version),
            passed_over: self.passed_over.clone(),
        };
        let binding = binding.transpose().map_err(failed)?;
        let options = Arc::new(RunOptions::new().map_err(failed)?);
        Ok(OnnxEngine { session, info, binding, options })
    }
}

fn is_cancelled(error: &InferError) -> bool {
    matches!(error, InferError::Cancelled)
}

/// Whether another try may go better.
fn failed(session: &Result<Session, InferError>) -> bool {
    session.as_ref().is_err_and(|error| !is_cancelled(error))
}
