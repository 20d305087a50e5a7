//! Networks that a server runs, named by an address:
//! `kserve://HOST:PORT/MODEL[/VERSION][?timeout=…&token-env=…&…]`, several endpoints
//! separated by commas.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::core::percent::decoded;
use crate::core::redact::redact;

/// A network on one or several servers that speak the Open Inference Protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemoteModel {
    /// At least one; all have the same network.
    pub endpoints: Vec<Endpoint>,
    /// By which the servers know it.
    pub model: String,
    /// Theirs to choose where it is missing.
    pub version: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The environment variable with the bearer token.
    pub token_env: String,
    /// Certificates, in PEM, of whom `kserves://` believes, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// The sidecar, where the server does not tell it.
    pub modelinfo: Option<PathBuf>,
    /// Whether servers on this machine are given clips in shared memory, where they take them.
    pub shared_memory: bool,
    /// After how long without an answer a request is sent to a second server, too. Less than `timeout`.
    pub hedge: Option<Duration>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host and port.
    pub authority: String,
    /// Whether the connection is encrypted (`kserves://`).
    pub tls: bool,
}

impl Endpoint {
    /// As HTTP/2 has it.
    pub fn uri(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// Whether it is at an address of this machine alone.
    pub fn is_loopback(&self) -> bool {
        let Some((host, _)) = self.authority.rsplit_once(':') else { return false };
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.tls { "kserves://" } else { "kserve://" }, self.authority)
    }
}

/// Why an address names no network. The address in it has no credentials.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{address}: {reason}; expected kserve://HOST:8001/MODEL")]
pub struct BadAddress {
    address: String,
    reason: String,
}

impl RemoteModel {
    /// How long an answer may take where the address does not say.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// The variable with the token, where the address does not say.
    pub const TOKEN_ENV: &str = "M2SD_KSERVE_TOKEN";

    /// Whether a model's name is meant as such an address, though perhaps mistyped or of another protocol: then
    /// [`RemoteModel::parse`] tells so, and no file is looked for under that name.
    pub fn is_address(name: &str) -> bool {
        let Some((scheme, rest)) = name.split_once(':') else { return false };
        let is_word = scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_ours = ["kserve", "kserves"].iter().any(|ours| scheme.eq_ignore_ascii_case(ours));
        is_ours || (is_word && rest.starts_with("//"))
    }

    /// Splits a list at its commas, but for those between endpoints of one network, which stay together.
    pub fn split(list: &str) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let same = |a: &str, b: &str| match (Part::parse(a), Part::parse(b)) {
            (Ok(a), Ok(b)) => (a.model, a.version) == (b.model, b.version),
            _ => false,
        };
        for name in list.split(',').map(str::trim) {
            let before = all.last_mut().filter(|before| {
                let first = before.split(',').next().unwrap_or_default();
                same(first, name)
            });
            match before {
                Some(before) => before.extend([",", name]),
                None => all.push(name.to_owned()),
            }
        }
        all
    }

    /// Reads one address, or several of the same network that are separated by commas.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let mut parts = text.split(',').map(|part| Part::parse(part.trim()));
        let Some(first) = parts.next().transpose()? else {
            return Err(bad(text, "it is empty"));
        };
        let mut endpoints = vec![first.endpoint];
        for part in parts {
            let part = part?;
            if (&part.model, &part.version) != (&first.model, &first.version) {
                return Err(bad(text, "its parts name different models"));
            }
            if !part.parameters.is_empty() && part.parameters != first.parameters {
                return Err(bad(text, "the parameters of the first address hold for all"));
            }
            if endpoints.contains(&part.endpoint) {
                return Err(bad(text, "it names an endpoint twice"));
            }
            endpoints.push(part.endpoint);
        }
        let mut remote = Self {
            endpoints,
            model: first.model,
            version: first.version,
            timeout: Self::TIMEOUT,
            token_env: Self::TOKEN_ENV.to_owned(),
            ca_file: None,
            modelinfo: None,
            shared_memory: true,
            hedge: None,
        };
        for (name, value) in &first.parameters {
            remote.set(name, value).map_err(|reason| bad(text, &reason))?;
        }
        if remote.hedge.is_some_and(|hedge| hedge >= remote.timeout) {
            return Err(bad(
                text,
                "hedge is not shorter than timeout, so that it would do nothing",
            ));
        }
        if remote.hedge.is_some() && remote.endpoints.len() < 2 {
            return Err(bad(text, "hedge needs a second server; name it behind a comma"));
        }
        Ok(remote)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "timeout" => {
                let seconds = value.strip_suffix('s').unwrap_or(value).parse::<f64>().ok();
                let seconds = seconds.filter(|seconds| (0.01..=600.0).contains(seconds));
                let wrong = || format!("timeout is {value:?}, expected 0.01 to 600 seconds");
                self.timeout = Duration::from_secs_f64(seconds.ok_or_else(wrong)?);
            }
            "token-env" => self.token_env = value.to_owned(),
            "ca-file" => self.ca_file = Some(value.into()),
            "modelinfo" => self.modelinfo = Some(value.into()),
            "hedge" => {
                let ms = value.strip_suffix("ms").unwrap_or(value).parse::<u64>().ok();
                let ms = ms.filter(|ms| (1..=60_000).contains(ms));
                let wrong = || format!("hedge is {value:?}, expected 1 to 60000 milliseconds");
                self.hedge = Some(Duration::from_millis(ms.ok_or_else(wrong)?));
            }
            "shared-memory" => {
                self.shared_memory = match value {
                    "auto" => true,
                    "off" => false,
                    _ => return Err(format!("shared-memory is {value:?}, expected auto or off")),
                };
            }
            _ => {
                return Err(format!(
                    "it has the parameter {name}, expected timeout, hedge, token-env, ca-file, modelinfo \
                     or shared-memory"
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for RemoteModel {
    /// `kserve://a:8001,b:8001/m2sd`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.endpoints.iter().map(Endpoint::to_string).collect();
        write!(f, "{}/{}", all.join(","), self.model)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "/{version}"))
    }
}

/// One address.
struct Part {
    endpoint: Endpoint,
    model: String,
    version: Option<String>,
    parameters: Vec<(String, String)>,
}

impl Part {
    fn parse(text: &str) -> Result<Self, BadAddress> {
        let wrong = |reason: &str| bad(text, reason);
        let (tls, rest) = match (text.strip_prefix("kserve://"), text.strip_prefix("kserves://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return Err(wrong("it does not begin with kserve:// or kserves://")),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, names) = path.split_once('/').unwrap_or((path, ""));
        if authority.contains('@') || names.contains('@') {
            return Err(wrong("a token belongs into an environment variable, see token-env"));
        }
        let port = authority.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if !port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Err(wrong("it names no host with a port"));
        }
        let name = |text: &str| Some(decoded(text)).filter(|name| !name.is_empty());
        let mut names = names.split('/');
        let model = names.next().and_then(name).ok_or_else(|| wrong("it names no model"))?;
        let version = names.next().and_then(name);
        if names.next().is_some() {
            return Err(wrong("something follows the version"));
        }
        let parameters = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        let parameters = parameters.collect();
        let endpoint = Endpoint { authority: authority.to_owned(), tls };
        Ok(Self { endpoint, model, version, parameters })
    }
}

fn bad(address: &str, reason: &str) -> BadAddress {
    BadAddress { address: redact(address).into_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_servers_a_model_and_how_to_ask() {
        let remote = RemoteModel::parse("kserve://gpu-1:8001/m2sd").unwrap();
        assert_eq!(remote.endpoints[0].uri(), "http://gpu-1:8001");
        assert_eq!((remote.model.as_str(), &remote.version), ("m2sd", &None));
        assert_eq!(remote.timeout, RemoteModel::TIMEOUT);
        let text = "kserves://a:8001/m2sd/3?timeout=2.5s&hedge=80ms&token-env=T&ca-file=/etc/ca.pem, \
                    kserves://[::1]:9/m2sd/3";
        let remote = RemoteModel::parse(text).unwrap();
        assert_eq!(remote.to_string(), "kserves://a:8001,kserves://[::1]:9/m2sd/3");
        assert_eq!(remote.endpoints[1].uri(), "https://[::1]:9");
        assert_eq!(remote.timeout, Duration::from_millis(2500));
        assert_eq!(remote.hedge, Some(Duration::from_millis(80)));
        assert_eq!((remote.token_env.as_str(), remote.ca_file), ("T", Some("/etc/ca.pem".into())));
    }

    #[test]
    fn a_server_on_this_machine_is_told_by_its_address() {
        for (host, expected) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("[::1]", true),
            ("10.0.0.1", false),
            ("[fe80::1]", false),
            ("localhost.example.org", false),
        ] {
            let remote = RemoteModel::parse(&format!("kserve://{host}:1/m")).unwrap();
            assert_eq!(remote.endpoints[0].is_loopback(), expected, "{host}");
        }
    }

    #[test]
    fn endpoints_of_one_network_stay_together_in_a_list() {
        let list = "meso4, kserve://a:1/m,kserve://b:1/m,kserve://a:1/n,xcit";
        assert_eq!(
            RemoteModel::split(list),
            ["meso4", "kserve://a:1/m,kserve://b:1/m", "kserve://a:1/n", "xcit"]
        );
    }

    #[test]
    fn addresses_are_no_files() {
        for address in
            ["kserve://a:1/m", "kserves://a:1/m", "kserve:/a:1/m", "KServe:a:1", "grpc://a:1/m"]
        {
            assert!(RemoteModel::is_address(address), "{address}");
        }
        for file in
            ["m2sd", "./kserve://a", "/a/b:c.onnx", "a:b.onnx", "C:\\m2sd.onnx", "c://m2sd.onnx"]
        {
            assert!(!RemoteModel::is_address(file), "{file}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_secrets() {
        for (address, reason) in [
            ("http://a:1/m", "does not begin with kserve://"),
            ("http://u:geheim@a:1/m", "does not begin with kserve://"),
            ("kserve:/u:geheim@a:1/m", "does not begin with kserve://"),
            ("kserve:u:geheim@a:1/m", "does not begin with kserve://"),
            ("grpc://a:1/m?token=geheim", "does not begin with kserve://"),
            ("kserve://a/m", "no host with a port"),
            ("kserve://a:0/m", "no host with a port"),
            ("kserve://:8001/m", "no host with a port"),
            ("kserve://a:8001", "names no model"),
            ("kserve://a:8001/", "names no model"),
            ("kserve://a:8001/m/1/x", "something follows"),
            ("kserve://a:8001/m?timeout=x", "timeout is \"x\""),
            ("kserve://a:8001/m?hedge=20", "a second server"),
            ("kserve://a:8001/m?hedge=0,kserve://b:8001/m", "hedge is \"0\""),
            ("kserve://a:8001/m?hedge=2000&timeout=2s,kserve://b:8001/m", "shorter than timeout"),
            ("kserve://a:8001/m?shared-memory=on", "shared-memory is \"on\""),
            ("kserve://a:8001/m?time=1", "the parameter time,"),
            ("kserve://a:8001/m,kserve://b:8001/n", "different models"),
            ("kserve://a:8001/m,kserve://a:8001/m", "twice"),
            ("kserve://user:geheim@a:8001/m", "environment variable"),
        ] {
            let error = RemoteModel::parse(address).unwrap_err().to_string();
            assert!(error.contains(reason), "{address}: {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
