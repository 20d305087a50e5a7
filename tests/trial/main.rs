//! Trials that take minutes: `make trial`. Not part of `make test`.
#![allow(clippy::unwrap_used)]

#[path = "../support/ports.rs"]
mod ports;
#[path = "../events/servers.rs"]
#[allow(dead_code)]
mod servers;

mod cameras;
mod load;
mod nothing_lost;

use std::time::Duration;

/// More than any wait takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
