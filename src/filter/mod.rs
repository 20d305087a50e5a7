//! The GStreamer element `m2sdfilter`.
//!
//! ```text
//! sink ─chain─► InputQueue ─► analysis thread: convert, detect, track, crop ─► windows ─► classifier pool
//!                              │ frame + faces                                          │ scores
//!                              ▼                                                        ▼
//!                           OutputQueue (frames and events in order, score board) ◄──────────┘
//!                              ▼
//!                        src task: attach metadata, draw, push
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `imp` | the class: properties, pads, state changes |
//! | `settings` | what the properties say, and the snapshot a run works with |
//! | `session`, `supply` | finding and loading the engines; what happens when they fail |
//! | `shared` | what the threads share |
//! | `flow` | pad functions: chain, events, queries |
//! | `inbox`, `outbox` | the two in-band queues between the three threads |
//! | `pixels`, `inputs` | a buffer as the core's frame view, and as the networks read it |
//! | `copies` | frames in memory of our own |
//! | `analysis`, `scene` | the analysis thread, and what it does with a frame |
//! | `clips`, `spare` | clips on their way through the classifier, and their memory |
//! | `delivery`, `task` | the source pad's task |
//! | `negotiate` | overlay, allocation, latency |
//! | `audio` | the audio pads, and what is heard on them |
//! | `attach`, `analytics`, `overlay`, `messages`, `stats`, `stages` | what leaves the element |

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::prelude::*;

mod analysis;
mod audio;
mod debug;
mod engines;
mod generation;
mod imp;
mod input;
mod memory;
mod output;
mod pad_task;
mod running_time;
mod settings;
mod shared;
mod stats;

pub use analysis::clips::ClipPixels;
pub use engines::loading::{ModelFiles, SessionError};
pub use settings::{
    ChannelOrder, LandmarkSource, Mode, OnError, OrientationSource, Precision, Provider,
};

glib::wrapper! {
    /// The element. Create it by its factory name, `m2sdfilter`.
    pub struct M2sdFilter(ObjectSubclass<imp::M2sdFilter>)
        @extends gst::Element, gst::Object;
}

impl M2sdFilter {
    /// The files that the element loads with its present settings.
    ///
    /// # Errors
    /// When a model is missing or a setting names nothing.
    pub fn model_files(&self) -> Result<ModelFiles, SessionError> {
        ModelFiles::find(&self.imp().settings())
    }

    /// Has `tap` see the aligned pictures of every clip that goes to the classifier, just before
    /// it does, on the thread that prepares clips: while it runs, the analysis waits, and in live
    /// mode clips are skipped. Only the first call on an element counts.
    pub fn on_clip(&self, observer: impl Fn(&ClipPixels<'_>) + Send + Sync + 'static) {
        self.imp().shared.set_clip_observer(Box::new(observer));
    }
}

/// Registers the element with GStreamer.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    for enumeration in [
        ChannelOrder::static_type(),
        Mode::static_type(),
        OnError::static_type(),
        LandmarkSource::static_type(),
        OrientationSource::static_type(),
        Precision::static_type(),
        Provider::static_type(),
    ] {
        enumeration.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "m2sdfilter", gst::Rank::NONE, M2sdFilter::static_type())
}
