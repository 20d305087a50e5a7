//! Making a seal.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::SEAL_FILE;
use super::chain::chain;
use super::document::{self, NAMESPACE};
use super::error::SealError;
use super::folder::{self, Entry, Kind};
use super::key::SigningKey;
use super::manifest::{
    CLOCK, FORMAT, Manifest, SealedFile, SealedLink, SealedRecords, SkippedEntry,
};
use super::state::{UNKNOWN, ended};
use crate::evidence::timestamp::TimestampSource;
use crate::models;

/// What is to be sealed, and how.
pub struct SealRequest<'a> {
    folder: &'a Path,
    key: &'a SigningKey,
    authority: Option<&'a dyn TimestampSource>,
    replace: bool,
}

impl<'a> SealRequest<'a> {
    /// The files of a folder and of those in it, by this key.
    pub fn new(folder: &'a Path, key: &'a SigningKey) -> Self {
        Self { folder, key, authority: None, replace: false }
    }

    /// With a time stamp.
    pub fn with_timestamp(self, authority: &'a dyn TimestampSource) -> Self {
        Self { authority: Some(authority), ..self }
    }

    /// Also when there is a seal, which is then lost.
    pub fn replacing(self, replace: bool) -> Self {
        Self { replace, ..self }
    }
}

/// What was sealed.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// What the seal says.
    pub manifest: Manifest,
    /// The seal's file.
    pub path: PathBuf,
    /// Whether it holds a time stamp.
    pub timestamped: bool,
}

/// Seals a folder. The seal is there as a whole, also after a power cut, or not at all.
///
/// # Errors
/// [`SealError`]; what is in the folder then is as it was.
pub fn seal(request: &SealRequest<'_>) -> Result<Sealed, SealError> {
    let path = request.folder.join(SEAL_FILE);
    check_is_free(&path, request.replace)?;
    let mut manifest = Manifest {
        format: FORMAT.to_owned(),
        made_by: format!("m2sd {}", env!("CARGO_PKG_VERSION")),
        sealed_at: Timestamp::now(),
        clock: CLOCK.to_owned(),
        timestamp_authority: request.authority.map(TimestampSource::name),
        key: request.key.public().to_string(),
        partial: Vec::new(),
        files: Vec::new(),
        links: Vec::new(),
        skipped: Vec::new(),
        records: Vec::new(),
    };
    let entries = folder::entries(request.folder, SEAL_FILE)?;
    let written = || entries.iter().map(|entry| request.folder.join(&entry.path));
    // Before anything is read, which may take long.
    if let Some(path) = written().find(|path| folder::is_being_written(path)) {
        return Err(SealError::Writing(path));
    }
    for entry in &entries {
        add(&mut manifest, request.folder, entry)?;
    }
    // A scan may have begun meanwhile.
    if folder::entries(request.folder, SEAL_FILE)? != entries {
        return Err(SealError::Changing(request.folder.to_owned()));
    }
    if manifest.files.is_empty() {
        return Err(SealError::Empty(request.folder.to_owned()));
    }
    // After all files were read.
    manifest.sealed_at = whole_seconds(Timestamp::now());
    let text = |e: serde_json::Error| SealError::Sign(e.to_string());
    let signed = document::signed_part(&manifest).map_err(text)?;
    let signature = request.key.sign(NAMESPACE, signed.as_bytes())?;
    let token = request.authority.map(|authority| authority.stamp(signature.as_bytes()));
    let token = token.transpose()?;
    let whole = document::render(signed, &signature, token.as_deref()).map_err(text)?;
    let cannot = |source: io::Error| SealError::Write { path: path.clone(), source };
    if request.replace {
        models::write_whole(&path, whole.as_bytes()).map_err(cannot)?;
    } else {
        models::write_new(&path, whole.as_bytes(), 0o666).map_err(|source| {
            match source.kind() {
                io::ErrorKind::AlreadyExists => SealError::Sealed(request.folder.to_owned()),
                _ => cannot(source),
            }
        })?;
    }
    Ok(Sealed { manifest, path, timestamped: token.is_some() })
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// That there is nothing in the seal's place but, where it may be replaced, a seal.
fn check_is_free(path: &Path, replace: bool) -> Result<(), SealError> {
    let cannot = |source| SealError::Read { path: path.to_owned(), source };
    let foreign = |why: String| SealError::Foreign { path: path.to_owned(), why };
    match folder::not_a_file(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(source) => return Err(cannot(source)),
        Ok(Some(kind)) => return Err(foreign(format!("it is a {kind}"))),
        Ok(None) => {}
    }
    if !replace {
        return Err(SealError::Sealed(models::folder(path).to_owned()));
    }
    // Also one that was changed since; but nothing that merely has this name.
    let text = std::fs::read(path).map_err(cannot)?;
    let mark = format!("{{\n  \"format\": \"{FORMAT}\",\n");
    if text.starts_with(mark.as_bytes()) { Ok(()) } else { Err(foreign("another file".to_owned())) }
}

fn add(manifest: &mut Manifest, folder: &Path, entry: &Entry) -> Result<(), SealError> {
    let at = folder.join(&entry.path);
    let named = |path: &Path| path.to_str().map(str::to_owned);
    let path = named(&entry.path).ok_or_else(|| SealError::Name(at.clone()))?;
    match &entry.kind {
        Kind::Link(target) => {
            let target = named(target).ok_or_else(|| SealError::Name(at.clone()))?;
            manifest.links.push(SealedLink { path, target });
        }
        Kind::Special(kind) => {
            manifest.skipped.push(SkippedEntry { path, kind: (*kind).to_owned() });
        }
        Kind::File => {
            let cannot = |source: io::Error| match source.kind() {
                io::ErrorKind::ResourceBusy => SealError::Changing(at.clone()),
                _ => SealError::Read { path: at.clone(), source },
            };
            let holds_records = holds_records(&path);
            let content = folder::read(&at, holds_records).map_err(cannot)?;
            if holds_records {
                let ended = ended(&at).map_err(cannot)?;
                manifest.partial.extend(ended.as_deref().and_then(|how| partial(&path, how)));
                let chain = chain(&content.lines);
                manifest.records.push(SealedRecords { path: path.clone(), ended, chain });
            }
            if path.ends_with(".part") {
                manifest.partial.push(format!("{path} is a file that was never finished"));
            }
            manifest.files.push(SealedFile { path, size: content.size, sha256: content.sha256 });
        }
    }
    Ok(())
}

/// Whether a file holds a record in each line, by its name.
pub(super) fn holds_records(path: &str) -> bool {
    // The second is of a scan that was killed.
    path.ends_with(".jsonl") || path.ends_with(".jsonl.part")
}

/// What to say of records of a scan that ended in this way.
fn partial(path: &str, ended: &str) -> Option<String> {
    match ended {
        "complete" => None,
        UNKNOWN => Some(format!("{path} has no footer: the scan did not end in order")),
        how => Some(format!("{path} says that the scan is {how}")),
    }
}
