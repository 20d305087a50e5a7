//! Downloads of the published checkpoints: resumable, and checked by their hash.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::file;
use super::lock::{Lock, LockError, Record};

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done_bytes: u64,
    /// `None`: the server does not say.
    pub total_bytes: Option<u64>,
}

/// Something to download.
#[derive(Clone, Debug)]
pub struct Download<'a> {
    pub url: &'a str,
    /// The name that it gets in the folder.
    pub file: &'a str,
    /// In lower-case hexadecimal, where it is known.
    pub sha256: Option<&'a str>,
}

/// Why a file could not be fetched. What has arrived stays in `FILE.part`, for the next try.
#[derive(Debug, Error)]
pub enum FetchError {
    #[error("cannot fetch {url}: {source}; try again to continue where it stopped")]
    Http { url: String, source: Box<ureq::Error> },
    #[error("cannot fetch {url}: the connection broke ({source}); try again to continue")]
    Broken { url: String, source: io::Error },
    #[error("cannot fetch {url}: the server answered {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url} ended after {found} of {expected} bytes; try again to continue")]
    Short { url: String, found: u64, expected: u64 },
    #[error(
        "{url} has the hash {found}, expected {expected}: another file than before. It was \
         deleted; if the change is meant, remove its entry from models.lock or models.toml"
    )]
    Hash { url: String, found: String, expected: String },
    #[error("{0:?} is not a file name")]
    Name(String),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Downloads into `dir` and returns the file's path. A file that is already there with the
/// expected hash is left alone, a partial one is continued. The hash is compared with the one
/// asked for, or else with the one recorded by an earlier fetch, and recorded.
pub fn fetch(
    download: &Download<'_>,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, FetchError> {
    let Download { url, file, .. } = *download;
    if Path::new(file).file_name().is_none_or(|name| name != file) {
        return Err(FetchError::Name(file.to_owned()));
    }
    let path = dir.join(file);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FetchError::Write { path, source }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let lock = Lock::read(dir)?;
    let recorded = lock.get(file).filter(|r| r.from == url).map(|r| r.sha256.as_str());
    let expected = download.sha256.or(recorded);
    if let Some(expected) = expected
        && file::sha256(&path).is_ok_and(|found| found == expected)
    {
        return Ok(path);
    }

    let part = dir.join(format!("{file}.part"));
    receive(url, &part, progress)?;
    let found = file::sha256(&part).map_err(failed(&part))?;
    if let Some(expected) = expected.filter(|e| *e != found) {
        std::fs::remove_file(&part).map_err(failed(&part))?;
        let expected = expected.to_owned();
        return Err(FetchError::Hash { url: url.to_owned(), found, expected });
    }
    std::fs::rename(&part, &path).map_err(failed(&path))?;
    Lock::record(dir, file, Record { sha256: found, from: url.to_owned() })?;
    Ok(path)
}

/// Appends what is missing to the file at `part`.
fn receive(url: &str, part: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), FetchError> {
    let failed = |source| FetchError::Write { path: part.to_owned(), source };
    let have = std::fs::metadata(part).map_or(0, |m| m.len());
    let mut response = request(url, have)?;
    let (start, mut out) = match response.status() {
        StatusCode::PARTIAL_CONTENT if continues_at(&response, have) => {
            (have, OpenOptions::new().append(true).open(part).map_err(failed)?)
        }
        StatusCode::OK => (0, File::create(part).map_err(failed)?),
        // Nothing after what is there: it is complete, or it is something else. Its hash decides,
        // and where none is known, only a fresh start is safe.
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if have > 0 => {
            response = request(url, 0)?;
            match response.status() {
                StatusCode::OK => (0, File::create(part).map_err(failed)?),
                status => return Err(FetchError::Status { url: url.to_owned(), status }),
            }
        }
        status => return Err(FetchError::Status { url: url.to_owned(), status }),
    };
    let total = content_length(&response).map(|len| start + len);
    let done =
        copy(url, &mut response, &mut out, start, total, progress).map_err(|e| e.at(part))?;
    out.sync_all().map_err(failed)?;
    match total {
        Some(expected) if done != expected => {
            Err(FetchError::Short { url: url.to_owned(), found: done, expected })
        }
        _ => Ok(()),
    }
}

fn request(url: &str, from_byte: u64) -> Result<Response<Body>, FetchError> {
    // Status codes are judged here, and a large file may take as long as it likes, as long as
    // the server answers.
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)));
    let mut get = Agent::new_with_config(config.build()).get(url);
    if from_byte > 0 {
        get = get.header(header::RANGE, format!("bytes={from_byte}-"));
    }
    get.call().map_err(|e| FetchError::Http { url: url.to_owned(), source: Box::new(e) })
}

/// Whether the server sends exactly what follows the first `have` bytes.
fn continues_at(response: &Response<Body>, have: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")))
}

fn content_length(response: &Response<Body>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Which side of a copy failed.
enum CopyError {
    Read { url: String, source: io::Error },
    Write(io::Error),
}

impl CopyError {
    fn at(self, path: &Path) -> FetchError {
        match self {
            Self::Read { url, source } => FetchError::Broken { url, source },
            Self::Write(source) => FetchError::Write { path: path.to_owned(), source },
        }
    }
}

fn copy(
    url: &str,
    response: &mut Response<Body>,
    out: &mut File,
    start: u64,
    total_bytes: Option<u64>,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, CopyError> {
    let mut reader = response.body_mut().as_reader();
    let mut piece = vec![0; 1 << 16];
    let mut done_bytes = start;
    loop {
        progress(Progress { done_bytes, total_bytes });
        let len = reader
            .read(&mut piece)
            .map_err(|source| CopyError::Read { url: url.to_owned(), source })?;
        if len == 0 {
            return Ok(done_bytes);
        }
        out.write_all(piece.get(..len).unwrap_or_default()).map_err(CopyError::Write)?;
        done_bytes += len as u64;
    }
}

#[cfg(test)]
mod tests;
