//! `m2sd watch`: cameras that fail beside cameras that do not.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod command;
mod configuration;
mod cycles;
mod failures;
mod files;
mod preview;
mod server;
mod support;
