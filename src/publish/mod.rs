//! From GStreamer to events: what `m2sdfilter` tells, as [`events`](crate::events), and the element
//! `m2sdpublish` that sends them.
//!
//! | file | holds |
//! | --- | --- |
//! | `element` | `m2sdpublish` |
//! | `translate` | the structures of messages as the bodies of events |
//! | `wall_clock` | running time as UTC |

mod element;
mod translate;
mod wall_clock;

pub use element::{M2sdPublish, register};
pub use translate::{Told, translate};
pub use wall_clock::WallClock;
