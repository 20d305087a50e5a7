//! Events: the spool, the sinks against real servers, the schema.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod address;
mod file;
mod fixture;
#[cfg(feature = "kafka")]
mod kafka;
mod kill;
mod mqtt;
mod nats;
#[path = "../support/ports.rs"]
mod ports;
mod schema;
mod servers;
mod spool;
#[path = "../support/watchdog.rs"]
#[allow(dead_code, reason = "every test program uses its own part")]
mod watchdog;
mod webhook;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gstm2sd::events::body::{Body, Camera, CameraState};
use gstm2sd::events::spool::Limits;
use gstm2sd::events::{CameraId, Draft, EventMaker, Spool};

/// For what takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(folder: &Path) -> Arc<Spool> {
    Spool::open(folder, EventMaker::new("test"), Limits::default()).unwrap()
}

fn camera(name: &str) -> Option<CameraId> {
    Some(CameraId::new(name).unwrap())
}

/// An event with a number in it.
fn numbered(number: u64) -> Draft {
    let camera_event = Camera {
        state: CameraState::Offline,
        reason: Some("a reason of usual length, with a number".to_owned()),
        video: None,
        reconnects: number,
    };
    Draft::now(camera("door"), Body::Camera(camera_event))
}

fn number(event: &gstm2sd::events::Event) -> Option<u64> {
    match &event.body {
        Body::Camera(camera) => Some(camera.reconnects),
        _ => None,
    }
}
