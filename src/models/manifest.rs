//! `models.toml`: the models that this project knows.

use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{ModelInfo, Port, PortType, Role, Training};

/// The known models, as the file lists them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(rename = "model", default)]
    pub models: Vec<Known>,
}

/// One known model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Known {
    /// The ONNX file's name.
    pub file: String,
    #[serde(with = "RoleName")]
    pub role: Role,
    pub title: String,
    /// The lowest of a role that is there is used.
    pub rank: u32,
    pub trained: bool,
    /// P(fake) above which a face counts as fake.
    pub threshold: Option<f64>,
    #[serde(with = "ChannelOrderName")]
    pub channel_order: ChannelOrder,
    normalization: NormalizationName,
    pub licence: String,
    pub source: String,
    /// The files that it is imported from.
    #[serde(default)]
    pub from: Vec<Source>,
}

/// A file that a model is imported from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub file: String,
    pub url: Option<String>,
    /// The file's hash, in hexadecimal. Only a file that has it is known; without one, the name
    /// tells what to expect of a file, and nothing vouches for it.
    pub sha256: Option<Sha256>,
}

/// A pinned SHA-256: 64 hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

impl Sha256 {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(is_hex) {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no sha256: expected 64 hexadecimal digits in lower case"))
        }
    }
}

/// What the manifest knows of a file that is to be imported.
#[derive(Clone, Copy, Debug)]
pub enum Recognised<'a> {
    /// It has a pinned hash: every bit of it is known.
    Known(&'a Known),
    /// It has the name of a file whose hash nobody has pinned: what its model would be like is
    /// known, what is in it is not.
    Named(&'a Known),
    /// It has the name of a known file, and is another one.
    Impostor(&'a Known),
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

#[derive(Debug, Error)]
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

    /// What can be downloaded, the best of each role first, with the model that it becomes.
    pub fn downloads(&self) -> impl Iterator<Item = (&Known, &Source)> {
        let ranked = Role::ALL.into_iter().flat_map(|role| self.of_role(role));
        ranked.flat_map(|m| m.from.iter().filter(|s| s.url.is_some()).map(move |s| (m, s)))
    }

    /// The model with this ONNX file name.
    pub fn by_file(&self, file: &str) -> Option<&Known> {
        self.models.iter().find(|m| m.file == file)
    }

    /// What a file is, by its hash first, whatever it is called. A name says what to expect, and
    /// makes nothing known.
    pub fn recognise(&self, file: &str, sha256: &str) -> Recognised<'_> {
        let any = |accept: &dyn Fn(&Source) -> bool| {
            self.models.iter().find(|m| m.from.iter().any(accept))
        };
        let pinned = |s: &Source| s.sha256.as_ref().is_some_and(|pin| pin.as_str() == sha256);
        if let Some(known) = any(&pinned) {
            return Recognised::Known(known);
        }
        if let Some(known) = any(&|s| s.file == file && s.sha256.is_none()) {
            return Recognised::Named(known);
        }
        let other = any(&|s| s.file == file);
        other.map_or(Recognised::Stranger, Recognised::Impostor)
    }
}

impl Known {
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
            normalization: Some(match self.normalization {
                NormalizationName::Retinaface => Normalization::RETINAFACE,
                NormalizationName::Unit => Normalization::UNIT,
                NormalizationName::Imagenet => Normalization::IMAGENET_RGB,
            }),
            ports: vec![Port::pixels(input, PortType::Float32)],
            threshold: self.threshold,
            output: None,
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
        assert_eq!(order, ["m2sd.onnx", "meso4_df.onnx", "m2sd_tiny.onnx"]);
        let sources = manifest.models.iter().flat_map(|m| &m.from);
        for url in sources.filter_map(|s| s.url.as_ref()) {
            assert!(url.starts_with("https://"), "{url}");
        }
        let wrong = "[[model]]\nfrom = [{ file = \"x\", sha256 = \"AB\" }]".parse::<Manifest>();
        assert!(wrong.unwrap_err().to_string().contains("64 hexadecimal digits"));
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
