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
//! | `pipeline` | a camera's pipeline |
//! | `supervisor` | when it is started, stopped and started again |
//! | `service` | all cameras together |
//! | `process` | the whole of `m2sd watch` |
//! | `models` | the networks that cameras run |
//! | `kept` | what REST has changed, over restarts |
//! | `control` | what the REST server asks of the running service |
//! | `recording` | alerts as video files |
//! | `rest` | the REST server and the page |
//! | `status` | what is known of a camera |
//! | `leases` | cameras that several workers share |
//! | `sharing` | this worker's part of them |
//! | `jpeg` | frames as JPEG |
//! | `bounded` | work that may never return |

use std::sync::LazyLock;

pub mod bounded;
pub mod config;
pub mod control;
mod jpeg;
mod kept;
pub mod leases;
mod models;
pub mod pipeline;
pub mod process;
pub mod recording;
pub mod rest;
pub mod service;
mod sharing;
pub mod status;
pub mod supervisor;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("m2sdwatch", gst::DebugColorFlags::empty(), Some("m2sd watch"))
});
