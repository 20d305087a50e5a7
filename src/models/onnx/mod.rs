//! ONNX files: the messages that this project writes, and a look inside files that it is given.

pub(crate) mod bytes_in;
mod compiled;
mod external;
mod half;
pub(crate) mod proto;
pub(crate) mod quantise;
mod rewrite;
mod summary;

pub use compiled::forget_compatibility;
pub use half::{Attention, HalfError, to_half};
pub use summary::{Dim, OnnxError, Port, Summary, scan, summary};
