//! Network files: published checkpoints turned into ONNX, the manifest of known models, and where
//! to find the file for a role.

pub mod advice;
pub mod arch;
pub mod checkpoint;
pub mod engine_file;
#[cfg(feature = "fetch")]
pub mod fetch;
mod file;
pub mod folders;
pub mod graph;
pub mod import;
mod inventory;
pub mod lock;
pub mod manifest;
pub mod onnx;
pub mod package;
pub mod pickle;
pub mod quantise;
pub mod remote;
pub mod repository;
pub mod resolve;
mod source;
mod store;
pub mod synth;
mod vouched;

#[cfg(feature = "watch")]
pub(crate) use file::write_private;
#[cfg(any(feature = "watch", feature = "evidence"))]
pub(crate) use file::write_whole;
#[cfg(feature = "evidence")]
pub(crate) use file::{folder, write_new};
pub use file::{known_sha256, sha256};
pub use inventory::{Listed, State, Verified, is_intact, list, verify};
pub use resolve::onnx_files;
pub use source::ModelSource;
pub use store::StoreError;
