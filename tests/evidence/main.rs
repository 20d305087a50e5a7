//! Seals, time stamps, provenance and repetition, as a library.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

#[path = "../support/authority.rs"]
mod authority;
mod keys;
#[path = "../support/ports.rs"]
mod ports;
#[cfg(feature = "c2pa")]
mod provenance;
mod reproduce;
mod seal;
mod timestamp;
