//! HTTP: each event, or several at once, as the body of a POST that the receiver can check.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ureq::Agent;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::super::spool::Stored;
use super::address::Address;
use super::tls::Trust;
use super::{Failure, Progress, Secret, Sink, SinkError};
use crate::core::hex::hex;

/// Tries of an event that the receiver calls faulty, before it is given up.
const TRIES_OF_FAULTY: u32 = 3;
/// What is read of an answer that explains an error.
const EXPLANATION: u64 = 300;

/// Where events are posted, and how.
#[derive(Clone, Debug)]
pub(super) struct WebhookConfig {
    /// Without what is often a key: parts of the path, and the receiver's own parameters.
    shown: String,
    /// With them.
    url: Secret,
    trust: Trust,
    secret: Option<Secret>,
    token: Option<Secret>,
    /// More than one: the body is an array.
    batch: usize,
    timeout: Duration,
}

impl WebhookConfig {
    pub(super) fn parse(address: &mut Address) -> Result<Self, SinkError> {
        const EXPECTED: &str = "https://host/path?token-env=NAME for a bearer token";
        if address.user.is_some() {
            return Err(address.incomplete("it has a user or a password", EXPECTED));
        }
        address.host_and_port(0, EXPECTED)?;
        let query = address.secret("query-env", "query-file")?;
        let url = match query {
            Some(query) => format!("{}?{}", address.name, query.expose()),
            None => address.name.clone(),
        };
        if url.parse::<Uri>().is_err() {
            let reason = "what query-env or query-file hold is no part of an address: expected \
                          name=value&name=value, percent-encoded";
            return Err(SinkError::Secret {
                address: address.shown.clone(),
                reason: reason.to_owned(),
            });
        }
        Ok(Self {
            shown: address.shown.clone(),
            url: Secret::new(url),
            trust: Trust::parse(address)?,
            secret: address.secret("secret-env", "secret-file")?,
            token: address.secret("token-env", "token-file")?,
            batch: address.value("batch", 1, 1..=1000)?,
            timeout: Duration::from_secs(address.value("timeout", 10, 1..=300)?),
        })
    }

    fn agent(&self) -> Agent {
        let certificates: Vec<_> = self
            .trust
            .certificates
            .iter()
            .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
            .collect();
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(self.timeout))
            .user_agent(concat!("m2sd/", env!("CARGO_PKG_VERSION")))
            .tls_config(
                TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build(),
            )
            .build()
            .into()
    }
}

/// The sink of a webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    config: Arc<WebhookConfig>,
    agent: Agent,
    /// The event that was called faulty last, and how often.
    faulty: (u64, u32),
}

/// What the receiver makes of a request.
enum Answer {
    Taken,
    /// It is not for now.
    Later(Failure),
    /// There is something wrong with the events.
    Faulty(String),
}

impl Webhook {
    pub(super) fn new(config: WebhookConfig) -> Self {
        Self { agent: config.agent(), config: Arc::new(config), faulty: (0, 0) }
    }

    async fn post(&self, events: &[Stored]) -> Result<Answer, Failure> {
        let body = match (self.config.batch, events) {
            (1, [one]) => one.json.clone(),
            _ => {
                let all: Vec<&str> = events.iter().map(|stored| stored.json.as_str()).collect();
                format!("[{}]", all.join(","))
            }
        };
        let (agent, config) = (self.agent.clone(), Arc::clone(&self.config));
        let posted = tokio::task::spawn_blocking(move || post(&agent, &config, &body));
        posted.await.map_err(|e| Failure::new(e.to_string()))
    }

    /// Counts a refusal of these events; whether the first of them is to be given up.
    fn is_hopeless(&mut self, sequence: u64) -> bool {
        let (last, tries) = self.faulty;
        self.faulty = (sequence, if last == sequence { tries + 1 } else { 1 });
        self.faulty.1 >= TRIES_OF_FAULTY
    }
}

impl Sink for Webhook {
    async fn connect(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn deliver(&mut self, events: &[Stored], progress: &Progress) -> Result<(), Failure> {
        let mut rest = events;
        while let Some(first) = rest.first() {
            // One by one where an event of a batch is faulty.
            let suspect = self.faulty.0 == first.sequence;
            let size = if suspect { 1 } else { self.config.batch.min(rest.len()) };
            let (batch, behind) = rest.split_at(size);
            match self.post(batch).await? {
                Answer::Taken => progress.acknowledge(batch[size - 1].sequence),
                Answer::Later(failure) => return Err(failure),
                Answer::Faulty(text) if self.is_hopeless(first.sequence) => {
                    progress.give_up(first.sequence, &text);
                    rest = &rest[1..];
                    continue;
                }
                Answer::Faulty(text) => return Err(Failure::new(text)),
            }
            rest = behind;
        }
        Ok(())
    }
}

fn post(agent: &Agent, config: &WebhookConfig, body: &str) -> Answer {
    let mut request =
        agent.post(config.url.expose()).header(header::CONTENT_TYPE, "application/json");
    if let Some(secret) = &config.secret {
        request = request.header("M2SD-Signature", signature(secret, unix_now(), body));
    }
    if let Some(token) = &config.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
    }
    match request.send(body) {
        Ok(response) => judge(&config.shown, response),
        Err(error) => Answer::Later(Failure::new(format!("{}: {error}", config.shown))),
    }
}

fn judge(url: &str, response: Response<ureq::Body>) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken;
    }
    let after = retry_after(&response);
    let said = response.into_body().into_with_config().limit(EXPLANATION).read_to_string();
    let said = said.unwrap_or_default();
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = format!("{url} answered {status}: {}", said.trim());
    match status {
        // Of the events themselves; any other answer speaks of the receiver or of our rights.
        StatusCode::BAD_REQUEST
        | StatusCode::CONFLICT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Answer::Faulty(text),
        _ => Answer::Later(Failure { text, after }),
    }
}

/// In seconds, or as a date.
fn retry_after(response: &Response<ureq::Body>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(date.duration_since(jiff::Timestamp::now())).ok()
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`, as Stripe does it.
fn signature(secret: &Secret, seconds: u64, body: &str) -> String {
    let mut text = format!("t={seconds},v1=");
    // A key may have any length.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) {
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body.as_bytes());
        text.push_str(&hex(mac.finalize().into_bytes()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_other_implementations() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac geheim
        let expected =
            "t=1700000000,v1=c2f0a59f12d0bcd3933234d85083c03b99e970604203fd059a320436bb602adf";
        assert_eq!(signature(&Secret::new("geheim"), 1_700_000_000, r#"{"a":1}"#), expected);
    }
}
