//! Networks that need no download: analytic ones, whose answers a test can compute, and a
//! transformer with random weights, for timing.
//!
//! They speak the same inputs and outputs as the trained ones, and their sidecars say that they
//! are not trained: the analytic ones are exact for what [`scene`] draws, and for nothing else.

mod aligner;
mod classifier;
mod detector;
mod detector_outputs;
pub mod moving;
pub mod product;
pub mod scene;
mod seeded;

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::arch::m2sd::{self, Tuning};
use super::arch::{ArchError, Tensors};
use super::checkpoint::Config;
use super::graph::Graph;
use super::store::{StoreError, store};
use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{
    DetectorFamily, ModelInfo, Port, PortType, Role, SufficiencyKeys, Training,
};
pub use classifier::{Audio, ClipShape};
pub use detector::DetectorShape;
use seeded::Seeded;
pub use seeded::TransformerShape;

/// A network to make up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Synth {
    /// Finds the faces that [`scene`] draws, exactly. RetinaFace's input and outputs.
    Detector,
    /// The same with the outputs of another family, or for pictures of one size.
    DetectorOf(DetectorShape),
    /// Gives [`scene::landmarks68`], whatever it sees. `image` `[N,3,112,112]`.
    Aligner,
    /// P(fake) is the mean redness of the clip's middle: [`scene::fake_probability`].
    Classifier(ClipShape),
    /// Random weights from a seed, of any size.
    Transformer {
        /// Its dimensions.
        shape: TransformerShape,
        /// Equal seeds make equal weights.
        seed: u64,
        /// What the graph is made for.
        tuning: Tuning,
    },
}

/// Why a network cannot be made.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum SynthError {
    #[error(transparent)]
    Arch(#[from] ArchError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Synth {
    /// The three analytic networks, in M2SD's clip shape.
    pub fn analytic() -> [Self; 3] {
        [Self::Detector, Self::Aligner, Self::Classifier(ClipShape::default())]
    }

    /// The file that [`write()`] makes.
    pub fn file_name(&self) -> &'static str {
        match self {
            Self::Detector | Self::DetectorOf(_) => "analytic_detector.onnx",
            Self::Aligner => "analytic_aligner.onnx",
            Self::Classifier(_) => "analytic_classifier.onnx",
            Self::Transformer { .. } => "seeded_transformer.onnx",
        }
    }

    fn build(&self, tensors: &mut Tensors<'_>) -> Result<Graph, ArchError> {
        Ok(match self {
            Self::Detector => detector::build(DetectorShape::default()),
            Self::DetectorOf(shape) => detector::build(*shape),
            Self::Aligner => aligner::build(),
            Self::Classifier(shape) => classifier::build(shape),
            Self::Transformer { shape, tuning, .. } => {
                m2sd::build(tensors, &Config::default(), &shape.options(*tuning))?.0
            }
        })
    }

    fn info(&self) -> ModelInfo {
        use {ChannelOrder::*, Normalization as To};
        let (role, title, input, order, normalization) = match self {
            Self::Detector | Self::DetectorOf(_) => {
                (Role::Detector, "analytic detector", "image", Bgr, To::RETINAFACE)
            }
            Self::Aligner => (Role::Aligner, "analytic aligner", "image", Rgb, To::UNIT),
            Self::Classifier(_) => {
                (Role::Classifier, "analytic classifier: redness", "clip", Rgb, To::IMAGENET_RGB)
            }
            Self::Transformer { .. } => {
                (Role::Classifier, "transformer, random weights", "clip", Rgb, To::IMAGENET_RGB)
            }
        };
        let threshold = matches!(self, Self::Classifier(_)).then_some(0.5);
        let family = match self {
            Self::DetectorOf(shape) => Some(shape.family),
            _ => None,
        };
        // Other families read pixels as those of their kind do, and need not be told.
        let own_terms = matches!(family, None | Some(DetectorFamily::RetinaFace));
        ModelInfo {
            role: Some(role),
            title: Some(title.to_owned()),
            licence: Some("none needed".to_owned()),
            source: Some("made up by m2sd models synth".to_owned()),
            training: match self {
                Self::Detector | Self::DetectorOf(_) | Self::Aligner | Self::Classifier(_) => {
                    Training::Analytic
                }
                Self::Transformer { .. } => Training::Untrained,
            },
            channel_order: own_terms.then_some(order),
            normalization: own_terms.then_some(normalization),
            family,
            ports: vec![Port::pixels(input, PortType::Float32)],
            threshold,
            sufficiency: match self {
                Self::Classifier(_) => ANALYTIC_NEEDS,
                _ => SufficiencyKeys::default(),
            },
            ..ModelInfo::default()
        }
    }
}

/// The analytic classifier is exact for any drawn face of which it gets a clip.
const ANALYTIC_NEEDS: SufficiencyKeys = SufficiencyKeys {
    eye_distance_px: Some(0.0),
    sharpness: Some(0.0),
    brightness: Some((0.0, 1.0)),
    contrast: Some(0.0),
    pose_deg: Some(180.0),
    outside: Some(1.0),
    clips: Some(1),
    seconds: Some(0.0),
    spread: Some(0.0),
};

/// Writes one made-up network and its sidecar into `out_dir`; returns the model's path.
pub fn write(network: &Synth, out_dir: &Path) -> Result<PathBuf, SynthError> {
    let mut weights = match network {
        Synth::Transformer { shape, seed, .. } => Seeded::transformer(shape, *seed),
        Synth::Detector | Synth::DetectorOf(_) | Synth::Aligner | Synth::Classifier(_) => {
            Seeded::default()
        }
    };
    let graph = network.build(&mut Tensors::new(&mut weights))?;
    let path = out_dir.join(network.file_name());
    store(&path, &network.info(), "m2sd models synth", |partial| -> Result<(), SynthError> {
        Ok(graph.write(&mut Tensors::new(&mut weights), partial)?)
    })?;
    Ok(path)
}
