//! Detectors that are built from a checkpoint, and how two that have the same tensors are told apart.

use super::{ImportOptions, Problem};
use crate::core::modelinfo::AnchorSides;
use crate::models::arch::retinaface::{self, Variant};
use crate::models::arch::{ArchError, Tensors, slim};
use crate::models::checkpoint::Checkpoint;
use crate::models::file;
use crate::models::graph::Graph;
use crate::models::manifest::Recognised;

/// A detector, and what does not show in its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detector {
    RetinaFace(Variant),
    Slim,
    Rfb,
}

/// The stem of the published weights: whoever wrapped or saved them again, these are the numbers.
const PUBLISHED_STEM: &str = "6f369e018ed10065f11e3d19f3794f13b42d52d9d70f3e8ff6d4dfceca8eecb5";
/// The file of a model that must not take the published one's place.
const ONE_MB: &str = "face_detector_1mb.onnx";

impl Detector {
    pub(super) fn build(self, tensors: &mut Tensors<'_>) -> Result<Graph, ArchError> {
        match self {
            Self::RetinaFace(variant) => retinaface::build(tensors, variant),
            Self::Slim => slim::build(tensors, false),
            Self::Rfb => slim::build(tensors, true),
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::RetinaFace(Variant::Published) => "RetinaFace MobileNet-0.25",
            Self::RetinaFace(Variant::OneMb) => "Face-Detector-1MB MobileNet-0.25",
            Self::RetinaFace(Variant::ResNet50) => "RetinaFace ResNet-50",
            Self::Slim => "Face-Detector-1MB Slim",
            Self::Rfb => "Face-Detector-1MB RFB",
        }
    }

    /// Where they are not the published ones.
    pub(super) fn anchors(self) -> Option<AnchorSides> {
        let levels: &[&[f32]] = match self {
            Self::RetinaFace(Variant::Published | Variant::ResNet50) => return None,
            Self::RetinaFace(Variant::OneMb) => &[&[10.0, 20.0], &[32.0, 64.0], &[128.0, 256.0]],
            Self::Slim | Self::Rfb => {
                &[&[10.0, 16.0, 24.0], &[32.0, 48.0], &[64.0, 96.0], &[128.0, 192.0, 256.0]]
            }
        };
        Some(AnchorSides(levels.iter().map(|sides| sides.to_vec()).collect()))
    }

    /// The model's file, where it has the name of another one.
    pub(super) fn own_file(self) -> Option<&'static str> {
        (self == Self::RetinaFace(Variant::OneMb)).then_some(ONE_MB)
    }

    /// Itself, or the detector that has tensors of the same names and shapes: by a pinned hash, by
    /// the numbers of the published one, else by what the user says.
    pub(super) fn told_apart(
        self,
        checkpoint: &mut Checkpoint,
        recognised: Recognised<'_>,
        options: &ImportOptions,
    ) -> Result<Self, Problem> {
        if self != Self::RetinaFace(Variant::Published) {
            return Ok(self);
        }
        let stem = Tensors::new(checkpoint).read(retinaface::SIGNATURE[0])?;
        let is_published = matches!(recognised, Recognised::Known(_))
            || file::sha256_of_numbers(&stem) == PUBLISHED_STEM;
        match options.retinaface {
            Some(Variant::OneMb) if is_published => Err(Problem::PublishedRetinaFace),
            Some(variant @ (Variant::Published | Variant::OneMb)) => Ok(Self::RetinaFace(variant)),
            Some(Variant::ResNet50) | None if is_published => Ok(self),
            Some(Variant::ResNet50) | None => {
                // A damaged file is neither.
                retinaface::build(&mut Tensors::new(checkpoint), Variant::Published)?;
                Err(Problem::WhichRetinaFace)
            }
        }
    }
}
