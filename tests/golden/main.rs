//! The networks, alone and through the element, against what the reference code printed. Where no
//! network is needed, `golden_core.rs` compares.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod aligners;
mod element;
mod faces;
mod live;
mod media;
mod networks;
mod pipeline;
mod published;
mod roles;
#[path = "../support/mod.rs"]
mod support;
mod wheel;
