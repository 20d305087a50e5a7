//! `models.toml`: the models that this project knows.

mod source;

use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

pub use self::source::{HubModel, Package, Sha256, Source, SourceFile, Unpack};
use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{ModelInfo, Port, PortType, Role, Training};

/// The known models, as the file lists them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// In the order of the file.
    #[serde(rename = "model", default)]
    pub models: Vec<Known>,
}

/// One known model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Known {
    /// The ONNX file's name.
    pub file: String,
    /// What the network is for.
    #[serde(with = "RoleName")]
    pub role: Role,
    /// For people, such as `MesoNet Meso4`.
    pub title: String,
    /// The lowest of a role that is there is used.
    pub rank: u32,
    /// Whether its weights were trained; else they are random.
    pub trained: bool,
    /// P(fake) above which a face counts as fake.
    pub threshold: Option<f64>,
    /// The order in which the network reads colours.
    #[serde(with = "ChannelOrderName")]
    pub channel_order: ChannelOrder,
    /// Where the sidecar's own `mean` and `std` or `ranges` do not say it.
    normalization: Option<NormalizationName>,
    /// Of the weights.
    pub licence: String,
    /// What those who use it have to keep to beside the licence.
    pub terms: Option<String>,
    /// What else its sidecar says, as the sidecar's text.
    #[serde(default, deserialize_with = "sidecar")]
    pub sidecar: ModelInfo,
    /// Where the weights come from, for the sidecar.
    pub source: String,
    /// `m2sd models fetch` gets it only where its name is given.
    #[serde(default)]
    pub by_name: bool,
    /// The files that it is imported from.
    #[serde(default)]
    pub from: Vec<Source>,
}

/// What the manifest knows of a file that is to be imported.
#[derive(Clone, Copy, Debug)]
pub enum Recognised<'a> {
    /// It has a pinned hash: every bit of it is known.
    Known(&'a Known),
    /// It has the name of a file of a model for which nobody has pinned a hash: what its model would be like is
    /// known, what is in it is not.
    Named(&'a Known),
    /// It has the name of a known file, and is another one.
    Impostor(&'a Known),
    /// Neither its hash nor its name is of a known file.
    Stranger,
}

impl<'a> Recognised<'a> {
    /// The model that the file is imported as.
    pub fn model(self) -> Option<&'a Known> {
        match self {
            Self::Known(known) | Self::Named(known) => Some(known),
            Self::Impostor(_) | Self::Stranger => None,
        }
    }
}

fn sidecar<'de, D: serde::Deserializer<'de>>(text: D) -> Result<ModelInfo, D::Error> {
    String::deserialize(text)?.parse().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
#[serde(remote = "Role", rename_all = "lowercase")]
enum RoleName {
    Detector,
    Aligner,
    Classifier,
}

#[derive(Deserialize)]
#[serde(remote = "ChannelOrder", rename_all = "lowercase")]
enum ChannelOrderName {
    Rgb,
    Bgr,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NormalizationName {
    Retinaface,
    Unit,
    Imagenet,
}

/// Why there is no manifest.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ManifestError {
    #[error("cannot read the manifest: {0}")]
    Read(#[from] std::io::Error),
    #[error("the manifest is wrong: {0}")]
    Syntax(#[from] toml::de::Error),
}

impl std::str::FromStr for Manifest {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(toml::from_str(text)?)
    }
}

impl Manifest {
    /// The manifest that this build was made with.
    pub fn builtin() -> Result<Self, ManifestError> {
        include_str!("../../engines/models.toml").parse()
    }

    /// `models.toml` of `dir`, or the built-in one where there is none.
    pub fn of(dir: &Path) -> Result<Self, ManifestError> {
        match std::fs::read_to_string(dir.join("models.toml")) {
            Ok(text) => text.parse(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Self::builtin(),
            Err(e) => Err(e.into()),
        }
    }

    /// The models of one role, best first.
    pub fn of_role(&self, role: Role) -> Vec<&Known> {
        let mut models: Vec<_> = self.models.iter().filter(|m| m.role == role).collect();
        models.sort_by_key(|m| m.rank);
        models
    }

    /// What can be downloaded for a role, the best first, with the model that it becomes.
    pub fn downloads(&self, role: Role) -> Vec<(&Known, &Source)> {
        let unasked = self.of_role(role).into_iter().filter(|model| !model.by_name);
        unasked.flat_map(Known::downloads).collect()
    }

    /// The model whose file is called `name`, without its ending.
    pub fn by_name(&self, name: &str) -> Option<&Known> {
        self.models.iter().find(|model| model.name() == name)
    }

    /// All packages that models are in, with these.
    pub fn packages(&self) -> impl Iterator<Item = (&Known, &Package)> {
        let sources = self.models.iter().flat_map(|m| m.from.iter().map(move |s| (m, s)));
        sources.filter_map(|(model, source)| Some((model, source.package()?)))
    }

    /// The model with this ONNX file name.
    pub fn by_file(&self, file: &str) -> Option<&Known> {
        self.models.iter().find(|m| m.file == file)
    }

    /// What a file is, by its hash first, whatever it is called. A name says what to expect, and
    /// makes nothing known.
    pub fn recognise(&self, file: &str, sha256: &str) -> Recognised<'_> {
        let any = |accept: &dyn Fn(&Source) -> bool| {
            self.models.iter().find(|model| model.from.iter().any(accept))
        };
        if let Some(known) = any(&|source| source.pin().is_some_and(|pin| pin.as_str() == sha256)) {
            return Recognised::Known(known);
        }
        match any(&|source| source.name() == Some(file)) {
            Some(known) if known.is_pinned() => Recognised::Impostor(known),
            Some(known) => Recognised::Named(known),
            None => Recognised::Stranger,
        }
    }
}

impl Known {
    /// Whether any file is known by its hash to be this model.
    pub fn is_pinned(&self) -> bool {
        self.from.iter().any(|source| source.pin().is_some())
    }

    /// Its file's name, without the ending.
    pub fn name(&self) -> &str {
        self.file.strip_suffix(".onnx").unwrap_or(&self.file)
    }

    /// What it can be downloaded from.
    pub fn downloads(&self) -> Vec<(&Self, &Source)> {
        let sources = self.from.iter().filter(|source| source.is_downloadable());
        sources.map(|source| (self, source)).collect()
    }

    /// The sidecar of a file that is called like this model's, and of which nothing else is known.
    pub fn info_unverified(&self, input: &str) -> ModelInfo {
        ModelInfo {
            title: Some(format!("{}, not verified", self.title)),
            // Random weights may be called so; nobody gains by calling trained ones random.
            training: if self.trained { Training::Unknown } else { Training::Untrained },
            ..self.info(input)
        }
    }

    /// The sidecar of this model, whose image or clip input is called `input`; for files whose
    /// hash is pinned.
    pub fn info(&self, input: &str) -> ModelInfo {
        ModelInfo {
            role: Some(self.role),
            title: Some(self.title.clone()),
            licence: Some(self.licence.clone()),
            source: Some(self.source.clone()),
            training: if self.trained { Training::Trained } else { Training::Untrained },
            channel_order: Some(self.channel_order),
            normalization: self.sidecar.normalization.or(self.normalization.map(
                |name| match name {
                    NormalizationName::Retinaface => Normalization::RETINAFACE,
                    NormalizationName::Unit => Normalization::UNIT,
                    NormalizationName::Imagenet => Normalization::IMAGENET_RGB,
                },
            )),
            ports: vec![Port::pixels(input, PortType::Float32)],
            threshold: self.threshold,
            terms: self.terms.clone(),
            ..self.sidecar.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_is_sound() {
        let manifest = Manifest::builtin().unwrap();
        for role in Role::ALL {
            let best = manifest.of_role(role);
            assert!(best.first().is_some_and(|m| m.trained), "{role}: an untrained model first");
        }
        let order: Vec<_> =
            manifest.of_role(Role::Classifier).iter().map(|m| m.file.as_str()).collect();
        assert_eq!(
            order,
            [
                "m2sd.onnx",
                "ftcn.onnx",
                "gend.onnx",
                "meso4_df.onnx",
                "m2sd_tiny.onnx",
                "ftcn_tiny.onnx",
                "gend_tiny.onnx",
            ]
        );
        let sources = manifest.models.iter().flat_map(|m| &m.from);
        for url in sources.filter_map(|s| s.file()?.url.as_ref()) {
            assert!(url.starts_with("https://"), "{url}");
        }
        // What a package gives is held against a hash of its own.
        for model in &manifest.models {
            let has_package = model.from.iter().any(|s| s.package().is_some());
            let mut files = model.from.iter().filter_map(Source::file);
            assert!(!has_package || files.any(|f| f.sha256.is_some()), "{}", model.file);
        }
    }

    #[test]
    fn a_hash_makes_a_file_known_and_a_name_never_does() {
        let manifest = Manifest::builtin().unwrap();
        let meso = "a922907fe4abe856d74f754ec5c6c479a6615c851754901dec3080675c017131";
        let by = |file, sha| manifest.recognise(file, sha);
        let known = |found: Recognised<'_>| found.model().map(|m| m.file.clone());
        assert!(
            matches!(by("renamed.onnx", meso), Recognised::Known(m) if m.file == "meso4_df.onnx")
        );
        assert!(matches!(by("meso4_df.onnx", "00"), Recognised::Impostor(_)));
        assert_eq!(known(by("meso4_df.onnx", "00")), None);
        assert!(matches!(by("M2SD.pt", "00"), Recognised::Named(_)));
        assert_eq!(known(by("M2SD.pt", "00")), Some("m2sd.onnx".to_owned()));
        assert!(matches!(by("mine.pt", "00"), Recognised::Stranger));
        let info = by("M2SD.pt", "00").model().unwrap().info_unverified("clip");
        assert_eq!(
            (info.training, info.title.as_deref()),
            (Training::Unknown, Some("M2SD ViT-B, not verified"))
        );
    }
}
