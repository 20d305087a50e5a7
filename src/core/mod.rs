//! The method: what M2SD computes, with no GStreamer, no inference runtime, no clock, no threads.

pub mod align;
pub mod audio;
pub mod backoff;
pub mod continuity;
pub mod detect;
pub mod evidence;
pub mod explained;
pub mod geometry;
pub mod hex;
pub mod histogram;
pub mod image;
pub mod landmarks;
pub mod latest_wins;
pub mod modelinfo;
pub mod onnx;
pub mod orientation;
pub mod percent;
pub mod percentile;
pub mod presentation;
pub mod pressure;
pub mod quality;
pub mod redact;
pub mod sampling;
pub mod span;
pub mod track;
pub mod window;
