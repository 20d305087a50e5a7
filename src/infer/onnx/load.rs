//! A model's way into a session.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ort::session::builder::SessionBuilder;
use ort::session::{RunOptions, Session};
use ort::value::TensorElementType;

use super::bound::{Bound, FixedShapes, Home};
use super::providers::{self, Gpu};
use super::runtime::Runtime;
use super::tensorrt::Plan;
use super::{OnnxEngine, assigned, guarded, tensor_info, turns, unreadable};
use crate::core::modelinfo::PortType;
use crate::core::onnx::{Nature, WireError};
use crate::infer::error::InferError;
use crate::infer::info::EngineInfo;
use crate::infer::loading::{LoadStep, Loading};
use crate::infer::options::{EngineOptions, Precision, Provider};
use crate::infer::profile::Profile;
use crate::models::engine_file;
use crate::models::onnx::{self, Dim, OnnxError, Summary};

/// Set to 0, it keeps CUDA graphs from being recorded: for GPUs or programs that they disturb.
const GRAPHS: &str = "M2SD_CUDA_GRAPHS";

/// One model that is to be loaded.
pub(super) struct Request<'a> {
    /// As it was asked for, for messages.
    pub path: &'a Path,
    /// What ONNX Runtime is given.
    pub model: Cow<'a, Path>,
    pub nature: Nature,
    /// `None` where the file cannot be read: ONNX Runtime then says why.
    pub summary: Option<Summary>,
    /// With the precision that the network will compute in.
    pub options: EngineOptions,
    pub loading: Loading<'a>,
}

impl<'a> Request<'a> {
    /// # Errors
    /// [`InferError::EngineFile`] for a bare engine that cannot be loaded;
    /// [`InferError::Quantised`], [`InferError::NotQuantised`] for the precision.
    pub(super) fn new(
        path: &'a Path,
        options: &EngineOptions,
        loading: Loading<'a>,
    ) -> Result<Self, InferError> {
        let model = match engine_file::is_engine(path) {
            true => Cow::Owned(engine_file::wrapper_beside(path)?),
            false => Cow::Borrowed(path),
        };
        // Not from the summary, which also wants ports that make sense.
        let nature = Nature::of(&model);
        let precision = precision(path, options.precision, &nature)?;
        let options = EngineOptions { precision, ..options.clone() };
        let summary = match onnx::summary(&model) {
            Err(error @ OnnxError::ExternalData(_)) => {
                return Err(unreadable(path, &error.to_string()));
            }
            summary => summary.ok(),
        };
        Ok(Self { path, model, nature: nature.unwrap_or_default(), summary, options, loading })
    }

    /// What the network is fed, where its role or the network itself tells.
    pub(super) fn profile(&self) -> Option<Profile> {
        let inputs = &self.summary.as_ref()?.inputs;
        match self.loading.role {
            Some(role) => Some(Profile::new(role, inputs, self.options.shapes)),
            None => Profile::fixed(inputs),
        }
    }

    /// Loads on the first provider that works.
    pub(super) fn load_on_best(&self, runtime: &Runtime) -> Result<OnnxEngine, InferError> {
        if self.nature.is_compiled {
            return self.load_on(runtime, Provider::TensorRt);
        }
        let mut passed_over = Vec::new();
        for provider in Provider::PREFERENCE.into_iter().filter(|p| *p != Provider::Cpu) {
            match self.load_on(runtime, provider) {
                Ok(engine) => return Ok(having_passed_over(engine, passed_over)),
                Err(InferError::Cancelled) => return Err(InferError::Cancelled),
                Err(error) => passed_over.push(error.to_string()),
            }
        }
        let engine = self.load_on(runtime, Provider::Cpu)?;
        Ok(having_passed_over(engine, passed_over))
    }

    pub(super) fn load_on(
        &self,
        runtime: &Runtime,
        provider: Provider,
    ) -> Result<OnnxEngine, InferError> {
        if self.nature.is_compiled && provider != Provider::TensorRt {
            return Err(InferError::Compiled { path: self.path.to_owned(), asked: provider });
        }
        match provider {
            Provider::Auto | Provider::Cpu | Provider::OpenVino => {
                let builder = providers::on_host(runtime, provider, &self.options)?;
                let session = self.commit(provider, builder)?;
                self.engine(runtime, provider, session, None, None)
            }
            Provider::Cuda => self.load_on_cuda(runtime),
            Provider::TensorRt => self.load_on_tensorrt(runtime),
        }
    }

    fn load_on_cuda(&self, runtime: &Runtime) -> Result<OnnxEngine, InferError> {
        let gpu = Gpu::find(runtime, Provider::Cuda, &self.options)?;
        let _turn = turns::load(self.loading.cancel)?;
        let fixed = self.fixed_shapes();
        let load = |graphs| {
            self.commit(Provider::Cuda, providers::cuda(runtime, &gpu, &self.options, graphs)?)
        };
        // Graphs need every node on the GPU, which not every network allows.
        let (session, fixed) = match load(fixed.is_some()) {
            Err(error) if fixed.is_some() && !is_cancelled(&error) => (load(false)?, None),
            session => (session?, fixed),
        };
        self.engine(runtime, Provider::Cuda, session, Some(&gpu), fixed)
    }

    fn load_on_tensorrt(&self, runtime: &Runtime) -> Result<OnnxEngine, InferError> {
        let gpu = Gpu::find(runtime, Provider::TensorRt, &self.options)?;
        let _turn = turns::load(self.loading.cancel)?;
        let plan = Plan::new(runtime, &gpu, self)?;
        let mut fixed = self.fixed_shapes();
        let load = |graphs| {
            let builder = providers::tensorrt(runtime, &gpu, &self.options, &plan, graphs)?;
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
        if was_built && failed(&session) {
            // An engine that was damaged on the disk; one that was built just now is not.
            plan.forget()?;
            self.loading.tell(LoadStep::Building { model: self.path });
            session = load(false);
        }
        let session = session?;
        plan.finish()?;
        self.engine(runtime, Provider::TensorRt, session, Some(&gpu), fixed)
    }

    /// The session of a builder, which is cancelled with the load.
    fn commit(
        &self,
        provider: Provider,
        mut builder: SessionBuilder,
    ) -> Result<Session, InferError> {
        let canceler = builder.canceler();
        let registered = self.loading.cancel.on_cancel(move || {
            // It only raises a flag; should that fail, the load goes on to its end.
            let _may_fail = canceler.cancel();
        })?;
        // The binding panics on kinds of inputs and outputs that it does not know.
        let loaded = guarded(|| builder.commit_from_file(&self.model));
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
        gpu: Option<&Gpu>,
        fixed: Option<FixedShapes>,
    ) -> Result<OnnxEngine, InferError> {
        let failed = |e: ort::Error| unreadable(self.path, &e.to_string());
        let assigned = assigned(&session).map_err(failed)?;
        let name = providers::ep_name(provider);
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
        let limited = provider == Provider::TensorRt || fixed.is_some();
        let largest_batch = self.profile().filter(|_| limited).map(|p| p.largest_batch());
        let home = gpu.map(|gpu| Home::Cuda(gpu.ordinal));
        let bound = home.map(|home| Bound::new(&session, home, provider, fixed.as_ref()));
        let info = EngineInfo {
            model: self.path.display().to_string(),
            inputs: session.inputs().iter().map(tensor_info).collect(),
            outputs: session.outputs().iter().map(tensor_info).collect(),
            largest_batch: largest_batch.and_then(std::num::NonZeroUsize::new),
            provider,
            precision: self.options.precision,
            assigned,
            runtime: format!("ONNX Runtime {}", runtime.version),
            passed_over: Vec::new(),
        };
        let bound = bound.transpose().map_err(failed)?;
        let options = Arc::new(RunOptions::new().map_err(failed)?);
        Ok(OnnxEngine { info, bound, options, session })
    }

    /// The shapes of everything, where they never change and runs may be recorded.
    fn fixed_shapes(&self) -> Option<FixedShapes> {
        if std::env::var_os(GRAPHS).is_some_and(|set| set == "0") {
            return None;
        }
        // A network without a role is run too seldom to be worth it.
        self.loading.role?;
        fixed_shapes(self.summary.as_ref()?, &self.profile()?)
    }
}

/// The arithmetic of a network: that of a quantised one is its own, and told to the provider before
/// it loads, as TensorRT has to know.
fn precision(
    path: &Path,
    asked: Precision,
    nature: &Result<Nature, WireError>,
) -> Result<Precision, InferError> {
    match (asked, nature) {
        (Precision::Auto | Precision::Int8, Ok(Nature { is_quantised: true, .. })) => {
            Ok(Precision::Int8)
        }
        (asked, Ok(Nature { is_quantised: true, .. })) => {
            Err(InferError::Quantised { path: path.to_owned(), asked })
        }
        // What it computes in was settled when it was compiled, and its operators are out of sight.
        (asked, Ok(Nature { is_compiled: true, .. })) => Ok(asked),
        (Precision::Int8, Ok(_)) => Err(InferError::NotQuantised { path: path.to_owned() }),
        (Precision::Int8, Err(error)) => Err(unreadable(path, &error.to_string())),
        // ONNX Runtime reads more kinds of files, and says better what is wrong with one.
        (asked, Ok(_) | Err(_)) => Ok(asked),
    }
}

fn fixed_shapes(summary: &Summary, profile: &Profile) -> Option<FixedShapes> {
    if !profile.is_fixed() {
        return None;
    }
    let inputs = summary.inputs.iter().zip(profile.max_shapes()).map(|(port, shape)| {
        let element = match port.element? {
            PortType::Float32 => TensorElementType::Float32,
            PortType::Uint8 => TensorElementType::Uint8,
        };
        Some((element, shape))
    });
    // An output's batch is the inputs'; what else it leaves open depends on more than these.
    let outputs = summary.outputs.iter().map(|port| {
        let sizes = port.dims.iter().enumerate().map(|(axis, dim)| match dim {
            Dim::Fixed(size) => Some(*size),
            Dim::Dynamic(_) => (axis == 0).then(|| profile.largest_batch()),
        });
        sizes.collect::<Option<Vec<_>>>().filter(|_| port.element == Some(PortType::Float32))
    });
    Some(FixedShapes {
        inputs: inputs.collect::<Option<_>>()?,
        outputs: outputs.collect::<Option<_>>()?,
    })
}

fn is_cancelled(error: &InferError) -> bool {
    matches!(error, InferError::Cancelled)
}

/// Whether another try may go better.
fn failed(session: &Result<Session, InferError>) -> bool {
    session.as_ref().is_err_and(|error| !is_cancelled(error))
}

fn having_passed_over(mut engine: OnnxEngine, passed_over: Vec<String>) -> OnnxEngine {
    engine.info.passed_over = passed_over;
    engine
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::modelinfo::Role;
    use crate::infer::Shapes;
    use crate::models::synth::{ClipShape, Synth, write};

    fn fixed(network: Synth, role: Role, batch: usize) -> Option<FixedShapes> {
        let dir = tempfile::tempdir().unwrap();
        let summary = onnx::summary(&write(&network, dir.path()).unwrap()).unwrap();
        let shapes = Shapes { batch, ..Shapes::default() };
        fixed_shapes(&summary, &Profile::new(role, &summary.inputs, shapes))
    }

    #[test]
    fn runs_are_recorded_where_every_shape_is_known() {
        let classifier = || Synth::Classifier(ClipShape::default());
        let one = fixed(classifier(), Role::Classifier, 1).unwrap();
        assert_eq!((one.inputs[0].1[0], one.outputs), (1, vec![vec![1, 2]]));
        assert!(fixed(classifier(), Role::Classifier, 2).is_none());
        // Its picture has any size.
        assert!(fixed(Synth::Detector, Role::Detector, 1).is_none());
        // It takes all faces of a frame at once.
        assert!(fixed(Synth::Aligner, Role::Aligner, 1).is_none());
    }
}
