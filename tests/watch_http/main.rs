//! The REST server with made-up cameras, and its page in a real browser.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod access;
mod api;
#[path = "../support/browser.rs"]
mod browser;
mod client;
mod control;
mod events;
mod media;
mod metrics;
mod openapi;
mod page;
mod recordings;
