//! Many cameras in one process: a supervised pipeline for each, events of what is seen, recordings of
//! alerts, and a REST server with a page.
//!
//! ```text
//! config ─► service ─► one supervisor thread for each camera ─► pipeline ─► m2sdfilter
//!              ▲                         │ bus messages, frames
//!              │ Control                 ▼
//!            rest ◄── CameraStatus   events::Spool ─► sinks
//! ```
//!
//! | file or folder | holds |
//! | --- | --- |
//! | `config` | what the file, and REST, say of a camera |
//! | `control` | what the REST server asks of the running service |
//! | `recording` | alerts as video files |
//! | `status` | what is known of a camera |

#![warn(missing_docs)]

use std::sync::LazyLock;

pub mod config;
pub mod control;
pub mod recording;
pub mod status;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("m2sdwatch", gst::DebugColorFlags::empty(), Some("m2sd watch"))
});
