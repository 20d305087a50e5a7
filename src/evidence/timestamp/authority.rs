//! An authority on the network.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::http::header;
use ureq::tls::TlsConfig;

use super::{Request, TimestampError, TimestampSource};
use crate::core::redact::redact;
use crate::models::fetch;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// No reply is longer.
const MOST_BYTES: u64 = 1 << 20;

/// A time stamp authority at an address, `http` or `https`: what it sends is signed.
pub struct Authority {
    url: String,
    patience: Duration,
}

impl Authority {
    /// That at this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), patience: PATIENCE }
    }

    /// That waits no longer than this for all of a reply.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn ask(&self, query: &[u8]) -> Result<Vec<u8>, String> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(self.patience))
            .tls_config(TlsConfig::builder().root_certs(fetch::roots()).build())
            .build()
            .into();
        let request = agent
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/timestamp-query")
            .header(header::ACCEPT, "application/timestamp-reply");
        let mut response = request.send(query).map_err(|e| e.to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status()));
        }
        let mut reply = Vec::new();
        let mut body = response.body_mut().as_reader().take(MOST_BYTES);
        body.read_to_end(&mut reply).map_err(|e| e.to_string())?;
        Ok(reply)
    }
}

impl TimestampSource for Authority {
    fn name(&self) -> String {
        redact(&self.url).into_owned()
    }

    fn stamp(&self, bytes: &[u8]) -> Result<Vec<u8>, TimestampError> {
        let request = Request::new(bytes)?;
        let reply = self.ask(&request.to_der()?).map_err(|why| TimestampError::Reply {
            address: self.name(),
            why: redact(&why).into_owned(),
        })?;
        request
            .token(&reply)
            .map_err(|error| TimestampError::Reply { address: self.name(), why: error.to_string() })
    }
}
