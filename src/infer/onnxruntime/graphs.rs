//! Whether runs of a network may be recorded as CUDA graphs: where every shape is known.

use ort::value::TensorElementType;

use super::io_binding::FixedShapes;
use crate::core::modelinfo::PortType;
use crate::infer::profile::Profile;
use crate::infer::request::Request;
use crate::models::onnx::{Dim, Summary};

/// Set to 0, it keeps CUDA graphs from being recorded: for GPUs or programs that they disturb.
const GRAPHS: &str = "M2SD_CUDA_GRAPHS";

/// The shapes of everything, where they never change and runs may be recorded.
pub(super) fn fixed_shapes(request: &Request<'_>) -> Option<FixedShapes> {
    if std::env::var_os(GRAPHS).is_some_and(|set| set == "0") {
        return None;
    }
    // A network without a role is run too seldom to be worth it.
    request.loading.role?;
    of_summary(request.summary.as_ref()?, &request.profile()?)
}

fn of_summary(summary: &Summary, profile: &Profile) -> Option<FixedShapes> {
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
    use crate::models::onnx;
    use crate::models::synth::{ClipShape, Synth, write};

    fn fixed(network: Synth, role: Role, batch: usize) -> Option<FixedShapes> {
        let dir = tempfile::tempdir().unwrap();
        let summary = onnx::summary(&write(&network, dir.path()).unwrap()).unwrap();
        let shapes = Shapes { batch, ..Shapes::default() };
        of_summary(&summary, &Profile::new(role, &summary.inputs, shapes))
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
