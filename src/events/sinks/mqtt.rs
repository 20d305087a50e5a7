//! MQTT 5: each event on a topic of its camera and type, delivered at least once; the newest state of
//! each camera, and whether this process is there, retained.

use std::collections::VecDeque;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, LastWill, Packet, PubAckReason, PublishProperties,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event as Told, EventLoop, MqttOptions};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use tokio::sync::mpsc;

use super::super::spool::Stored;
use super::super::{Body, Event};
use super::address::Address;
use super::tls::Trust;
use super::{Failure, Progress, Secret, Sink, SinkError};
use crate::core::explained::explained;

/// Messages that wait for the broker's confirmation at most.
const IN_FLIGHT: u16 = 64;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a broker may take to connect, and to confirm a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the broker is, and what is said there.
#[derive(Clone, Debug)]
pub(super) struct MqttConfig {
    shown: String,
    host: String,
    port: u16,
    /// Missing: without TLS.
    trust: Option<Trust>,
    user: Option<String>,
    password: Option<Secret>,
    prefix: String,
    client_id: Option<String>,
}

impl MqttConfig {
    pub(super) fn parse(address: &mut Address) -> Result<Self, SinkError> {
        const EXPECTED: &str = "mqtt://user@host:1883/topic-prefix";
        let tls = address.scheme == "mqtts";
        let (host, port) = address.host_and_port(if tls { 8883 } else { 1883 }, EXPECTED)?;
        let prefix = address.decoded_path();
        let prefix = prefix.trim_end_matches('/').to_owned();
        if prefix.is_empty() {
            return Err(address.incomplete("it names no topic", EXPECTED));
        }
        if prefix.contains(['+', '#', '\0']) || prefix.starts_with('$') || prefix.len() > 256 {
            let reason = "topics of up to 256 bytes without +, #, NUL and a first $ are expected";
            return Err(address.incomplete(reason, EXPECTED));
        }
        Ok(Self {
            trust: if tls { Some(Trust::parse(address)?) } else { None },
            user: address.user.clone(),
            password: address.password()?,
            client_id: address.text("client-id"),
            shown: address.shown.clone(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            prefix,
        })
    }
}

/// The sink of a broker.
#[derive(Debug)]
pub(super) struct Mqtt {
    config: MqttConfig,
    instance: String,
    connection: Option<Connection>,
}

/// A connection, and the task that keeps it.
#[derive(Debug)]
struct Connection {
    client: AsyncClient,
    said: mpsc::Receiver<Said>,
    task: tokio::task::JoinHandle<()>,
}

/// What the connection's task has to tell.
#[derive(Debug)]
enum Said {
    Connected,
    /// A message has been sent under this number.
    Sent(u16),
    Confirmed(u16, PubAckReason),
    /// The connection is lost.
    Lost(String),
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mqtt {
    pub(super) fn new(config: MqttConfig, instance: &str) -> Self {
        // What topics cannot hold.
        let instance = instance.replace(['+', '#', '/', '\0'], "_");
        Self { config, instance, connection: None }
    }

    fn online_topic(&self) -> String {
        format!("{}/{}/online", self.config.prefix, self.instance)
    }

    /// The same after every restart, so that the broker ends what is left of the connection before.
    fn client_id(&self) -> String {
        let own = || {
            let prefix: String =
                self.config.prefix.chars().filter(char::is_ascii_alphanumeric).collect();
            format!("m2sd-{}-{prefix}", self.instance)
        };
        self.config.client_id.clone().unwrap_or_else(own)
    }

    fn options(&self) -> Result<MqttOptions, Failure> {
        let config = &self.config;
        let mut options = MqttOptions::new(self.client_id(), &config.host, config.port);
        options.set_keep_alive(KEEP_ALIVE);
        options.set_clean_start(true);
        options.set_connection_timeout(PATIENCE.as_secs());
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        let will = LastWill::new(self.online_topic(), "false", QoS::AtLeastOnce, true, None);
        options.set_last_will(will);
        if let Some(user) = &config.user {
            let password = config.password.as_ref().map_or("", Secret::expose);
            options.set_credentials(user, password);
        }
        if let Some(trust) = &config.trust {
            let client = trust.client().map_err(|e| Failure::new(e.to_string()))?;
            let tls = TlsConfiguration::Rustls(client.into());
            options.set_transport(Transport::tls_with_config(tls));
        }
        Ok(options)
    }

    fn failure(&self, text: &str) -> Failure {
        Failure::new(format!("{}: {text}", self.config.shown))
    }

    /// The messages of an event.
    fn messages(&self, event: &Event) -> Vec<(String, bool)> {
        let camera = event.camera.as_ref().map_or(self.instance.as_str(), |camera| camera.as_str());
        let prefix = &self.config.prefix;
        let mut messages = vec![(format!("{prefix}/{camera}/{}", event.body.type_name()), false)];
        if matches!(event.body, Body::Camera(_)) {
            messages.push((format!("{prefix}/{camera}/status"), true));
        }
        messages
    }

    async fn hear(&mut self) -> Result<Said, Failure> {
        let Some(connection) = &mut self.connection else {
            return Err(self.failure("is not connected"));
        };
        match tokio::time::timeout(PATIENCE, connection.said.recv()).await {
            Ok(Some(Said::Lost(text))) => Err(self.failure(&text)),
            Ok(Some(said)) => Ok(said),
            Ok(None) => Err(self.failure("the connection has ended")),
            Err(_) => {
                let text = format!("confirms nothing for {} s", PATIENCE.as_secs());
                Err(self.failure(&text))
            }
        }
    }

    async fn send(&self, topic: String, retain: bool, payload: Vec<u8>) -> Result<(), Failure> {
        let Some(connection) = &self.connection else {
            return Err(self.failure("is not connected"));
        };
        let properties = PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some("application/json".to_owned()),
            ..PublishProperties::default()
        };
        let qos = QoS::AtLeastOnce;
        let sent =
            connection.client.publish_with_properties(topic, qos, retain, payload, properties);
        sent.await.map_err(|e| self.failure(&e.to_string()))
    }

    /// Waits until the broker has confirmed so many messages; calls `confirmed` with the number of
    /// those from the first on that have been.
    async fn wait_for(
        &mut self,
        count: usize,
        mut confirmed: impl FnMut(usize),
    ) -> Result<(), Failure> {
        // Messages are sent in the order in which they were asked for.
        let mut waiting: VecDeque<(u16, bool)> = VecDeque::new();
        let (mut sent, mut done) = (0, 0);
        while done < count {
            match self.hear().await? {
                Said::Sent(number) => {
                    sent += 1;
                    waiting.push_back((number, false));
                }
                Said::Confirmed(number, reason) => {
                    use PubAckReason::{NoMatchingSubscribers, Success};
                    if !matches!(reason, Success | NoMatchingSubscribers) {
                        return Err(self.failure(&format!("refuses a message: {reason:?}")));
                    }
                    if let Some(one) = waiting.iter_mut().find(|(waits, _)| *waits == number) {
                        one.1 = true;
                    }
                }
                Said::Connected | Said::Lost(_) => {}
            }
            while waiting.front().is_some_and(|(_, confirmed)| *confirmed) {
                waiting.pop_front();
                done += 1;
            }
            confirmed(done.min(sent));
        }
        Ok(())
    }
}

impl Sink for Mqtt {
    async fn connect(&mut self) -> Result<(), Failure> {
        if self.connection.is_some() {
            return Ok(());
        }
        let options = self.options()?;
        let (client, events) = AsyncClient::new(options, 2 * usize::from(IN_FLIGHT));
        let (tell, said) = mpsc::channel(4 * usize::from(IN_FLIGHT));
        let task = tokio::spawn(keep(events, tell));
        self.connection = Some(Connection { client, said, task });
        while !matches!(self.hear().await?, Said::Connected) {}
        self.send(self.online_topic(), true, b"true".to_vec()).await?;
        self.wait_for(1, |_| {}).await
    }

    async fn deliver(&mut self, events: &[Stored], progress: &Progress) -> Result<(), Failure> {
        for batch in events.chunks(usize::from(IN_FLIGHT) / 2) {
            // How many messages there are up to the end of each event.
            let mut ends = Vec::new();
            let mut count = 0;
            for stored in batch {
                for (topic, retain) in self.messages(&stored.event) {
                    self.send(topic, retain, stored.json.clone().into_bytes()).await?;
                    count += 1;
                }
                ends.push((count, stored.sequence));
            }
            let confirmed = |done: usize| {
                if let Some((_, sequence)) = ends.iter().rev().find(|(end, _)| *end <= done) {
                    progress.acknowledge(*sequence);
                }
            };
            self.wait_for(count, confirmed).await?;
        }
        Ok(())
    }

    async fn idle(&mut self) -> Failure {
        loop {
            let Some(connection) = &mut self.connection else {
                return self.failure("is not connected");
            };
            match connection.said.recv().await {
                Some(Said::Lost(text)) => return self.failure(&text),
                None => return self.failure("the connection has ended"),
                Some(_) => {}
            }
        }
    }

    fn disconnect(&mut self) {
        self.connection = None;
    }

    /// An orderly end sends no last will, so that it is said here.
    async fn close(&mut self) {
        if self.connection.is_none() {
            return;
        }
        let topic = self.online_topic();
        if self.send(topic, true, b"false".to_vec()).await.is_ok() {
            let _ = self.wait_for(1, |_| {}).await;
        }
        if let Some(connection) = &mut self.connection
            && connection.client.disconnect().await.is_ok()
        {
            while connection.said.recv().await.is_some() {}
        }
    }
}

/// Keeps the connection until it is lost, and tells what happens on it.
async fn keep(mut events: EventLoop, tell: mpsc::Sender<Said>) {
    loop {
        let said = match events.poll().await {
            Ok(Told::Incoming(Packet::ConnAck(_))) => Said::Connected,
            Ok(Told::Incoming(Packet::PubAck(ack))) => Said::Confirmed(ack.pkid, ack.reason),
            Ok(Told::Incoming(Packet::Disconnect(why))) => {
                Said::Lost(format!("the broker ends the connection: {:?}", why.reason_code))
            }
            Ok(Told::Outgoing(Outgoing::Publish(number))) => Said::Sent(number),
            Ok(Told::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => continue,
            Err(error) => Said::Lost(reason(&error)),
        };
        let lost = matches!(said, Said::Lost(_));
        if tell.send(said).await.is_err() || lost {
            return;
        }
    }
}

/// An error with what to do.
fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword,
        ) => "the broker refuses the user or the password".to_owned(),
        ConnectionError::ConnectionRefused(ConnectReturnCode::UnsupportedProtocolVersion) => {
            "the broker does not speak MQTT 5".to_owned()
        }
        ConnectionError::Timeout(_) => "no answer".to_owned(),
        error => explained(error),
    }
}
