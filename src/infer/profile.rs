//! The shapes that an engine is built for.

use std::fmt::Write;

use crate::core::modelinfo::Role;
use crate::models::onnx::{Dim, Port};

use super::limits;
use super::options::Shapes;

/// Two axes of a picture: the smallest that is detected on, and a frame in live mode.
const DETECT_MIN_PX: usize = 32;
const DETECT_OPT_PX: [usize; 2] = [360, 640];
/// Some families' pictures are padded to a multiple of this.
const DETECT_MULTIPLE_PX: usize = 32;

/// From which to which size an axis can go, and for which it is fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    min: usize,
    opt: usize,
    max: usize,
}

impl Range {
    fn only(size: usize) -> Self {
        Self { min: size, opt: size, max: size }
    }

    /// From one to `most`, which is the case to be fast in.
    fn up_to(most: usize) -> Self {
        Self { min: 1, opt: most.max(1), max: most.max(1) }
    }
}

/// The shapes of all inputs of one network, as TensorRT calls it an optimisation profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    inputs: Vec<(String, Vec<Range>)>,
}

impl Profile {
    /// What a network of a role with these inputs is fed here.
    pub fn new(role: Role, inputs: &[Port], shapes: Shapes) -> Self {
        let ranges = |port: &Port| {
            let axes = port.dims.iter().enumerate();
            let pictures_first = has_pictures_first(&port.dims);
            let range = |(axis, dim): (usize, &Dim)| match (dim, role, axis) {
                (Dim::Fixed(size), ..) => Range::only(*size),
                (_, Role::Classifier, 1) if pictures_first => Range::only(limits::CLIP_FRAMES),
                // Of a single picture it is a side.
                (_, Role::Classifier, 2) if port.dims.len() == 4 => Range::only(limits::CLIP_PX),
                (Dim::Dynamic(_), ..) => open_axis(role, axis, shapes),
            };
            axes.map(range).collect()
        };
        let inputs = inputs.iter().map(|port| (port.name.clone(), ranges(port)));
        Self { inputs: inputs.collect() }
    }

    /// Of a network that leaves no size open, whatever it is for; `None` for any other.
    pub fn fixed(inputs: &[Port]) -> Option<Self> {
        let range = |dim: &Dim| match dim {
            Dim::Fixed(size) => Some(Range::only(*size)),
            Dim::Dynamic(_) => None,
        };
        let ranges = |port: &Port| port.dims.iter().map(range).collect::<Option<_>>();
        let inputs = inputs.iter().map(|port| Some((port.name.clone(), ranges(port)?)));
        Some(Self { inputs: inputs.collect::<Option<_>>()? })
    }

    /// Whether every input has one shape only.
    pub fn is_fixed(&self) -> bool {
        self.inputs.iter().flat_map(|(_, axes)| axes).all(|axis| axis.min == axis.max)
    }

    /// The most samples of a run.
    pub fn largest_batch(&self) -> usize {
        let batches = self.inputs.iter().filter_map(|(_, axes)| axes.first());
        batches.map(|axis| axis.max).min().unwrap_or(1)
    }

    /// The smallest shapes, as ONNX Runtime reads them: `clip:1x3x16x224x224`.
    pub fn min(&self) -> String {
        self.text(|axis| axis.min)
    }

    /// The shapes to be fastest for.
    pub fn opt(&self) -> String {
        self.text(|axis| axis.opt)
    }

    /// The largest shapes.
    pub fn max(&self) -> String {
        self.text(|axis| axis.max)
    }

    /// The largest shapes, input by input.
    pub fn max_shapes(&self) -> impl Iterator<Item = Vec<usize>> {
        self.inputs.iter().map(|(_, axes)| axes.iter().map(|axis| axis.max).collect())
    }

    fn text(&self, size: impl Fn(&Range) -> usize) -> String {
        let mut text = String::new();
        for (name, axes) in &self.inputs {
            let comma = if text.is_empty() { "" } else { "," };
            let sizes: Vec<_> = axes.iter().map(|axis| size(axis).to_string()).collect();
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}{name}:{}", sizes.join("x"));
        }
        text
    }
}

/// Whether a clip is pictures one after the other, `[N,T,3,S,S]`.
fn has_pictures_first(dims: &[Dim]) -> bool {
    matches!(dims, [_, first, Dim::Fixed(3), _, _] if *first != Dim::Fixed(3))
}

/// An axis that the network leaves open.
fn open_axis(role: Role, axis: usize, shapes: Shapes) -> Range {
    let side = |opt: usize| Range {
        min: DETECT_MIN_PX.min(shapes.detect_px),
        opt: opt.min(shapes.detect_px),
        max: shapes.detect_px.next_multiple_of(DETECT_MULTIPLE_PX),
    };
    match (role, axis) {
        (Role::Classifier, 0) => Range::up_to(shapes.batch),
        (Role::Aligner, 0) => Range::up_to(shapes.faces),
        (Role::Detector, 0) => Range::only(1),
        (_, 1) => Range::only(3),
        (Role::Detector, 2) => side(DETECT_OPT_PX[0]),
        (Role::Detector, _) => side(DETECT_OPT_PX[1]),
        (Role::Aligner, _) => Range::only(limits::ALIGNER_PX),
        (Role::Classifier, 2) => Range::only(limits::CLIP_FRAMES),
        (Role::Classifier, _) => Range::only(limits::CLIP_PX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::modelinfo::PortType;

    fn port(name: &str, dims: &[usize]) -> Port {
        let dim = |size: &usize| match size {
            0 => Dim::Dynamic(String::new()),
            size => Dim::Fixed(*size),
        };
        let dims = dims.iter().map(dim).collect();
        Port { name: name.to_owned(), element: Some(PortType::Float32), dims }
    }

    fn texts(role: Role, ports: &[Port], shapes: Shapes) -> [String; 3] {
        let profile = Profile::new(role, ports, shapes);
        [profile.min(), profile.opt(), profile.max()]
    }

    #[test]
    fn classifiers_run_from_one_to_a_whole_batch() {
        let shapes = Shapes { batch: 4, ..Shapes::default() };
        let ports = [port("clip", &[0, 3, 16, 224, 224]), port("audio", &[0, 1, 80, 100])];
        assert_eq!(
            texts(Role::Classifier, &ports, shapes),
            [
                "clip:1x3x16x224x224,audio:1x1x80x100",
                "clip:4x3x16x224x224,audio:4x1x80x100",
                "clip:4x3x16x224x224,audio:4x1x80x100"
            ]
        );
        assert!(!Profile::new(Role::Classifier, &ports, shapes).is_fixed());
        let pictures = [port("clip", &[0, 0, 3, 0, 0])];
        let profile = Profile::new(Role::Classifier, &pictures, Shapes::default());
        assert_eq!(profile.max(), "clip:1x16x3x224x224");
        let picture = Profile::new(Role::Classifier, &[port("x", &[0, 3, 0, 0])], shapes);
        assert_eq!(picture.max(), "x:4x3x224x224");
        let open = [port("clip", &[0, 0, 0, 0, 0])];
        let profile = Profile::new(Role::Classifier, &open, Shapes::default());
        assert_eq!(profile.max(), "clip:1x3x16x224x224");
        assert!(profile.is_fixed() && profile.largest_batch() == 1);
    }

    #[test]
    fn detectors_take_pictures_up_to_the_limit_one_at_a_time() {
        let shapes = Shapes { detect_px: 1920, ..Shapes::default() };
        let ports = [port("image", &[0, 3, 0, 0])];
        assert_eq!(
            texts(Role::Detector, &ports, shapes),
            ["image:1x3x32x32", "image:1x3x360x640", "image:1x3x1920x1920"]
        );
        let small = Shapes { detect_px: 320, ..shapes };
        assert_eq!(texts(Role::Detector, &ports, small)[1], "image:1x3x320x320");
        let fixed = [port("image", &[0, 3, 360, 640])];
        assert!(Profile::new(Role::Detector, &fixed, shapes).is_fixed());
    }

    #[test]
    fn aligners_take_as_many_faces_as_are_followed() {
        let shapes = Shapes { faces: 10, ..Shapes::default() };
        let profile = Profile::new(Role::Aligner, &[port("face", &[0, 3, 112, 112])], shapes);
        assert_eq!((profile.min(), profile.largest_batch()), ("face:1x3x112x112".into(), 10));
        let one = Profile::new(Role::Aligner, &[port("face", &[1, 3, 112, 112])], shapes);
        assert!(one.is_fixed());
    }

    #[test]
    fn without_a_role_every_size_has_to_be_known() {
        let profile = Profile::fixed(&[port("x", &[1569, 768])]).unwrap();
        assert_eq!((profile.min(), profile.max()), ("x:1569x768".into(), "x:1569x768".into()));
        assert_eq!(Profile::fixed(&[port("x", &[1569, 768]), port("y", &[0, 3])]), None);
    }
}
