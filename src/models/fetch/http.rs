//! Requests: where they may lead, and what servers say of their files.

use std::time::Duration;

use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::FetchError;

/// Addresses that one request may be sent on to.
const MOST_HOPS: usize = 10;

/// A strong entity tag: what a server knows one state of its file by, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validator(pub(super) String);

impl Validator {
    pub(super) fn of(response: &Response<Body>) -> Option<Self> {
        let tag = response.headers().get(header::ETAG)?.to_str().ok()?;
        // A weak one, W/"…", allows for other bytes.
        (tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')).then(|| Self(tag.to_owned()))
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    All,
    /// All, unless the file is still in this state.
    UnlessSame(Validator),
    /// What follows, if the file is still in this state, where that is known; else all.
    From {
        byte: u64,
        if_same: Option<Validator>,
    },
}

/// Asks, and follows where the server sends it on, as long as every step is as safe as the first.
pub(super) fn get(url: &str, ask: &Ask) -> Result<Response<Body>, FetchError> {
    // Status codes are judged by who asks, and a large file may take as long as it likes, as long
    // as the server answers.
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)));
    let agent = Agent::new_with_config(config.build());
    let mut at = url.to_owned();
    for _ in 0..=MOST_HOPS {
        if !is_safe(&at, url) {
            return Err(FetchError::Insecure { url: url.to_owned(), to: at });
        }
        // As it is: compressed on the way it would have other lengths.
        let mut request = agent.get(&at).header(header::ACCEPT_ENCODING, "identity");
        match ask {
            Ask::All => {}
            Ask::UnlessSame(Validator(tag)) => request = request.header(header::IF_NONE_MATCH, tag),
            Ask::From { byte, if_same } => {
                request = request.header(header::RANGE, format!("bytes={byte}-"));
                if let Some(Validator(tag)) = if_same {
                    request = request.header(header::IF_RANGE, tag);
                }
            }
        }
        let failed = |e| FetchError::Http { url: url.to_owned(), source: Box::new(e) };
        let response = request.call().map_err(failed)?;
        match next(&at, &response) {
            Some(to) => at = to,
            None => return Ok(response),
        }
    }
    Err(FetchError::Redirects { url: url.to_owned(), hops: MOST_HOPS })
}

/// Whether nobody between here and `url` could replace what comes from there. This machine itself
/// may do so, where the first address says that it is meant.
fn is_safe(url: &str, first: &str) -> bool {
    let Ok(parsed) = url.parse::<Uri>() else { return false };
    let is_here = |url: &str| {
        let host = url.parse::<Uri>().ok().and_then(|url| url.host().map(str::to_owned));
        host.is_some_and(|host| matches!(host.as_str(), "127.0.0.1" | "localhost" | "[::1]"))
    };
    match parsed.scheme_str() {
        Some("https") => true,
        Some("http") => is_here(url) && is_here(first),
        _ => false,
    }
}

/// Where a response sends its reader on to.
fn next(at: &str, response: &Response<Body>) -> Option<String> {
    let moved = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION).filter(|_| moved)?.to_str().ok()?;
    let at: Uri = at.parse().ok()?;
    let (scheme, authority) = (at.scheme_str()?, at.authority()?);
    Some(if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = at.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    })
}

/// The first byte of a part, as the server says.
pub(super) fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_https_or_stays_on_this_machine() {
        let published = "https://github.com/o/r/releases/download/v1/x.pt";
        for (url, first, safe) in [
            (published, published, true),
            ("https://objects.githubusercontent.com/x", published, true),
            ("http://github.com/x", "http://github.com/x", false),
            ("http://github.com/x", published, false),
            // A server elsewhere does not send us to the services of this machine.
            ("http://127.0.0.1/x", published, false),
            ("http://127.0.0.1:80/x", "http://127.0.0.1:81/x", true),
            ("http://127.0.0.1.example.com/x", "http://127.0.0.1/x", false),
            ("file:///etc/passwd", published, false),
            ("ftp://github.com/x", published, false),
        ] {
            assert_eq!(is_safe(url, first), safe, "{url} from {first}");
        }
    }
}
