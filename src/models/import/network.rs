//! Networks that are built from a checkpoint, known by tensors that only they have.

use std::path::Path;

use super::Problem;
use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{ModelInfo, Port, PortType, Role};
use crate::models::arch::{ArchError, Tensors, gdconv, m2sd, retinaface};
use crate::models::graph::Graph;
use crate::models::torch::Checkpoint;

/// The networks that can be built from a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    RetinaFace,
    GdConv,
    Transformer,
}

impl Network {
    /// Recognises a network by tensors that only it has.
    pub(super) fn of(checkpoint: &Checkpoint) -> Result<Self, Problem> {
        let has = |name: &str| checkpoint.shape(name).is_some();
        if has(retinaface::SIGNATURE) {
            Ok(Self::RetinaFace)
        } else if has(gdconv::SIGNATURE) {
            Ok(Self::GdConv)
        } else if m2sd::SIGNATURE.into_iter().all(has) {
            Ok(Self::Transformer)
        } else {
            let short = |name: &str| name.chars().take(64).collect::<String>();
            let some: Vec<_> = checkpoint.names().take(6).map(short).collect();
            Err(Problem::UnknownNetwork { tensors: format!("{}, …", some.join(", ")) })
        }
    }

    pub(super) fn build(
        self,
        tensors: &mut Tensors<'_>,
        options: &m2sd::Options,
    ) -> Result<(Graph, String), ArchError> {
        Ok(match self {
            Self::RetinaFace => (retinaface::build(tensors)?, self.title().to_owned()),
            Self::GdConv => (gdconv::build(tensors)?, self.title().to_owned()),
            Self::Transformer => {
                let (graph, d) = m2sd::build(tensors, options)?;
                let pooling = if d.class_token { "class token" } else { "mean of tokens" };
                let text = format!(
                    "{}: {} blocks, width {}, {} heads, {} patches, {pooling}",
                    self.title(),
                    d.blocks,
                    d.width,
                    d.heads,
                    d.patches,
                );
                (graph, text)
            }
        })
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::RetinaFace => "RetinaFace MobileNet-0.25",
            Self::GdConv => "MobileNetV2 GDConv",
            Self::Transformer => "M2SD/VideoMAE transformer",
        }
    }

    pub(super) fn input(self) -> &'static str {
        match self {
            Self::RetinaFace | Self::GdConv => "image",
            Self::Transformer => "clip",
        }
    }

    /// The sidecar of a checkpoint that the manifest does not know: whether it is trained, nobody
    /// can tell.
    pub(super) fn info(self, source: &Path) -> ModelInfo {
        let (role, order, normalization) = match self {
            Self::RetinaFace => (Role::Detector, ChannelOrder::Bgr, Normalization::RETINAFACE),
            Self::GdConv => (Role::Aligner, ChannelOrder::Rgb, Normalization::IMAGENET_RGB),
            Self::Transformer => (Role::Classifier, ChannelOrder::Rgb, Normalization::IMAGENET_RGB),
        };
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        ModelInfo {
            role: Some(role),
            title: Some(self.title().to_owned()),
            source: Some(format!("imported from {name}")),
            channel_order: Some(order),
            normalization: Some(normalization),
            ports: vec![Port::pixels(self.input(), PortType::Float32)],
            ..ModelInfo::default()
        }
    }
}
