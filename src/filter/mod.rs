//! The GStreamer element `m2sdfilter`.
//!
//! ```text
//! sink ─chain─► InputQueue ─► analysis thread ──────────► windows ─► classifier pool
//!                               │ frame + faces                        │ scores
//!                               ▼                                      ▼
//!                             OutputQueue (frames and events) ◄── VerdictBoard
//!                               ▼
//!                             source task: metadata, drawing, push
//! ```
//!
//! | folder or file | holds |
//! | --- | --- |
//! | `imp` | the class: properties, pads, state changes |
//! | `settings` | what the properties say, and the snapshot a run works with |
//! | `shared` | what the threads share |
//! | `input` | pad functions, negotiation, the queue to the analysis thread |
//! | `analysis` | the analysis thread and the detection thread; tracks; clips on their way |
//! | `output` | the queue to the source pad's task, metadata, messages, drawing |
//! | `engines` | finding, loading and supervising the models |
//! | `audio` | the audio pads, and what is heard on them |
//! | `stats` | counters and stage times |
//! | `debug`, `generation`, `memory`, `pad_task`, `running_time` | small things of their own |
//!
//! `docs/architecture.md` follows a frame and a clip from function to function.

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::prelude::*;

mod analysis;
mod audio;
mod debug;
mod engines;
mod generation;
#[allow(missing_docs, reason = "each property's blurb says what it is")]
mod imp;
mod input;
mod memory;
mod output;
mod pad_task;
mod running_time;
mod settings;
mod shared;
mod stats;

use std::path::PathBuf;

use crate::core::modelinfo::Role;
use crate::infer::CancelToken;

pub use analysis::clip_observer::ClipPixels;
pub use engines::error::SessionError;
pub use engines::finding::{ClassifierFile, ModelFiles};
pub use settings::{
    ChannelOrderSource, LandmarkSource, Mode, OnError, OrientationSource, Precision, Provider,
};

glib::wrapper! {
    /// The element. Create it by its factory name, `m2sdfilter`.
    pub struct M2sdFilter(ObjectSubclass<imp::M2sdFilter>)
        @extends gst::Element, gst::Object;
}

impl M2sdFilter {
    /// The networks that the element loads with its present settings. Servers are asked what theirs are.
    ///
    /// # Errors
    /// When a model is missing or a setting names nothing.
    pub fn model_files(&self) -> Result<ModelFiles, SessionError> {
        ModelFiles::find(&self.imp().settings(), &CancelToken::new())
    }

    /// The files of those networks, for those who take them elsewhere; the detector may be `none`, too.
    ///
    /// # Errors
    /// As [`Self::model_files`], and for networks that are on servers.
    pub fn model_paths(&self) -> Result<Vec<(Role, PathBuf)>, SessionError> {
        ModelFiles::paths(&self.imp().settings())
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
        ChannelOrderSource::static_type(),
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
