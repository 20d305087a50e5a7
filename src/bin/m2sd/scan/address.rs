//! Why nothing comes from an address, in plain words. GStreamer's sources often say only that a stream
//! is in error: what they were to reach is then asked once more.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use gstm2sd::models::fetch;
use ureq::Agent;
use ureq::tls::TlsConfig;
use url::Url;

use crate::bounded;

/// How long a server may take to answer the second question.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is needed beside the plugins that every installation has.
const PLUGINS: [(&[&str], &str); 4] = [
    (&["rtsp", "rtsps", "http", "https", "udp", "rtp"], "gstreamer1.0-plugins-good"),
    (&["srt", "rtmp", "rtmps", "rtmpt"], "gstreamer1.0-plugins-bad"),
    (&["mms", "mmsh"], "gstreamer1.0-libav"),
    (&["rist"], "gstreamer1.0-plugins-bad"),
];

/// Whether an input is an address, and no path in which `://` is: it begins with a scheme.
pub fn is_address(input: &str) -> bool {
    let scheme = input.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_of_scheme)
}

/// What can be said of an address before it is opened: why it cannot be one that is scanned.
///
/// # Errors
/// What was found, what was expected and what to do, without the address itself.
pub fn check(address: &str) -> Result<(), String> {
    let (scheme, rest) = address.split_once("://").unwrap_or_default();
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "kserve" || scheme == "kserves" {
        return Err(format!(
            "{scheme}:// names a network on a model server, and nothing to look at; give it to \
             --classifier or --detector, and name a file or a stream here"
        ));
    }
    let is_readable = gst::Element::make_from_uri(gst::URIType::Src, address, None);
    match is_readable {
        Err(error) if error.matches(gst::URIError::UnsupportedProtocol) => {
            let plugin = PLUGINS.iter().find(|(schemes, _)| schemes.contains(&scheme.as_str()));
            Err(match plugin {
                Some((_, package)) => {
                    format!("this GStreamer cannot read {scheme}://; install {package}")
                }
                None => format!(
                    "nothing here reads {scheme}://; expected a file, or an address such as rtsp://, \
                     http://, https://, srt://, rtmp://, udp:// or file://"
                ),
            })
        }
        Err(error) => Err(format!("it is no address that can be opened: {}", error.message())),
        Ok(_) if needs_host(&scheme) && (rest.is_empty() || rest.starts_with(['/', '?', '#'])) => {
            Err(format!("it names no host; expected {scheme}://HOST/…"))
        }
        Ok(_) => Ok(()),
    }
}

fn needs_host(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "rtsp" | "rtsps" | "rtmp" | "rtmps")
}

/// Whom an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    scheme: String,
    host: String,
    port: u16,
}

impl Server {
    fn of(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok()?;
        let scheme = url.scheme().to_owned();
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let usual = match scheme.as_str() {
            "rtsp" => Some(554),
            "rtsps" => Some(322),
            "rtmp" => Some(1935),
            "rtmps" => Some(443),
            _ => url.port_or_known_default(),
        };
        Some(Self { host, port: url.port().or(usual)?, scheme })
    }

    fn name(&self) -> String {
        let is_v6 = self.host.contains(':');
        let host = if is_v6 { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }

    /// Whether it takes connections, as every scheme but those over UDP needs.
    fn reach(&self) -> Result<(), Cause> {
        let place = (self.host.clone(), self.port);
        let resolved = bounded::run(PATIENCE, move || place.to_socket_addrs());
        let addresses: Vec<_> = match resolved {
            Some(Ok(addresses)) => addresses.collect(),
            Some(Err(_)) => return Err(Cause::NoHost),
            None => return Err(Cause::NoNames),
        };
        let mut cause = Cause::NoHost;
        for address in addresses {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(_) => return Ok(()),
                Err(error) => cause = Cause::of(error.kind(), &error.to_string()),
            }
        }
        Err(cause)
    }
}

/// Why a server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    NoHost,
    NoNames,
    Refused,
    Silent,
    /// It ends the connection, or answers what is not of the scheme.
    Odd,
    Unreachable(String),
    Untrusted(String),
    Status(u16),
}

impl Cause {
    fn of(kind: ErrorKind, text: &str) -> Self {
        match kind {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Silent,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::UnexpectedEof => Self::Odd,
            _ if text.contains("lookup address") => Self::NoHost,
            _ => Self::Unreachable(text.to_owned()),
        }
    }

    /// What happened, and what to do.
    fn in_words(&self, server: &Server) -> String {
        let (name, host, port) = (server.name(), &server.host, server.port);
        match self {
            Self::NoHost => format!(
                "no host is known by the name {host}: check its spelling, and whether this machine's \
                 DNS knows it"
            ),
            Self::NoNames => format!(
                "nobody says within {} s which host {host} is: check this machine's DNS",
                PATIENCE.as_secs()
            ),
            Self::Refused => format!(
                "{host} refuses connections to port {port}: check the port, and that the server runs"
            ),
            Self::Silent => format!(
                "{name} does not answer: check the address, that the server is on, and that no firewall \
                 is between"
            ),
            Self::Odd => format!(
                "{name} takes connections, and answers nothing that {}:// is: check the scheme and the \
                 port",
                server.scheme
            ),
            Self::Unreachable(why) => {
                format!(
                    "{name} cannot be reached: {why}; check the address and this machine's network"
                )
            }
            Self::Untrusted(why) => format!(
                "no secure connection to {name}: {why}; check that the server speaks TLS there and \
                 that this system trusts its certificate (ca-certificates, SSL_CERT_FILE)"
            ),
            Self::Status(status) => answer(*status, &name),
        }
    }
}

/// What an answer with this status of HTTP or RTSP means.
fn answer(status: u16, server: &str) -> String {
    match status {
        401 => format!(
            "{server} wants a user name and a password, or refuses those of the address (401): write \
             them before the host, with an @ behind and special characters as %40 and the like"
        ),
        407 => "the proxy wants a user name and a password (407): see http_proxy".to_owned(),
        403 => format!(
            "{server} denies access (403): check who may read it, and whether a signed address has \
             expired"
        ),
        404 | 410 => {
            format!("{server} has nothing at this address ({status}): check what follows the host")
        }
        429 => format!("{server} gets too many requests (429): try later"),
        454 => format!("{server} has ended the session (454): try again"),
        461 => format!("{server} offers no transport that is taken here (461)"),
        500.. => format!("{server} fails ({status}): try later, or ask who runs it"),
        300..=399 => format!("{server} sends on and on ({status}): name the last address"),
        _ => format!("{server} answers with status {status}"),
    }
}

/// The status in what a source says, as `Not Found (404)`.
fn status(said: &str) -> Option<u16> {
    let mut parts = said.split('(').skip(1).filter_map(|part| part.split_once(')'));
    let status = parts.find_map(|(number, _)| number.parse().ok().filter(|_| number.len() == 3));
    status.filter(|status| (300..600).contains(status))
}

/// Why a source fails to open `address`, as far as it can be told; `said` is what GStreamer says of it.
pub fn why(address: &str, said: &str) -> Option<String> {
    let server = Server::of(address)?;
    if let Some(status) = status(said) {
        return Some(Cause::Status(status).in_words(&server));
    }
    if said.contains("Unauthorized") {
        return Some(Cause::Status(401).in_words(&server));
    }
    let cause = match server.scheme.as_str() {
        "http" | "https" => ask(address),
        "rtsp" | "rtsps" | "rtmp" | "rtmps" => {
            let is_odd = ["Parse error", "Short read"].iter().any(|words| said.contains(words));
            server.reach().err().or(is_odd.then_some(Cause::Odd))
        }
        _ => said.contains("Failed to resolve host").then_some(Cause::NoHost),
    };
    Some(cause?.in_words(&server))
}

/// What is known of an address from which nothing comes: behind a sentence that says so.
pub fn silence(address: &str) -> String {
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    let Some(server) = Server::of(address) else { return String::new() };
    let name = server.name();
    match scheme {
        "srt" => format!(
            ". Check that a sender runs at {name}, that one side calls and the other listens (mode=), and \
             that both have the same passphrase"
        ),
        "udp" | "rtp" => format!(
            ". Check that somebody sends to {name}, that it is an address of this machine or a multicast \
             group, and that no firewall is between"
        ),
        _ => match server.reach() {
            Ok(()) => format!(". {name} takes connections, and sends nothing"),
            Err(cause) => format!(". {}", cause.in_words(&server)),
        },
    }
}

/// Asks a web server once more, for its first words; `None` where nothing is wrong with it.
fn ask(address: &str) -> Option<Cause> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .tls_config(TlsConfig::builder().root_certs(fetch::roots()).build());
    let agent: Agent = config.build().into();
    match agent.get(address).call() {
        Ok(response) => {
            let status = response.status().as_u16();
            (status >= 300).then_some(Cause::Status(status))
        }
        Err(ureq::Error::HostNotFound) => Some(Cause::NoHost),
        Err(ureq::Error::Timeout(_)) => Some(Cause::Silent),
        Err(ureq::Error::Tls(why)) => Some(Cause::Untrusted(why.to_owned())),
        Err(ureq::Error::Rustls(why)) => Some(Cause::Untrusted(why.to_string())),
        // As it comes out of a handshake.
        Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::InvalidData => {
            Some(Cause::Untrusted(error.to_string()))
        }
        Err(ureq::Error::Io(error)) => Some(Cause::of(error.kind(), &error.to_string())),
        Err(ureq::Error::Protocol(_)) => Some(Cause::Odd),
        Err(error) => Some(Cause::Unreachable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_from_addresses() {
        for (address, expected) in [
            ("rtsp://u:p@cam/x", Some("cam:554")),
            ("rtsps://cam", Some("cam:322")),
            ("http://h", Some("h:80")),
            ("https://h:8443/a?b=c", Some("h:8443")),
            ("rtmp://[::1]/live", Some("[::1]:1935")),
            ("srt://h:9?passphrase=x", Some("h:9")),
            ("srt://h", None),
            ("file:///x.mp4", None),
            ("no address", None),
        ] {
            assert_eq!(Server::of(address).map(|server| server.name()).as_deref(), expected);
        }
    }

    #[test]
    fn paths_are_no_addresses() {
        assert!(is_address("rtsp://x") && is_address("a+b-c.d://x") && is_address("file:///x"));
        assert!(!is_address("./rtsp://x") && !is_address("://x") && !is_address("/a/http://x"));
    }

    #[test]
    fn a_status_is_a_number_of_three_digits_in_brackets() {
        assert_eq!(status("Not Found (Not Found (404), URL: http://h/(500)"), Some(404));
        assert_eq!(status("streaming stopped, reason error (-5)"), None);
        assert_eq!(status("x (200) (12) (9999)"), None);
    }
}
