//! One model that is to be loaded, and what its file says.

use std::borrow::Cow;
use std::path::Path;

use ort::value::TensorElementType;

use super::guard::unreadable;
use super::io_binding::FixedShapes;
use crate::core::modelinfo::PortType;
use crate::core::onnx::{ModelTraits, WireError};
use crate::infer::error::InferError;
use crate::infer::loading::Loading;
use crate::infer::options::{EngineOptions, Precision};
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
    pub traits: ModelTraits,
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
        let traits = ModelTraits::of(&model);
        let precision = precision(path, options.precision, &traits)?;
        let options = EngineOptions { precision, ..options.clone() };
        let summary = match onnx::summary(&model) {
            Err(error @ OnnxError::ExternalData(_)) => {
                return Err(unreadable(path, &error.to_string()));
            }
            summary => summary.ok(),
        };
        Ok(Self { path, model, traits: traits.unwrap_or_default(), summary, options, loading })
    }

    /// What the network is fed, where its role or the network itself tells.
    pub(super) fn profile(&self) -> Option<Profile> {
        let inputs = &self.summary.as_ref()?.inputs;
        match self.loading.role {
            Some(role) => Some(Profile::new(role, inputs, self.options.shapes)),
            None => Profile::fixed(inputs),
        }
    }

    /// The shapes of everything, where they never change and runs may be recorded.
    pub(super) fn fixed_shapes(&self) -> Option<FixedShapes> {
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
    traits: &Result<ModelTraits, WireError>,
) -> Result<Precision, InferError> {
    match (asked, traits) {
        (Precision::Auto | Precision::Int8, Ok(ModelTraits { is_quantised: true, .. })) => {
            Ok(Precision::Int8)
        }
        (asked, Ok(ModelTraits { is_quantised: true, .. })) => {
            Err(InferError::Quantised { path: path.to_owned(), asked })
        }
        // What it computes in was settled when it was compiled, and its operators are out of sight.
        (asked, Ok(ModelTraits { is_compiled: true, .. })) => Ok(asked),
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
