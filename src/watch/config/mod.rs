//! What the configuration file, and REST, say of a camera.
//!
//! | file | holds |
//! | --- | --- |
//! | `camera` | a camera, and what all cameras have where they say nothing else |
//! | `file` | the whole file |
//! | `time` | lengths of time as text |
//! | `properties` | properties of `m2sdfilter` as text and numbers |
//! | `problem` | what is wrong with a file, and in which line |
//! | `check` | what can be told to be wrong before anything is started |
//! | `credentials` | user names and passwords, which no text shows |

mod camera;
mod check;
mod credentials;
mod file;
mod problem;
mod properties;
mod time;

pub use camera::{CameraConfig, CameraSettings, Defaults, FilterConfig, Transport};
pub use check::{check, check_camera};
pub(crate) use credentials::shown;
pub use credentials::{Credentials, Secret};
pub use file::{
    LeasesSection, RecordingsSection, SinkSection, SpoolSection, WatchConfig, WatchSection,
};
pub use problem::{ConfigError, Positions, Problem, Severity};
pub use properties::FilterProperties;
pub use time::{InvalidPeriod, Period};
