//! What comes in: pad functions, negotiation, the queue to the analysis thread.

pub mod negotiation;
pub mod pads;
pub mod queue;
