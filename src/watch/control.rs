//! What the REST server asks of the running service.

use std::path::PathBuf;

use tokio::sync::watch::Receiver;

use super::config::CameraConfig;
use super::status::{CameraStatus, Jpeg, ModelStatus, RecordingStatus};
use crate::events::CameraId;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such camera.
    #[error("there is no camera {0}")]
    NoCamera(CameraId),
    /// What was asked for cannot be; the text says what was found and what was expected.
    #[error("{0}")]
    Invalid(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// The running service, as others than its supervisors see it. No call waits for a camera: what it
/// asks for has been begun when it returns.
pub trait Control: Send + Sync {
    /// Every camera, by id.
    fn cameras(&self) -> Vec<CameraStatus>;
    /// One camera.
    fn camera(&self, id: &CameraId) -> Option<CameraStatus>;
    /// What a camera is configured as; credentials are not in it.
    fn config(&self, id: &CameraId) -> Option<CameraConfig>;
    /// Adds a camera, or changes the one of this id. Returns whether it was added.
    ///
    /// # Errors
    /// When the configuration cannot work, or cannot be kept.
    fn put(&self, config: CameraConfig) -> Result<bool, ControlError>;
    /// Removes a camera.
    ///
    /// # Errors
    /// When there is none.
    fn remove(&self, id: &CameraId) -> Result<(), ControlError>;
    /// Reads the configuration file again.
    ///
    /// # Errors
    /// When it cannot be read: nothing has changed then.
    fn reload(&self) -> Result<(), ControlError>;
    /// The newest frame with its boxes, a few times a second while somebody receives; `None` inside:
    /// none has come yet. `None`: there is no such camera.
    fn preview(&self, id: &CameraId) -> Option<Receiver<Option<Jpeg>>>;
    /// The networks.
    fn models(&self) -> Vec<ModelStatus>;
    /// The newest recordings first.
    fn recordings(&self) -> Vec<RecordingStatus>;
    /// The file of a recording: its video, or a still. `None` where nothing has this name.
    fn recording_file(&self, name: &str) -> Option<PathBuf>;
    /// Whether every camera has been started and the models are loaded.
    fn ready(&self) -> bool;
}
