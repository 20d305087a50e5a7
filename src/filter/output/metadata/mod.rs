//! What is known of a frame's faces, in the forms that others read: `docs/metadata.md`.

#[cfg(feature = "v1_24")]
pub mod analytics;
pub mod classifier_name;
mod judgement;
pub mod messages;
pub mod roi;
pub mod unanalysed;
