//! What leaves: the queue to the source pad's task, metadata, messages, drawings.

pub mod delivery;
pub mod frame;
pub mod frame_pool;
pub mod metadata;
pub mod overlay;
pub mod queue;
