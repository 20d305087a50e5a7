//! Requests: where they may lead, and what servers say of their files.

use std::sync::OnceLock;
use std::time::Duration;

use ureq::config::ConfigBuilder;
use ureq::http::{HeaderName, Response, StatusCode, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
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

/// Asks for a file.
pub(super) fn get(url: &str, ask: &Ask) -> Result<Response<Body>, FetchError> {
    // A large file may take as long as it likes, as long as the server answers.
    let config = config().timeout_recv_response(Some(Duration::from_secs(60)));
    let headers = match ask {
        Ask::All => vec![],
        Ask::UnlessSame(Validator(tag)) => vec![(header::IF_NONE_MATCH, tag.clone())],
        Ask::From { byte, if_same } => {
            let tag = if_same.iter().map(|Validator(tag)| (header::IF_RANGE, tag.clone()));
            tag.chain([(header::RANGE, format!("bytes={byte}-"))]).collect()
        }
    };
    follow(&config.build().into(), url, &headers)
}

/// Asks for a page of one of the types that `accept` lists, which is there within a minute.
pub(super) fn page(url: &str, accept: &str) -> Result<Response<Body>, FetchError> {
    let config = config().timeout_global(Some(Duration::from_secs(60)));
    follow(&config.build().into(), url, &[(header::ACCEPT, accept.to_owned())])
}

/// Status codes are judged by who asks.
fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(Duration::from_secs(30)))
        .tls_config(TlsConfig::builder().root_certs(roots()).build())
}

/// Who may vouch for servers: whom this system believes (`SSL_CERT_FILE`, `SSL_CERT_DIR`, else where
/// it keeps them), as its other programs do; where it has none, Mozilla's list.
pub fn roots() -> RootCerts {
    static ROOTS: OnceLock<RootCerts> = OnceLock::new();
    let of_system = || {
        // Those that cannot be read only leave their servers without a witness.
        let found = rustls_native_certs::load_native_certs().certs;
        let found: Vec<_> =
            found.iter().map(|cert| Certificate::from_der(cert.as_ref()).to_owned()).collect();
        if found.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&found) }
    };
    ROOTS.get_or_init(of_system).clone()
}

/// Asks, and follows where the server sends it on, as long as every step is as safe as the first.
fn follow(
    agent: &Agent,
    url: &str,
    headers: &[(HeaderName, String)],
) -> Result<Response<Body>, FetchError> {
    let mut at = url.to_owned();
    for _ in 0..=MOST_HOPS {
        check_is_safe(&at, url)?;
        // As it is: compressed on the way it would have other lengths.
        let request = agent.get(&at).header(header::ACCEPT_ENCODING, "identity");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let failed = |e| FetchError::Http { url: url.to_owned(), source: Box::new(e) };
        let response = request.call().map_err(failed)?;
        match next(&at, &response) {
            Some(to) => at = to,
            None => return Ok(response),
        }
    }
    Err(FetchError::Redirects { url: url.to_owned(), hops: MOST_HOPS })
}

/// That an address to which `url` leads is as safe as that.
pub(super) fn check_is_safe(to: &str, url: &str) -> Result<(), FetchError> {
    let (to, url) = (to.to_owned(), url.to_owned());
    if is_safe(&to, &url) { Ok(()) } else { Err(FetchError::Insecure { url, to }) }
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
    join(at, location)
}

/// The address that `reference` means on the page `at` (RFC 3986, 5.2).
pub(super) fn join(at: &str, reference: &str) -> Option<String> {
    let at: Uri = at.parse().ok()?;
    let (scheme, authority) = (at.scheme_str()?, at.authority()?);
    let reference = reference.split('#').next().unwrap_or_default();
    Some(if reference.contains("://") {
        reference.to_owned()
    } else if reference.starts_with("//") {
        format!("{scheme}:{reference}")
    } else if reference.starts_with('/') {
        format!("{scheme}://{authority}{reference}")
    } else {
        let folder = at.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut path: Vec<&str> = folder.split('/').collect();
        for part in reference.split('/') {
            match part {
                "." => {}
                // The first part is what stands before the first slash.
                ".." => path.truncate(path.len().saturating_sub(1).max(1)),
                part => path.push(part),
            }
        }
        format!("{scheme}://{authority}{}", path.join("/"))
    })
}

/// The address without the name and password that it may have been asked with.
pub(super) fn without_user(url: &str) -> String {
    let user = url.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find('/').unwrap_or(rest.len());
        let (_, host) = rest.get(..end)?.rsplit_once('@')?;
        Some(format!("{scheme}://{host}{}", rest.get(end..)?))
    });
    user.unwrap_or_else(|| url.to_owned())
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

    #[test]
    fn references_are_resolved() {
        let page = "https://user:word@host:1/root/simple/net/";
        for (reference, expected) in [
            ("net.whl", "https://user:word@host:1/root/simple/net/net.whl"),
            ("../../files/./net.whl#sha256=0", "https://user:word@host:1/root/files/net.whl"),
            ("../../../../../net.whl", "https://user:word@host:1/net.whl"),
            ("/net.whl", "https://user:word@host:1/net.whl"),
            ("//other/net.whl", "https://other/net.whl"),
            ("https://other/a/../net.whl", "https://other/a/../net.whl"),
        ] {
            assert_eq!(join(page, reference).as_deref(), Some(expected), "{reference}");
        }
        assert_eq!(join("no address", "net.whl"), None);
    }

    #[test]
    fn what_is_recorded_of_an_address_has_no_password() {
        for (url, expected) in [
            ("https://user:word@host:1/a@b", "https://host:1/a@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("https://user@host", "https://host"),
            ("host", "host"),
        ] {
            assert_eq!(without_user(url), expected);
        }
    }
}
