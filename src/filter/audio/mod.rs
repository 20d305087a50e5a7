//! Sound beside the pictures.
//!
//! ```text
//! audio_sink ─chain─► AudioIngest (16 kHz mono) ─► AudioHistory ─► clips, metadata
//!      │
//!      └─► AudioQueue ─► audio_src task: push
//! ```
//!
//! The pads pass buffers, events and queries on as they are, from a task of their own: nothing of
//! one medium waits for the other. What the chain function hears is copied into the [`AudioHistory`], from
//! which clips take the samples of their running time.
//!
//! | file | holds |
//! | --- | --- |
//! | `pads` | the pair of pads: requests, chain, events, queries, task |
//! | `queue` | the in-band queue between them, bounded in time |
//! | `ingest` | buffers of any format as 16 kHz mono samples |
//! | `history` | what was heard, and waiting for it |
//! | `waiting` | clips that wait for their sound |

mod history;
mod ingest;
mod pads;
mod queue;

mod waiting;

pub use history::{AudioHistory, Patience};
pub use pads::AudioPads;
pub use waiting::WaitingClips;
