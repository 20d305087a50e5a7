//! What the section `[http]` of the configuration says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::token::{NotAToken, Token};

/// Where the server listens, and to whom it answers.
///
/// # Examples
///
/// ```
/// use gstm2sd::watch::rest::HttpConfig;
///
/// let text = "listen = \"0.0.0.0:8083\"\ntoken-file = \"/etc/m2sd/token\"";
/// let config: HttpConfig = toml::from_str(text).expect("these are its keys");
/// assert!(!config.listen.ip().is_loopback());
/// assert_eq!(HttpConfig::default().listen.to_string(), "127.0.0.1:8083");
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port; port 0 takes a free one. `127.0.0.1:8083`.
    #[serde(deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// The environment variable that holds the token.
    pub token_env: Option<String>,
    /// The file whose only line is the token.
    pub token_file: Option<PathBuf>,
    /// Further names, without port, under which browsers may ask for this server, such as those of a
    /// reverse proxy.
    pub hosts: Vec<String>,
    /// Requests that one address may make a second, with bursts of four times as many. 100.
    pub requests_per_second: NonZeroU32,
    /// Previews that are sent at the same time. 32.
    pub viewers: u16,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8083),
            token_env: None,
            token_file: None,
            hosts: Vec::new(),
            requests_per_second: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            viewers: 32,
        }
    }
}

/// Why the server cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Anybody could look through the cameras.
    #[error(
        "[http] listen = \"{0}\" can be reached from other machines, which needs a token: set \
         token-file to a file with one, such as `openssl rand -hex 32` writes, or token-env to the \
         name of an environment variable; or listen on 127.0.0.1"
    )]
    TokenNeeded(SocketAddr),
    /// Which of them?
    #[error("[http] has both token-env and token-file; one of them is expected")]
    TwoTokens,
    /// The variable is missing.
    #[error("[http] token-env: the environment variable {0} is not set, or is no UTF-8")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("[http] token-file: {path} cannot be read: {source}", path = path.display())]
    NoFile {
        /// Of the file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It could be guessed, or cannot be sent.
    #[error("the token of [http] {source_name} {source}")]
    BadToken {
        /// `token-env` or `token-file`.
        source_name: &'static str,
        /// Why.
        source: NotAToken,
    },
    /// The address is taken, or not this machine's.
    #[error("[http] listen: cannot listen on {address}: {source}; choose another address or port")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl HttpConfig {
    /// The token, where one is configured.
    ///
    /// # Errors
    /// When it cannot be had, is too weak, or is missing where other machines can connect.
    pub(super) fn token(&self) -> Result<Option<Token>, HttpError> {
        let token = |text: &str, source_name| {
            Token::new(text).map_err(|source| HttpError::BadToken { source_name, source })
        };
        let token = match (&self.token_env, &self.token_file) {
            (Some(_), Some(_)) => return Err(HttpError::TwoTokens),
            (Some(name), None) => {
                let text =
                    std::env::var(name).map_err(|_| HttpError::NoVariable(name.to_owned()))?;
                Some(token(&text, "token-env")?)
            }
            (None, Some(path)) => Some(token(&read(path)?, "token-file")?),
            (None, None) => None,
        };
        if token.is_none() && !self.listen.ip().is_loopback() {
            return Err(HttpError::TokenNeeded(self.listen));
        }
        Ok(token)
    }

    /// Finds what would keep the server from beginning, but for an address that is taken.
    ///
    /// # Errors
    /// As [`Server::bind`](super::Server::bind).
    pub fn check(&self) -> Result<(), HttpError> {
        self.token().map(drop)
    }
}

/// An address and a port at which to listen; `localhost` is this machine's IPv4 loopback.
///
/// # Errors
/// What was found and what is expected, as a sentence.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| {
        format!(
            "{text:?} is no address with a port; expected one of this machine such as \
             \"127.0.0.1:8083\", or \"0.0.0.0:8083\" for all of them"
        )
    })
}

fn listen<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_listen(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn read(path: &Path) -> Result<String, HttpError> {
    // Enough to tell a wrong file from a token, however large it is.
    let limit = 2 * Token::MOST as u64;
    let file = std::fs::File::open(path);
    let text = file.and_then(|file| std::io::read_to_string(std::io::Read::take(file, limit)));
    text.map_err(|source| HttpError::NoFile { path: path.to_owned(), source })
}
