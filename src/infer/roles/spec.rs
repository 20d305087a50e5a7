//! What a classifier is fed.

use crate::core::image::{ChannelOrder, PixelValues};
use crate::core::modelinfo::ModelInfo;
use crate::infer::info::EngineInfo;

/// What an audio-visual classifier wants to hear beside a clip: `[1,mels,frames]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpec {
    pub mels: usize,
    pub frames: usize,
}

/// What a classifier wants and how it runs; stays with those who submit clips while the classifier
/// itself is with its [`crate::infer::Pool`].
#[derive(Clone, Debug)]
pub struct ClassifierSpec {
    /// T: how many consecutive frames make a clip.
    pub frames: usize,
    /// S: the side of the square frames.
    pub size_px: usize,
    /// RGB unless the sidecar says otherwise.
    pub channel_order: ChannelOrder,
    /// Bytes where the network takes these, else floats, normalised as ImageNet's RGB unless the
    /// sidecar says otherwise.
    pub values: PixelValues,
    /// What the network wants to hear, if anything.
    pub audio: Option<AudioSpec>,
    /// Whether several clips can share a run.
    pub batches: bool,
    pub sidecar: ModelInfo,
    pub info: EngineInfo,
}
