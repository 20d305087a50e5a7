//! Engines on real networks and real libraries, and the pool on engines that do as they are told.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod common;
mod contract;
#[path = "../support/mod.rs"]
mod data;
mod detectors;
mod engines;
mod gpu;
mod half;
mod library;
mod loading;
mod openvino;
mod pool;
mod roles;
mod staging;
