//! Network files: published checkpoints turned into ONNX, the manifest of known models, and where
//! to find the file for a role.

pub mod pickle;
pub mod torch;
