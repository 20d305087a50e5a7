//! What an address says of a sink.

use std::fmt;
use std::path::Path;

use super::super::{Body, CameraId, Event};
use super::SinkError;
use super::address::{Address, shown};
use super::file::FileConfig;
use super::mqtt::MqttConfig;
use super::nats::NatsConfig;
use super::webhook::WebhookConfig;

/// The addresses that there are.
pub(super) const SCHEMES: &str = "expected file:///…, stdout:, http://…, https://…, mqtt://…, \
                                  mqtts://…, nats://…, natss://… or kafka://…";

/// A sink as its address describes it. Its `Debug` output has no credentials.
#[derive(Clone)]
pub struct SinkConfig {
    name: String,
    /// None: all.
    types: Vec<String>,
    /// None: all.
    cameras: Vec<CameraId>,
    pub(super) target: Target,
}

impl fmt::Debug for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkConfig")
            .field("name", &shown(&self.name))
            .field("types", &self.types)
            .field("cameras", &self.cameras)
            .field("target", &self.target)
            .finish()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    Stdout,
    File(FileConfig),
    Webhook(Box<WebhookConfig>),
    Mqtt(Box<MqttConfig>),
    Nats(Box<NatsConfig>),
    #[cfg(feature = "kafka")]
    Kafka(Box<super::kafka::KafkaConfig>),
}

impl SinkConfig {
    /// What the spool calls it: the address without user and parameters, or the parameter `name`. Its place
    /// in the spool goes by it. Where it is shown, it has no keys.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// With another name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// For events of these types only ([`Body::TYPES`]); none: of all.
    #[must_use]
    pub fn only_types(self, types: Vec<String>) -> Self {
        Self { types, ..self }
    }

    /// For events of these cameras only, and those of no camera; none: of all.
    #[must_use]
    pub fn only_cameras(self, cameras: Vec<CameraId>) -> Self {
        Self { cameras, ..self }
    }

    /// The folder that it writes into, where it is a file.
    pub fn folder(&self) -> Option<&Path> {
        match &self.target {
            Target::File(file) => file.path.parent(),
            _ => None,
        }
    }

    /// Whether this event goes there.
    pub(super) fn wants(&self, event: &Event) -> bool {
        let kind = event.body.type_name();
        let of_camera = |camera: &CameraId| self.cameras.contains(camera);
        (self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind))
            && (self.cameras.is_empty() || event.camera.as_ref().is_none_or(of_camera))
    }
}

/// Reads the address of a sink: `docs/events.md` has them all. Secrets that it refers to are read.
///
/// # Errors
/// When it is no address, something is missing or unknown in it, or a secret or a certificate that it
/// refers to cannot be read.
pub fn parse(address: &str) -> Result<SinkConfig, SinkError> {
    let mut parts = Address::parse(address)?;
    let name = parts.text("name").unwrap_or_else(|| parts.name.clone());
    if name.is_empty() || name.len() > 512 {
        return Err(parts.cannot_be("name", name, "1 to 512 bytes".to_owned()));
    }
    let (types, cameras) = (types(&mut parts)?, cameras(&mut parts)?);
    let target = match parts.scheme.as_str() {
        "stdout" => stdout(&parts)?,
        "file" => Target::File(FileConfig::parse(&mut parts)?),
        "http" | "https" => Target::Webhook(Box::new(WebhookConfig::parse(&mut parts)?)),
        "mqtt" | "mqtts" => Target::Mqtt(Box::new(MqttConfig::parse(&mut parts)?)),
        "nats" | "natss" => Target::Nats(Box::new(NatsConfig::parse(&mut parts)?)),
        "kafka" | "kafkas" => kafka(&mut parts)?,
        other => {
            return Err(SinkError::Address {
                address: parts.shown.clone(),
                reason: format!("{other} is unknown"),
            });
        }
    };
    parts.finish()?;
    Ok(SinkConfig { name, types, cameras, target })
}

fn stdout(parts: &Address) -> Result<Target, SinkError> {
    if parts.hosts.is_empty() && parts.path.is_empty() {
        Ok(Target::Stdout)
    } else {
        Err(parts.incomplete("there is something behind the colon", "stdout:"))
    }
}

#[cfg(feature = "kafka")]
fn kafka(parts: &mut Address) -> Result<Target, SinkError> {
    super::kafka::KafkaConfig::parse(parts).map(|config| Target::Kafka(Box::new(config)))
}

#[cfg(not(feature = "kafka"))]
fn kafka(parts: &mut Address) -> Result<Target, SinkError> {
    Err(parts.incomplete("this m2sd was built without Kafka", "one built with --features kafka"))
}

fn types(parts: &mut Address) -> Result<Vec<String>, SinkError> {
    let Some(found) = parts.text("types") else { return Ok(Vec::new()) };
    let types: Vec<String> = found.split(',').map(str::to_owned).collect();
    if types.iter().all(|kind| Body::TYPES.contains(&kind.as_str())) {
        Ok(types)
    } else {
        let expected = format!("of {}, separated by commas", Body::TYPES.join(", "));
        Err(parts.cannot_be("types", found, expected))
    }
}

fn cameras(parts: &mut Address) -> Result<Vec<CameraId>, SinkError> {
    let Some(found) = parts.text("cameras") else { return Ok(Vec::new()) };
    let cameras: Result<_, _> = found.split(',').map(CameraId::new).collect();
    cameras.map_err(|e| {
        parts.cannot_be("cameras", found, format!("ids of cameras, separated by commas ({e})"))
    })
}
