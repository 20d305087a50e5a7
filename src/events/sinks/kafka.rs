//! Apache Kafka: each event in the topic, with its camera as the key, by an idempotent producer.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;

use super::super::spool::Stored;
use super::address::Address;
use super::{Failure, Progress, Secret, Sink, SinkError};

/// How long the brokers may take to store a message, with all tries of the library's.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the brokers are.
#[derive(Clone, Debug)]
pub(crate) struct KafkaConfig {
    shown: String,
    brokers: String,
    topic: String,
    user: Option<String>,
    password: Option<Secret>,
    mechanism: &'static str,
    tls: bool,
    ca: Option<std::path::PathBuf>,
}

impl KafkaConfig {
    pub(super) fn parse(address: &mut Address) -> Result<Self, SinkError> {
        const EXPECTED: &str = "kafka://host:9092,host:9092/topic";
        let tls = address.scheme == "kafkas";
        if tls && !cfg!(feature = "kafka-tls") {
            let expected = "one built with --features kafka-tls";
            return Err(address.incomplete("this m2sd was built without TLS for Kafka", expected));
        }
        if address.hosts.split(',').any(str::is_empty) {
            return Err(address.incomplete("it names no host", EXPECTED));
        }
        let topic = address.decoded_path();
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if topic.is_empty() || topic.len() > 249 || !topic.chars().all(fits) {
            let reason = "a topic is expected, of A-Z, a-z, 0-9, ., _ and -";
            return Err(address.incomplete(reason, EXPECTED));
        }
        let mechanisms: &[&'static str] = if cfg!(feature = "kafka-tls") {
            &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
        } else {
            &["PLAIN"]
        };
        Ok(Self {
            shown: address.shown.clone(),
            brokers: address.hosts.clone(),
            topic,
            user: address.user.clone(),
            password: address.password()?,
            mechanism: address.choice("mechanism", "PLAIN", mechanisms)?,
            tls,
            ca: if tls { address.file("ca") } else { None },
        })
    }

    fn producer(&self, instance: &str) -> Result<FutureProducer, KafkaError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("m2sd-{instance}"))
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .set("reconnect.backoff.max.ms", "2000")
            .set(
                "security.protocol",
                match (self.tls, self.user.is_some()) {
                    (false, false) => "plaintext",
                    (false, true) => "sasl_plaintext",
                    (true, false) => "ssl",
                    (true, true) => "sasl_ssl",
                },
            );
        if let Some(user) = &self.user {
            let password = self.password.as_ref().map_or("", Secret::expose);
            config
                .set("sasl.mechanisms", self.mechanism)
                .set("sasl.username", user)
                .set("sasl.password", password);
        }
        if let Some(ca) = &self.ca {
            config.set("ssl.ca.location", ca.to_string_lossy());
        }
        config.create()
    }
}

/// The sink of a topic.
pub(super) struct Kafka {
    config: KafkaConfig,
    instance: String,
    producer: Option<FutureProducer>,
}

impl Kafka {
    pub(super) fn new(config: KafkaConfig, instance: &str) -> Self {
        Self { config, instance: instance.to_owned(), producer: None }
    }

    fn failure(&self, error: &KafkaError) -> Failure {
        let text = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageTimedOut) => format!(
                "no broker has stored an event within {} s: is one of {} there, and may we write \
                 to {}?",
                PATIENCE.as_secs(),
                self.config.brokers,
                self.config.topic
            ),
            _ => error.to_string(),
        };
        Failure::new(format!("{}: {text}", self.config.shown))
    }
}

impl Sink for Kafka {
    async fn connect(&mut self) -> Result<(), Failure> {
        if self.producer.is_none() {
            let producer = self.config.producer(&self.instance);
            self.producer = Some(producer.map_err(|e| self.failure(&e))?);
        }
        Ok(())
    }

    async fn deliver(&mut self, events: &[Stored], progress: &Progress) -> Result<(), Failure> {
        let Some(producer) = &self.producer else {
            return Err(Failure::new(format!("{}: is not connected", self.config.shown)));
        };
        let mut waiting = Vec::with_capacity(events.len());
        for stored in events {
            let camera = stored.event.camera.as_ref();
            let key = camera.map_or(self.instance.as_str(), |camera| camera.as_str());
            let id = stored.event.id.to_string();
            let headers = OwnedHeaders::new().insert(Header { key: "id", value: Some(&id) });
            let record = FutureRecord::to(&self.config.topic)
                .key(key)
                .payload(&stored.json)
                .headers(headers);
            let sent = producer.send_result(record).map_err(|(e, _)| self.failure(&e))?;
            waiting.push((stored.sequence, sent));
        }
        for (sequence, delivery) in waiting {
            match delivery.await {
                Ok(Ok(_)) => progress.acknowledge(sequence),
                Ok(Err((error, _))) => return Err(self.failure(&error)),
                Err(_) => {
                    let text = format!("{}: the producer has ended", self.config.shown);
                    return Err(Failure::new(text));
                }
            }
        }
        Ok(())
    }

    /// What it has not stored yet is sent again by the next one.
    fn disconnect(&mut self) {
        if let Some(producer) = self.producer.take() {
            // It takes up to half a second to end.
            drop(tokio::task::spawn_blocking(move || drop(producer)));
        }
    }

    async fn close(&mut self) {
        self.disconnect();
    }
}
