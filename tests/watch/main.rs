//! `m2sd watch`: cameras that fail beside cameras that do not.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod alerts;
mod command;
mod configuration;
mod cycles;
mod failures;
mod files;
#[path = "../support/ports.rs"]
mod ports;
mod preview;
#[path = "../support/resident.rs"]
mod resident;
mod server;
#[path = "../events/servers.rs"]
#[allow(dead_code, reason = "another test program uses the rest")]
mod servers;
mod support;
mod transports;
mod workers;

use support::PATIENCE;
