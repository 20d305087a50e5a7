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
//! | `status` | what is known of a camera |
//! | `leases` | cameras that several workers share |

#![warn(missing_docs)]

pub mod config;
pub mod control;
pub mod leases;
pub mod status;
