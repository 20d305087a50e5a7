//! `models.toml`: the models that this project knows.

use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{ModelInfo, Port, PortType, Role};

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
    /// In lower-case hexadecimal. Without one, the name alone decides.
    pub sha256: Option<String>,
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

    /// The model that a file is imported as. A known hash decides, whatever the file is called; a
    /// name decides only where no hash is known that contradicts it.
    pub fn by_source(&self, file: &str, sha256: &str) -> Option<&Known> {
        let any = |accept: &dyn Fn(&Source) -> bool| {
            self.models.iter().find(|m| m.from.iter().any(accept))
        };
        any(&|s| s.sha256.as_deref() == Some(sha256))
            .or_else(|| any(&|s| s.file == file && s.sha256.is_none()))
    }
}

impl Known {
    /// The sidecar of this model, whose image or clip input is called `input`.
    pub fn info(&self, input: &str) -> ModelInfo {
        ModelInfo {
            role: Some(self.role),
            title: Some(self.title.clone()),
            licence: Some(self.licence.clone()),
            source: Some(self.source.clone()),
            trained: Some(self.trained),
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
        let hashes = manifest.models.iter().flat_map(|m| &m.from).filter_map(|s| s.sha256.as_ref());
        for hash in hashes {
            assert!(hash.len() == 64 && hash.chars().all(|c| "0123456789abcdef".contains(c)));
        }
    }

    #[test]
    fn a_hash_outweighs_a_name() {
        let manifest = Manifest::builtin().unwrap();
        let meso = "a922907fe4abe856d74f754ec5c6c479a6615c851754901dec3080675c017131";
        let by = |file, sha| manifest.by_source(file, sha).map(|m| m.file.as_str());
        assert_eq!(by("renamed.onnx", meso), Some("meso4_df.onnx"));
        assert_eq!(by("meso4_df.onnx", "00"), None);
        assert_eq!(by("M2SD.pt", "00"), Some("m2sd.onnx"));
    }
}
