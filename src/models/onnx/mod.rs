//! ONNX files: the messages that this project writes, and a look inside files that it is given.

pub(crate) mod bytes_in;
mod external;
pub(crate) mod proto;
pub(crate) mod quantise;
mod summary;

pub use summary::{Dim, OnnxError, Port, Summary, scan, summary};
