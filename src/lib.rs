//! Live detection of forged faces in GStreamer streams: the plugin `m2sd`, its element
//! `m2sdfilter`, and the parts they are made of.
//!
//! [`core`] is the method, free of any runtime; [`infer`] runs its networks; [`models`] turns
//! published checkpoints into network files; [`filter`] is the GStreamer element.

pub mod core;
#[cfg(feature = "plugin")]
pub mod filter;
#[cfg(feature = "infer")]
pub mod infer;
#[cfg(feature = "models")]
pub mod models;
