//! NATS JetStream: each event on a subject of its camera and type, with its id for the server to tell
//! repetitions by.

use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::context::{
    Context, GetStreamErrorKind, PublishAckFuture, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode, stream};

use super::super::Event;
use super::super::spool::Stored;
use super::address::Address;
use super::tls::Trust;
use super::{Failure, Progress, Secret, Sink, SinkError};
use crate::core::explained::explained;

/// How long a server may take to connect, and to store a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the server is.
#[derive(Clone, Debug)]
pub(crate) struct NatsServer {
    /// Without credentials.
    pub(crate) shown: String,
    address: String,
    /// Missing: without TLS.
    trust: Option<Trust>,
    user: Option<String>,
    password: Option<Secret>,
}

impl NatsServer {
    pub(super) fn parse(address: &mut Address, expected: &'static str) -> Result<Self, SinkError> {
        let tls = address.scheme == "natss";
        let (host, port) = address.host_and_port(4222, expected)?;
        let scheme = if tls { "tls" } else { "nats" };
        Ok(Self {
            shown: address.shown.clone(),
            address: format!("{scheme}://{host}:{port}"),
            trust: if tls { Some(Trust::parse(address)?) } else { None },
            user: address.user.clone(),
            password: address.password()?,
        })
    }

    /// Of `nats://user@host:port`, for other uses than events.
    #[cfg(feature = "watch")]
    pub(crate) fn of_url(url: &str) -> Result<Self, SinkError> {
        const EXPECTED: &str = "nats://user@host:4222 or natss://user@host:4222";
        let mut address = Address::parse(url)?;
        if !matches!(address.scheme.as_str(), "nats" | "natss") {
            return Err(address.incomplete("it is no NATS server", EXPECTED));
        }
        if !matches!(address.path.as_str(), "" | "/") {
            return Err(address.incomplete("it has a path", EXPECTED));
        }
        let server = Self::parse(&mut address, EXPECTED)?;
        address.finish()?;
        Ok(server)
    }

    /// Connects; a user without a password is a token.
    pub(crate) async fn connect(&self, name: &str) -> Result<async_nats::Client, String> {
        let mut options = ConnectOptions::new().name(name).connection_timeout(PATIENCE);
        options = match (&self.user, &self.password) {
            (Some(user), Some(password)) => {
                options.user_and_password(user.clone(), password.expose().to_owned())
            }
            (Some(token), None) => options.token(token.clone()),
            (None, Some(token)) => options.token(token.expose().to_owned()),
            (None, None) => options,
        };
        if let Some(trust) = &self.trust {
            let tls = trust.client().map_err(|e| e.to_string())?;
            options = options.require_tls(true).tls_client_config(tls);
        }
        options.connect(&self.address).await.map_err(|e| explained(&e))
    }
}

/// Where the stream is, and how it is made where there is none.
#[derive(Clone, Debug)]
pub(super) struct NatsConfig {
    server: NatsServer,
    stream: String,
    max_bytes: i64,
    max_age: Duration,
    replicas: usize,
}

impl NatsConfig {
    pub(super) fn parse(address: &mut Address) -> Result<Self, SinkError> {
        const EXPECTED: &str = "nats://user@host:4222/STREAM";
        let stream = address.decoded_path();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if stream.is_empty() || stream.len() > 255 || !stream.chars().all(fits) {
            let reason = "the name of a stream is expected, of A-Z, a-z, 0-9, _ and -";
            return Err(address.incomplete(reason, EXPECTED));
        }
        Ok(Self {
            server: NatsServer::parse(address, EXPECTED)?,
            stream,
            max_bytes: address.value("max-bytes", 1 << 30, 1 << 20..=i64::MAX)?,
            max_age: Duration::from_secs(
                3600 * address.value("max-age-hours", 7 * 24, 1..=24 * 3650)?,
            ),
            replicas: address.value("replicas", 1, 1..=5)?,
        })
    }
}

/// The sink of a stream.
pub(super) struct Nats {
    config: NatsConfig,
    instance: String,
    context: Option<Context>,
}

impl Nats {
    pub(super) fn new(config: NatsConfig, instance: &str) -> Self {
        // What a part of a subject cannot hold.
        let fits = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let instance = instance.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        Self { config, instance, context: None }
    }

    fn failure(&self, text: &str) -> Failure {
        Failure::new(format!("{}: {text}", self.config.server.shown))
    }

    fn subject(&self, event: &Event) -> String {
        let camera = event.camera.as_ref().map_or(self.instance.as_str(), |camera| camera.as_str());
        format!("{}.{camera}.{}", self.config.stream, event.body.type_name())
    }

    /// Makes the stream where it is missing.
    async fn ensure_stream(&self, context: &Context) -> Result<(), Failure> {
        let name = &self.config.stream;
        let error = match context.get_stream(name).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        match error.kind() {
            GetStreamErrorKind::JetStream(e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            GetStreamErrorKind::Request => {
                let text = "the server has no JetStream, or the user may not use it";
                return Err(self.failure(&format!("{text} ({})", explained(&error))));
            }
            _ => return Err(self.failure(&explained(&error))),
        }
        let stream = stream::Config {
            name: name.clone(),
            subjects: vec![format!("{name}.>")],
            max_bytes: self.config.max_bytes,
            max_age: self.config.max_age,
            num_replicas: self.config.replicas,
            ..stream::Config::default()
        };
        context.create_stream(stream).await.map(drop).map_err(|e| {
            let text = format!("there is no stream {name}, and it cannot be made");
            self.failure(&format!("{text}: {}", explained(&e)))
        })
    }

    fn refused(&self, error: &PublishError) -> Failure {
        if error.kind() == PublishErrorKind::StreamNotFound {
            let name = &self.config.stream;
            return self
                .failure(&format!("no stream takes the subjects {name}.>; add them to one"));
        }
        self.failure(&explained(error))
    }
}

impl Sink for Nats {
    async fn connect(&mut self) -> Result<(), Failure> {
        if self.context.is_some() {
            return Ok(());
        }
        let name = format!("m2sd {}", self.instance);
        let client = self.config.server.connect(&name).await.map_err(|e| self.failure(&e))?;
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        self.ensure_stream(&context).await?;
        self.context = Some(context);
        Ok(())
    }

    async fn deliver(&mut self, events: &[Stored], progress: &Progress) -> Result<(), Failure> {
        let Some(context) = &self.context else { return Err(self.failure("is not connected")) };
        let mut waiting: Vec<(u64, PublishAckFuture)> = Vec::with_capacity(events.len());
        for stored in events {
            let message = PublishMessage::build()
                .payload(stored.json.clone().into())
                .message_id(stored.event.id.to_string());
            let sent = context.send_publish(self.subject(&stored.event), message).await;
            waiting.push((stored.sequence, sent.map_err(|e| self.refused(&e))?));
        }
        for (sequence, confirmation) in waiting {
            confirmation.await.map_err(|e| self.refused(&e))?;
            progress.acknowledge(sequence);
        }
        Ok(())
    }

    fn disconnect(&mut self) {
        self.context = None;
    }
}
