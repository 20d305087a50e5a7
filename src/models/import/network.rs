//! Networks that are built from a checkpoint, known by tensors that only they have.

use super::detector::Detector;
use super::{ImportOptions, Problem};
use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{
    Align, ClassifierOutput, FakeIndex, FrameRates, ModelInfo, Port, PortType, Role, Template,
};
use crate::models::arch::retinaface::{self, Variant};
use crate::models::arch::{
    ArchError, Tensors, ftcn, gdconv, gend, m2sd, mobilefacenet, pfld, slim,
};
use crate::models::checkpoint::{Checkpoint, Config, Signature};
use crate::models::graph::Graph;
use crate::models::manifest::Recognised;

/// The networks that can be built from a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Detector(Detector),
    GdConv,
    Pfld,
    MobileFaceNet,
    Transformer,
    Ftcn,
    GenD,
}

/// What each is known by.
const KNOWN: [(Network, Signature); 11] = [
    (Network::Detector(Detector::RetinaFace(Variant::Published)), &retinaface::SIGNATURE),
    (Network::Detector(Detector::RetinaFace(Variant::ResNet50)), &retinaface::RESNET_SIGNATURE),
    (Network::Detector(Detector::Slim), &slim::SIGNATURE),
    (Network::Detector(Detector::Rfb), &slim::RFB_SIGNATURE),
    (Network::GdConv, &[gdconv::SIGNATURE]),
    (Network::Pfld, &pfld::SIGNATURE),
    (Network::MobileFaceNet, &mobilefacenet::SIGNATURE),
    (Network::Transformer, &m2sd::SIGNATURE),
    (Network::Transformer, &m2sd::HUB_SIGNATURE),
    (Network::Ftcn, &ftcn::SIGNATURE),
    (Network::GenD, &gend::SIGNATURE),
];

/// CLIP's statistics, for RGB.
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

impl Network {
    /// What the networks are known by.
    pub(super) fn signatures() -> Vec<Signature> {
        KNOWN.iter().map(|(_, signature)| *signature).collect()
    }

    /// Recognises a network by tensors that only it has.
    pub(super) fn of(checkpoint: &Checkpoint) -> Result<Self, Problem> {
        let fits = |signature: Signature| signature.iter().all(|name| checkpoint.has(name));
        match KNOWN.iter().find(|(_, signature)| fits(signature)) {
            Some((network, _)) => Ok(*network),
            None => {
                let short = |name: &str| name.chars().take(64).collect::<String>();
                let some: Vec<_> = checkpoint.names().take(6).map(short).collect();
                let known: Vec<_> = KNOWN
                    .iter()
                    .map(|(n, s)| format!("{} ({})", n.title(), s.join(", ")))
                    .collect();
                let tensors = format!("{}, …", some.join(", "));
                Err(Problem::UnknownNetwork { known: known.join("; "), tensors })
            }
        }
    }

    /// As [`Detector::told_apart`]; other networks are what their tensors say.
    pub(super) fn told_apart(
        self,
        checkpoint: &mut Checkpoint,
        recognised: Recognised<'_>,
        options: &ImportOptions,
    ) -> Result<Self, Problem> {
        match self {
            Self::Detector(detector) => {
                Ok(Self::Detector(detector.told_apart(checkpoint, recognised, options)?))
            }
            other => Ok(other),
        }
    }

    /// As [`Detector::own_file`].
    pub(super) fn own_file(self) -> Option<&'static str> {
        match self {
            Self::Detector(detector) => detector.own_file(),
            _ => None,
        }
    }

    pub(super) fn build(
        self,
        tensors: &mut Tensors<'_>,
        config: &Config,
        options: &m2sd::Options,
    ) -> Result<(Graph, String), ArchError> {
        let title = self.title();
        let m2sd::Options { heads, tuning, .. } = *options;
        Ok(match self {
            Self::Detector(detector) => (detector.build(tensors)?, title.to_owned()),
            Self::GdConv => (gdconv::build(tensors)?, title.to_owned()),
            Self::Pfld => (pfld::build(tensors)?, title.to_owned()),
            Self::MobileFaceNet => (mobilefacenet::build(tensors)?, title.to_owned()),
            Self::Ftcn => (ftcn::build(tensors, tuning)?, title.to_owned()),
            Self::Transformer => {
                let (graph, d) = m2sd::build(tensors, config, options)?;
                let pooling = if d.class_token { "class token" } else { "mean of tokens" };
                let text = format!(
                    "{title}: {} blocks, width {}, {} heads, {} frames of {}², {} patches, {pooling}",
                    d.blocks, d.width, d.heads, d.frames, d.size_px, d.patches,
                );
                (graph, text)
            }
            Self::GenD => {
                let (graph, d) = gend::build(tensors, config, heads, tuning)?;
                let feature = if d.normalises { "direction" } else { "feature" };
                let text = format!(
                    "{title}: {} blocks, width {}, {} heads, patches of {} px, a probe on the {feature}",
                    d.blocks, d.width, d.heads, d.patch_px,
                );
                (graph, text)
            }
        })
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Detector(detector) => detector.title(),
            Self::GdConv => "MobileNetV2 GDConv",
            Self::Pfld => "PFLD 112",
            Self::MobileFaceNet => "MobileFaceNet 112",
            Self::Transformer => "M2SD/VideoMAE transformer",
            Self::Ftcn => "FTCN+TT",
            Self::GenD => "GenD, CLIP tower",
        }
    }

    pub(super) fn input(self) -> &'static str {
        match self {
            Self::Detector(_) | Self::GdConv | Self::Pfld | Self::MobileFaceNet => "image",
            Self::Transformer | Self::Ftcn | Self::GenD => "clip",
        }
    }

    /// The sidecar: what the manifest has `told`, else that of a checkpoint which it does not know and
    /// of which nobody can tell whether it is trained; and how a network of this form is used.
    pub(super) fn info(self, told: Option<ModelInfo>, source: &str, config: &Config) -> ModelInfo {
        let info = told.unwrap_or_else(|| self.stranger(source));
        let default = match self {
            Self::Detector(detector) => {
                ModelInfo { anchors: detector.anchors(), ..ModelInfo::default() }
            }
            Self::GdConv | Self::Pfld | Self::MobileFaceNet => ModelInfo::default(),
            Self::Transformer => {
                ModelInfo { fake_index: fake_index(config.labels()), ..ModelInfo::default() }
            }
            // Its one number's sigmoid is P(fake).
            Self::Ftcn => ModelInfo {
                outputs: Some(ClassifierOutput::Logit),
                fake_index: Some(FakeIndex::One),
                // Those of FaceForensics++, consecutive ones.
                fps: Some(FrameRates { lowest: 23.0, highest: 31.0 }),
                ..ModelInfo::default()
            },
            Self::GenD => ModelInfo {
                fake_index: Some(FakeIndex::One),
                template: Some(Template::GEND),
                align: Some(Align::Frame),
                ..ModelInfo::default()
            },
        };
        ModelInfo {
            outputs: info.outputs.or(default.outputs),
            fake_index: info.fake_index.or(default.fake_index),
            template: info.template.or(default.template),
            align: info.align.or(default.align),
            fps: info.fps.or(default.fps),
            anchors: info.anchors.or(default.anchors),
            ..info
        }
    }

    fn stranger(self, source: &str) -> ModelInfo {
        let (role, order, normalization) = match self {
            Self::Detector(_) => (Role::Detector, ChannelOrder::Bgr, Normalization::RETINAFACE),
            Self::GdConv => (Role::Aligner, ChannelOrder::Rgb, Normalization::IMAGENET_RGB),
            Self::Pfld | Self::MobileFaceNet => {
                (Role::Aligner, ChannelOrder::Rgb, Normalization::UNIT)
            }
            Self::Transformer | Self::Ftcn => {
                (Role::Classifier, ChannelOrder::Rgb, Normalization::IMAGENET_RGB)
            }
            Self::GenD => {
                let clip = Normalization::from_mean_std(CLIP_MEAN, CLIP_STD);
                (Role::Classifier, ChannelOrder::Rgb, clip)
            }
        };
        ModelInfo {
            role: Some(role),
            title: Some(self.title().to_owned()),
            source: Some(format!("imported from {source}")),
            channel_order: Some(order),
            normalization: Some(normalization),
            ports: vec![Port::pixels(self.input(), PortType::Float32)],
            ..ModelInfo::default()
        }
    }
}

/// Which of two classes is called a fake.
fn fake_index(labels: &[String]) -> Option<FakeIndex> {
    const WORDS: [&str; 6] = ["fake", "forged", "manipulated", "synthetic", "spoof", "generated"];
    let [first, second] = labels else { return None };
    let [first, second] = [first, second].map(|label| {
        let label = label.to_lowercase();
        WORDS.iter().any(|word| label.contains(word))
    });
    match (first, second) {
        (true, false) => Some(FakeIndex::Zero),
        (false, true) => Some(FakeIndex::One),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fake_class_is_the_one_that_is_called_so() {
        let index = |labels: &[&str]| {
            fake_index(&labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(index(&["real", "FAKE"]), Some(FakeIndex::One));
        assert_eq!(index(&["Deepfake", "original"]), Some(FakeIndex::Zero));
        assert_eq!(index(&["LABEL_0", "LABEL_1"]), None);
        assert_eq!(index(&["fake", "fakest"]), None);
        assert_eq!(index(&[]), None);
    }
}
