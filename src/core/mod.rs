//! The method: what M2SD computes, with no GStreamer, no inference runtime, no clock, no threads.

#[warn(missing_docs)]
pub mod align;
#[warn(missing_docs)]
pub mod audio;
#[warn(missing_docs)]
pub mod backoff;
#[warn(missing_docs)]
pub mod detect;
#[warn(missing_docs)]
pub mod geometry;
#[warn(missing_docs)]
pub mod image;
#[warn(missing_docs)]
pub mod landmarks;
pub mod modelinfo;
pub mod onnx;
#[warn(missing_docs)]
pub mod percentile;
pub mod schedule;
pub mod score;
pub mod track;
pub mod window;
