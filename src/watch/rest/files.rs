//! The files of recordings, in parts where a player asks for parts.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use axum::body::{Body, Bytes};
use axum::extract::{self, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::cameras::AskedId;
use super::problem::{Answer, Problem, ProblemBody};
use super::routes::App;

/// Bytes that are read at a time.
const PIECE: u64 = 128 * 1024;
/// Characters of the longest name.
const NAME: usize = 128;

/// A file of a recording: the video, `ID.mp4` or `ID.mkv`, or a still, as `/api/v1/recordings` names it.
#[utoipa::path(
    get, path = "/api/v1/recordings/{name}", tag = "events", operation_id = "getRecording",
    params(
        ("name" = String, Path, description = "The file's name"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200, description = "The file", body = [u8], content_type = "video/mp4"),
        (status = 206, description = "The range of it", body = [u8], content_type = "video/mp4"),
        (status = 304, description = "It has not changed"),
        (status = 404, description = "There is none", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "It has no such range", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn recording(
    State(app): State<App>,
    name: AskedId,
    headers: HeaderMap,
) -> Answer<Response> {
    let extract::Path(name) = name?;
    let kind = content_type(&name).filter(|_| is_name(&name)).ok_or_else(no_recording)?;
    let opened = app.blocking(move |app| {
        let path = app.control.recording_file(&name)?;
        open(&path).ok()
    });
    let file = opened.await?.ok_or_else(no_recording)?;
    answer(file, kind, &headers)
}

fn no_recording() -> Problem {
    Problem::not_found("there is no such recording; it may have made room for newer ones")
}

/// Names of files in one folder, and never a path: letters, digits, `_`, `-` and single inner dots.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let part = |part: &str| !part.is_empty() && part.bytes().all(fits);
    name.len() <= NAME && name.split('.').all(part)
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "mp4" => Some("video/mp4"),
        "mkv" => Some("video/x-matroska"),
        "jpg" => Some("image/jpeg"),
        _ => None,
    }
}

/// An open file, with what tells one version of it from another.
struct Opened {
    file: File,
    length: u64,
    tag: String,
}

/// Opens a regular file, and never one that a link leads to.
fn open(path: &Path) -> io::Result<Opened> {
    // A named pipe must not make it wait.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let modified = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let tag = format!("\"{:x}-{:x}\"", about.len(), modified.as_nanos());
    Ok(Opened { file, length: about.len(), tag })
}

fn answer(opened: Opened, kind: &'static str, headers: &HeaderMap) -> Answer<Response> {
    let Opened { file, length, tag } = opened;
    let etag = HeaderValue::from_str(&tag).map_err(|_| no_recording())?;
    // It is what a camera saw: kept by the browser that asked, and looked at again.
    let mut base = HeaderMap::from_iter([
        (ETAG, etag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ]);
    if headers.get(IF_NONE_MATCH) == Some(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, base).into_response());
    }
    let same = headers.get(IF_RANGE).is_none_or(|tag| tag == etag);
    let range = headers.get(RANGE).filter(|_| same).and_then(|range| range.to_str().ok());
    let asked = range.map_or(Asked::All, |range| asked(range, length));
    base.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let (status, range) = match asked {
        Asked::All => (StatusCode::OK, 0..=length.saturating_sub(1)),
        Asked::Part(range) => {
            let text = format!("bytes {}-{}/{length}", range.start(), range.end());
            base.insert(CONTENT_RANGE, HeaderValue::from_str(&text).map_err(|_| no_recording())?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Asked::Nothing => {
            let text = format!("the file has {length} bytes, of which the range asked for is none");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, text);
            let all = HeaderValue::from_str(&format!("bytes */{length}"));
            return Err(match all {
                Ok(all) => problem.with(CONTENT_RANGE, all),
                Err(_) => problem,
            });
        }
    };
    let count = if length == 0 { 0 } else { range.end() - range.start() + 1 };
    base.insert(CONTENT_LENGTH, count.into());
    Ok((status, base, body(file, *range.start(), count)).into_response())
}

/// What of a file is asked for.
#[derive(Debug, PartialEq)]
enum Asked {
    All,
    Part(RangeInclusive<u64>),
    Nothing,
}

/// As RFC 9110, 14.2, has it: what is no single range of bytes is ignored.
fn asked(range: &str, length: u64) -> Asked {
    let Some(range) = range.trim().strip_prefix("bytes=") else { return Asked::All };
    let Some((first, last)) = range.split_once('-') else { return Asked::All };
    let number = |text: &str| -> Option<Option<u64>> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit are a number beyond every file.
        digits.then(|| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
    };
    let (Some(first), Some(last)) = (number(first.trim()), number(last.trim())) else {
        return Asked::All;
    };
    match (first, last) {
        (None, None) => Asked::All,
        (Some(first), Some(last)) if last < first => Asked::All,
        (None, Some(0)) => Asked::Nothing,
        (None, Some(_)) if length == 0 => Asked::Nothing,
        (None, Some(count)) => Asked::Part(length.saturating_sub(count)..=length - 1),
        (Some(first), _) if first >= length => Asked::Nothing,
        (Some(first), last) => Asked::Part(first..=last.unwrap_or(u64::MAX).min(length - 1)),
    }
}

/// `count` bytes from `start`. An error ends the connection, so that the client sees that it is cut.
fn body(file: File, start: u64, count: u64) -> Body {
    let pieces = stream::try_unfold((file, start, count), |(mut file, at, left)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let read = move || {
            let mut piece = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            (&file).take(left.min(PIECE)).read_to_end(&mut piece)?;
            Ok::<_, io::Error>((file, piece))
        };
        let (file, piece) = tokio::task::spawn_blocking(read).await??;
        let got = piece.len() as u64;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((Bytes::from(piece), (file, at + got, left - got))))
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_file() {
        for (range, expected) in [
            ("bytes=0-", Asked::Part(0..=99)),
            ("bytes=10-19", Asked::Part(10..=19)),
            ("bytes=10-1000", Asked::Part(10..=99)),
            ("bytes=-10", Asked::Part(90..=99)),
            ("bytes=-1000", Asked::Part(0..=99)),
            ("bytes=99-99", Asked::Part(99..=99)),
            ("bytes=100-", Asked::Nothing),
            ("bytes=99999999999999999999999-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=20-10", Asked::All),
            ("bytes=0-1,5-6", Asked::All),
            ("bytes=-", Asked::All),
            ("bytes=a-b", Asked::All),
            ("lines=1-2", Asked::All),
        ] {
            assert_eq!(asked(range, 100), expected, "{range}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
        assert_eq!(asked("bytes=-5", 0), Asked::Nothing);
    }

    #[test]
    fn names_are_no_paths() {
        for name in ["01HZXW.mp4", "a-b_c.1.jpg"] {
            assert!(is_name(name), "{name}");
        }
        let long = "x".repeat(NAME + 1);
        for name in [
            "",
            ".",
            "..",
            "../a.mp4",
            "/etc/a.mp4",
            "a/b.mp4",
            "a\0.mp4",
            ".mp4",
            "a..mp4",
            "a\\b.mp4",
            &long,
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
