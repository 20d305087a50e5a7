//! The element `m2sdfilter` with the analytic networks: faces are drawn, so every box and score
//! that must come out is known beforehand.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod aspect;
mod cancellation;
mod continuity;
mod cycles;
mod detectors;
mod determinism;
mod engines;
mod ensemble;
mod errors;
mod events;
mod evidence;
mod exchange;
mod extremes;
mod faces;
mod flow;
mod formats;
mod interlaced;
mod lifecycle;
mod metadata;
mod negotiation;
mod orientation;
mod picture;
#[cfg(feature = "publish")]
#[path = "../support/ports.rs"]
mod ports;
mod pressure;
mod process;
#[cfg(feature = "publish")]
mod publish;
mod recovery;
mod sampling;
mod scripted;
mod sizes;
mod support;
mod surface;
mod unscored;
mod windows;
