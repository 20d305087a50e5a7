//! ONNX files: the messages that this project writes, and a look inside files that it is given.

pub(crate) mod bytes_in;
pub(crate) mod proto;
mod summary;
mod wire;

pub(crate) use summary::COMPILED;
pub use summary::{Dim, OnnxError, Port, Summary, scan, summary};
