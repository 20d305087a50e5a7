//! The method: what M2SD computes, with no GStreamer, no inference runtime, no clock, no threads.

pub mod align;
pub mod audio;
pub mod backoff;
pub mod detect;
pub mod geometry;
pub mod image;
pub mod landmarks;
pub mod modelinfo;
pub mod onnx;
pub mod percentile;
pub mod schedule;
pub mod score;
pub mod track;
pub mod window;
