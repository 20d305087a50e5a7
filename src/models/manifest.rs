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
    /// Where the sidecar's own `mean` and `std` or `ranges` do not say it.
    normalization: Option<NormalizationName>,
    pub licence: String,
    /// What those who use it have to keep to beside the licence.
    pub terms: Option<String>,
    /// What else its sidecar says, as the sidecar's text.
    #[serde(default, deserialize_with = "sidecar")]
    pub sidecar: ModelInfo,
    pub source: String,
    /// The files that it is imported from.
    #[serde(default)]
    pub from: Vec<Source>,
}

/// What a model is imported from.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "SourceFields")]
pub enum Source {
    File(SourceFile),
    Package(Package),
}

impl Source {
    pub fn file(&self) -> Option<&SourceFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Package(_) => None,
        }
    }

    pub fn package(&self) -> Option<&Package> {
        match self {
            Self::File(_) => None,
            Self::Package(package) => Some(package),
        }
    }

    /// Whether there is an address to download it from.
    fn is_downloadable(&self) -> bool {
        self.file().is_none_or(|file| file.url.is_some())
    }
}

/// A file that is imported as it is.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub file: String,
    pub url: Option<String>,
    /// The file's hash, in hexadecimal. Only a file that has it is known; without one, the name
    /// tells what to expect of a file, and nothing vouches for it.
    pub sha256: Option<Sha256>,
}

/// A file inside a wheel, a package of the Python package index. What is taken out of it is known by
/// its own hash, as every file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub package: String,
    pub version: String,
    /// Of the wheel.
    pub sha256: Sha256,
    /// The path of the file inside.
    pub member: String,
    pub unpack: Unpack,
}

impl Package {
    /// The name under which the wheel is kept.
    pub fn wheel(&self) -> String {
        format!("{}-{}.whl", self.package, self.version)
    }
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=={}", self.package, self.version)
    }
}

/// How the file comes out of the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unpack {
    /// It is the member.
    File,
    /// The member is Python's source text of one assignment, `NAME = b'…'`, and the file is what
    /// that stands for. Nothing is run.
    PythonBytes,
}

/// A source as it is written: either kind's fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFields {
    file: Option<String>,
    url: Option<String>,
    sha256: Option<Sha256>,
    package: Option<String>,
    version: Option<String>,
    member: Option<String>,
    unpack: Option<Unpack>,
}

impl TryFrom<SourceFields> for Source {
    type Error = &'static str;

    fn try_from(fields: SourceFields) -> Result<Self, &'static str> {
        let SourceFields { file, url, sha256, package, version, member, unpack } = fields;
        match (file, package) {
            (Some(file), None) if version.is_none() && member.is_none() && unpack.is_none() => {
                Ok(Self::File(SourceFile { file, url, sha256 }))
            }
            (None, Some(package)) if url.is_none() => {
                let (Some(version), Some(sha256), Some(member), Some(unpack)) =
                    (version, sha256, member, unpack)
                else {
                    return Err("a package needs its version, sha256, member and unpack");
                };
                Ok(Self::Package(Package { package, version, sha256, member, unpack }))
            }
            _ => Err("a source is a file with its url and sha256, or a package with its version, \
                      sha256, member and unpack"),
        }
    }
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
    /// It has the name of a file of a model for which nobody has pinned a hash: what its model would be like is
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

    /// What can be downloaded for a role, the best first, with the model that it becomes.
    pub fn downloads(&self, role: Role) -> Vec<(&Known, &Source)> {
        let all = self.of_role(role).into_iter().flat_map(|m| m.from.iter().map(move |s| (m, s)));
        all.filter(|(_, source)| source.is_downloadable()).collect()
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
        let any = |accept: &dyn Fn(&SourceFile) -> bool| {
            self.models.iter().find(|m| m.from.iter().filter_map(Source::file).any(accept))
        };
        let pinned = |s: &SourceFile| s.sha256.as_ref().is_some_and(|pin| pin.as_str() == sha256);
        if let Some(known) = any(&pinned) {
            return Recognised::Known(known);
        }
        match any(&|s| s.file == file) {
            Some(known) if known.is_pinned() => Recognised::Impostor(known),
            Some(known) => Recognised::Named(known),
            None => Recognised::Stranger,
        }
    }
}

impl Known {
    /// Whether any file is known by its hash to be this model.
    pub fn is_pinned(&self) -> bool {
        self.from.iter().filter_map(Source::file).any(|file| file.sha256.is_some())
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
        assert_eq!(order, ["m2sd.onnx", "meso4_df.onnx", "m2sd_tiny.onnx"]);
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
    fn a_source_is_a_file_or_a_package() {
        let source = |text: &str| {
            let text = format!("[[model]]\nfrom = [{{ {text} }}]");
            text.parse::<Manifest>().unwrap_err().to_string()
        };
        let pin = format!("sha256 = \"{:064}\"", 0);
        let package = "package = \"p\", version = \"1\", member = \"m\"";
        for (text, part) in [
            ("file = \"x\", sha256 = \"AB\"".to_owned(), "64 hexadecimal digits"),
            ("url = \"https://x\"".to_owned(), "a source is a file"),
            (format!("file = \"x\", {package}"), "a source is a file"),
            ("file = \"x\", member = \"m\"".to_owned(), "a source is a file"),
            (format!("{package}, unpack = \"file\", url = \"https://x\""), "a source is a file"),
            (format!("{package}, unpack = \"file\""), "a package needs its version, sha256"),
            (format!("{package}, {pin}"), "a package needs its version, sha256"),
            (format!("{package}, {pin}, unpack = \"run\""), "python-bytes"),
            // All of it is right; what is missing is the model's.
            (format!("{package}, {pin}, unpack = \"file\""), "missing field `file`"),
        ] {
            let error = source(&text);
            assert!(error.contains(part), "{text}: {error}");
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
