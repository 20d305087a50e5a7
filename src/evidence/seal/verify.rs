//! Whether a folder is as it was sealed.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::SEAL_FILE;
use super::chain::{Difference, first_difference};
use super::document::{self, Document};
use super::error::SealError;
use super::folder::{self, Content, Kind};
use super::manifest::{Manifest, SealedFile};
use super::trust::{Trust, Trusted};
use super::write::holds_records;
use crate::evidence::records::those_below;
use crate::evidence::timestamp::{self, TimestampFacts, Vouched};

/// Something that is not as it was sealed. Paths are from the folder on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Finding {
    /// The seal itself; what it says of the files is then worth nothing, and they were not compared.
    Seal {
        /// The seal's file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The time stamp in the seal is not one of this seal.
    Timestamp {
        /// The seal's file.
        path: String,
        /// What is wrong with the time stamp.
        why: String,
    },
    /// Its content, or its nature: a link now, say; and the first record that differs, in a file of records.
    Changed {
        /// Of the file, from the folder.
        path: String,
        /// What it was and what it is.
        why: String,
        /// The first line that differs; `None`: no records.
        record: Option<Difference>,
    },
    /// It is gone.
    Missing {
        /// Of the file, from the folder.
        path: String,
    },
    /// It was not there.
    Added {
        /// Of the file, from the folder.
        path: String,
    },
    /// It has another name.
    Renamed {
        /// Of the file now.
        path: String,
        /// Of the file when it was sealed.
        was: String,
    },
    /// It is there and cannot be read.
    Unreadable {
        /// Of the file, from the folder.
        path: String,
        /// The system's error.
        why: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal { path, why } => write!(f, "{path} was changed: {why}"),
            Self::Timestamp { path, why } => write!(f, "the time stamp in {path}: {why}"),
            Self::Changed { path, why, record } => {
                write!(f, "{path} was changed: {why}")?;
                record.map_or(Ok(()), |record| write!(f, "; {record}"))
            }
            Self::Missing { path } => write!(f, "{path} is missing"),
            Self::Added { path } => write!(f, "{path} was added"),
            Self::Renamed { path, was } => write!(f, "{path} was {was}"),
            Self::Unreadable { path, why } => write!(f, "{path} cannot be read: {why}"),
        }
    }
}

/// What a look at a sealed folder found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verification {
    /// All that differs, in the order of the paths; empty when all is as it was sealed.
    pub findings: Vec<Finding>,
    /// What is known from a seal that is whole.
    pub seal: Option<SealFacts>,
    /// What was not looked at, in words.
    pub not_checked: Vec<String>,
}

/// What a seal that is whole says, and who signed it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SealFacts {
    /// The program that made the seal, with its version.
    pub made_by: String,
    /// When, by the clock of the machine that made it.
    pub sealed_at: Timestamp,
    /// Whose clock that is, in words.
    pub clock: String,
    /// A time stamp that is one of this seal: when the signature was there already.
    pub timestamp: Option<TimestampFacts>,
    /// The signer's key as OpenSSH writes it, and its fingerprint.
    pub key: String,
    /// SHA-256 of the key, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Whether the key is one that whoever verifies believes.
    pub trust: Trust,
    /// How many files are sealed.
    pub files: usize,
    /// Of all files together.
    pub bytes: u64,
    /// Lines with a link in a chain.
    pub records: usize,
    /// What made the results less than whole when they were sealed.
    pub partial: Vec<String>,
}

/// Compares a folder with its seal. Nothing is written, nobody is asked, no link is followed.
///
/// # Errors
/// [`SealError::Unsealed`], [`SealError::NoFolder`], [`SealError::Read`].
pub fn verify(folder: &Path, trusted: &Trusted) -> Result<Verification, SealError> {
    let document = match read_seal(folder)? {
        Ok(document) => document,
        Err(why) => {
            return Ok(Verification {
                findings: vec![Finding::Seal { path: SEAL_FILE.to_owned(), why }],
                seal: None,
                not_checked: vec!["the files: the list of them cannot be believed".to_owned()],
            });
        }
    };
    let manifest = &document.manifest;
    let timestamp = document.token.as_ref().map(|token| {
        timestamp::verify(token, document.signature.as_bytes(), trusted.authorities())
    });
    let mut findings = compare(folder, manifest)?;
    let timestamp = timestamp.transpose().unwrap_or_else(|error| {
        let (path, why) = (SEAL_FILE.to_owned(), error.to_string());
        findings.insert(0, Finding::Timestamp { path, why });
        None
    });
    let facts = SealFacts {
        made_by: manifest.made_by.clone(),
        sealed_at: manifest.sealed_at,
        clock: manifest.clock.clone(),
        timestamp,
        key: manifest.key.clone(),
        fingerprint: document.key.fingerprint(),
        trust: trusted.of(&document.key),
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.size).fold(0, u64::saturating_add),
        records: manifest.records.iter().map(|records| records.chain.len()).sum(),
        partial: manifest.partial.clone(),
    };
    Ok(Verification { not_checked: not_checked(&document, &facts), findings, seal: Some(facts) })
}

/// The seal, or what is wrong with it.
fn read_seal(folder: &Path) -> Result<Result<Document, String>, SealError> {
    if !folder.is_dir() {
        return Err(SealError::NoFolder(folder.to_owned()));
    }
    let path = folder.join(SEAL_FILE);
    let cannot = |source| SealError::Read { path: path.clone(), source };
    match folder::not_a_file(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let advice = match those_below(folder, &[SEAL_FILE]) {
                Some(those) => format!("those in it that are sealed are {those}"),
                None => "`m2sd seal` makes one".to_owned(),
            };
            return Err(SealError::Unsealed { folder: folder.to_owned(), advice });
        }
        Err(source) => return Err(cannot(source)),
        Ok(Some(kind)) => return Ok(Err(format!("it is a {kind} now"))),
        Ok(None) => {}
    }
    let mut bytes = Vec::new();
    let mut file = folder::open(&path).map_err(cannot)?;
    io::Read::read_to_end(&mut file, &mut bytes).map_err(cannot)?;
    Ok(document::parse(&bytes))
}

fn not_checked(document: &Document, facts: &SealFacts) -> Vec<String> {
    let manifest = &document.manifest;
    let mut all = vec![
        "whether the results are right, and what was done to the input before the scan".to_owned(),
        "empty folders, owners, permissions and times of the files".to_owned(),
    ];
    if facts.trust == Trust::Unknown {
        all.push("whose key it is".to_owned());
    }
    if !manifest.links.is_empty() {
        all.push("what the symbolic links lead to".to_owned());
    }
    let skipped = manifest.skipped.iter().map(|entry| format!("{}, a {}", entry.path, entry.kind));
    all.extend(skipped);
    match &facts.timestamp {
        None if document.token.is_none() => {
            all.push("the time: there is no time stamp, only the machine's own word".to_owned());
        }
        Some(TimestampFacts { vouched: Vouched::NotChecked, .. }) => {
            all.push(
                "whether the authority of the time stamp is one: nobody vouched for it".to_owned(),
            );
        }
        _ => {}
    }
    if document.token.is_some() {
        all.push("whether the certificate of the time stamp was revoked".to_owned());
    }
    all
}

/// What is in the folder against what was sealed.
fn compare(folder: &Path, manifest: &Manifest) -> Result<Vec<Finding>, SealError> {
    let mut now: BTreeMap<_, _> = folder::entries(folder, SEAL_FILE)?
        .into_iter()
        .map(|entry| (entry.path.to_string_lossy().into_owned(), entry.kind))
        .collect();
    let mut findings = Vec::new();
    let mut missing = Vec::new();
    for sealed in &manifest.files {
        match now.remove(&sealed.path) {
            None => missing.push(sealed),
            Some(Kind::File) => findings.extend(compare_file(folder, manifest, sealed)),
            Some(other) => findings.push(became(&sealed.path, &other, "a file")),
        }
    }
    for link in &manifest.links {
        let path = link.path.clone();
        findings.extend(match now.remove(&path) {
            None => Some(Finding::Missing { path }),
            Some(Kind::Link(target)) => (target.to_str() != Some(&link.target)).then(|| {
                let why = format!("it leads to {target:?}, not to {:?}", link.target);
                Finding::Changed { path, why, record: None }
            }),
            Some(other) => Some(became(&path, &other, "a symbolic link")),
        });
    }
    for entry in &manifest.skipped {
        let path = entry.path.clone();
        findings.extend(match now.remove(&path) {
            None => Some(Finding::Missing { path }),
            Some(Kind::Special(kind)) if kind == entry.kind => None,
            Some(other) => Some(became(&path, &other, &format!("a {}", entry.kind))),
        });
    }
    for (path, kind) in now {
        findings.push(added(folder, path, &kind, &mut missing));
    }
    findings.extend(missing.iter().map(|file| Finding::Missing { path: file.path.clone() }));
    findings.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(findings)
}

impl Finding {
    /// What it is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Seal { path, .. }
            | Self::Timestamp { path, .. }
            | Self::Changed { path, .. }
            | Self::Missing { path }
            | Self::Added { path }
            | Self::Renamed { path, .. }
            | Self::Unreadable { path, .. } => path,
        }
    }
}

fn became(path: &str, now: &Kind, was: &str) -> Finding {
    let now = match now {
        Kind::File => "a file".to_owned(),
        Kind::Link(target) => format!("a symbolic link to {target:?}"),
        Kind::Special(kind) => format!("a {kind}"),
    };
    Finding::Changed { path: path.to_owned(), why: format!("{now} now, was {was}"), record: None }
}

/// An added file may be one that is missing, under another name.
fn added(folder: &Path, path: String, kind: &Kind, missing: &mut Vec<&SealedFile>) -> Finding {
    let size = folder.join(&path).symlink_metadata().map_or(0, |metadata| metadata.len());
    if *kind == Kind::File && missing.iter().any(|file| file.size == size) {
        let content = folder::read(&folder.join(&path), false);
        let same = |sealed: &&SealedFile| {
            content.as_ref().is_ok_and(|content| content.sha256 == sealed.sha256)
        };
        if let Some(at) = missing.iter().position(same) {
            return Finding::Renamed { path, was: missing.remove(at).path.clone() };
        }
    }
    Finding::Added { path }
}

fn compare_file(folder: &Path, manifest: &Manifest, sealed: &SealedFile) -> Option<Finding> {
    let path = sealed.path.clone();
    let content = match folder::read(&folder.join(&path), holds_records(&path)) {
        Ok(content) => content,
        Err(e) => return Some(Finding::Unreadable { path, why: e.to_string() }),
    };
    if content.sha256 == sealed.sha256 && content.size == sealed.size {
        return None;
    }
    let records = manifest.records.iter().find(|records| records.path == path);
    let record = records.and_then(|records| first_difference(&records.chain, &content.lines));
    Some(Finding::Changed { why: sizes(sealed, &content), path, record })
}

fn sizes(sealed: &SealedFile, content: &Content) -> String {
    match (sealed.size, content.size) {
        (was, is) if was == is => "its content is another".to_owned(),
        (was, is) => format!("it has {is} bytes, not {was}"),
    }
}
