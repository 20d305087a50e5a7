//! Sound beside the pictures: what passes the audio pads, what clips hear, and what neither may
//! do to the other. The networks are analytic, so every score can be computed beforehand.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

#[path = "../support/mod.rs"]
mod data;

mod clips;
mod demuxed;
mod isolation;
mod lifecycle;
mod passing;
mod support;
mod timing;
