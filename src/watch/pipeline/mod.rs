//! A camera's pipeline.
//!
//! ```text
//! rtspsrc | urisourcebin ─► parsebin ─► parser ─► encoded ─► decodebin ─┐
//! v4l2src | videotestsrc | drawn ──────────(encoder, if recorded)───────┤
//!                                                                       ▼
//!               sink ◄─ m2sdfilter ◄─ upright ◄─ clocksync, where nothing else keeps time
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `address` | what a camera's address is of |
//! | `source` | the elements that read it |
//! | `drawn` | a camera of drawn faces |
//! | `clock` | when frames were seen |
//! | `jitter` | what GStreamer 1.22's jitter buffers need |
//! | `upright` | whole and upright frames |
//! | `traffic` | bytes and frames that come |
//! | `view` | the newest frame: its faces, and its picture |
//! | `failure` | errors in words |

pub mod address;
mod clock;
mod drawn;
pub mod failure;
pub mod jitter;
mod source;
pub mod traffic;
pub mod upright;
pub mod view;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;

use self::address::Source;
use self::clock::StreamClock;
use self::jitter::JitterBuffers;
use self::traffic::Traffic;
use self::view::View;
use super::bounded;
use super::config::{CameraSettings, Credentials, FilterProperties};
use crate::events::{TimeSource, UtcTime};
use crate::filter::M2sdFilter;

/// What a pipeline is made of.
pub struct Recipe<'a> {
    /// The camera's.
    pub settings: &'a CameraSettings,
    /// Where its frames come from.
    pub source: &'a Source,
    /// Who logs in.
    pub credentials: &'a Credentials,
    /// The folder with models where the camera names none.
    pub engines: Option<&'a Path>,
    /// Whether what is encoded must come by [`CameraPipeline::encoded`].
    pub encoded: bool,
    /// What shows the newest frame.
    pub view: &'a Arc<View>,
}

/// A camera's pipeline, which plays once [`CameraPipeline::start`] is called.
pub struct CameraPipeline {
    pipeline: gst::Pipeline,
    filter: M2sdFilter,
    bus: gst::Bus,
    traffic: Arc<Traffic>,
    network: Arc<JitterBuffers>,
    clock: Arc<StreamClock>,
    encoded: Option<gst::Pad>,
}

/// Makes an element.
fn make(factory: &str) -> Result<gst::Element, String> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        format!("GStreamer has no element {factory}; m2sd doctor tells which package to install")
    })
}

/// Makes a bin of a launch line.
fn bin(launch: &str) -> Result<gst::Element, String> {
    let bin = gst::parse::bin_from_description(launch, true);
    bin.map(|bin| bin.upcast()).map_err(|error| error.to_string())
}

impl CameraPipeline {
    /// # Errors
    /// When elements are missing or a property cannot be set.
    pub fn build(recipe: &Recipe<'_>) -> Result<Self, String> {
        let pipeline = gst::Pipeline::builder().name(recipe.settings.id.as_str()).build();
        let filter = filter(recipe)?;
        let upright = upright::upright().map_err(|error| error.to_string())?;
        let sink = make("fakesink")?;
        sink.set_property("sync", false);
        sink.set_property("enable-last-sample", false);
        let mut way = vec![upright, filter.clone().upcast(), sink];
        if !recipe.source.is_live() {
            way.insert(0, make("clocksync")?);
        }
        pipeline.add_many(&way).map_err(|error| error.to_string())?;
        gst::Element::link_many(&way).map_err(|error| error.to_string())?;
        let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
        let (traffic, network) = (Arc::<Traffic>::default(), Arc::<JitterBuffers>::default());
        // Before the filter, so that a filter that is held up is not taken for a camera that is.
        if let Some(pad) = filter.static_pad("sink").and_then(|pad| pad.peer()) {
            traffic.count_frames(&pad);
        }
        if let Some(pad) = filter.static_pad("src") {
            recipe.view.follow(&pad);
        }
        let decoded = way[0].static_pad("sink").ok_or("the way has no beginning")?;
        let clock = Arc::<StreamClock>::default();
        let intake =
            source::Intake { pipeline: &pipeline, decoded, traffic: &traffic, clock: &clock };
        let encoded = intake.add(recipe, &network)?;
        Ok(Self { pipeline, filter, bus, traffic, network, clock, encoded })
    }

    /// What its elements say.
    pub fn bus(&self) -> &gst::Bus {
        &self.bus
    }

    /// The pipeline itself, for clocks and times.
    pub fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

    /// Its filter.
    pub fn filter(&self) -> &M2sdFilter {
        &self.filter
    }

    /// What comes through it.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// When a frame of this running time, in nanoseconds, was seen.
    pub fn utc(&self, running_time: Option<u64>) -> (UtcTime, TimeSource) {
        self.clock.utc(running_time, &self.pipeline)
    }

    /// The pad by which the parsed, encoded video comes: whole pictures (`alignment=au`). `None`
    /// where frames are not encoded on their way.
    pub fn encoded(&self) -> Option<&gst::Pad> {
        self.encoded.as_ref()
    }

    /// Whether the sender has said that its streams are over.
    pub fn network_ended(&self) -> bool {
        self.network.all_ended()
    }

    /// Whether the source has an end by itself.
    pub fn is_finite(&self) -> bool {
        self.pipeline.query_duration::<gst::ClockTime>().is_some()
    }

    /// Starts it. Not on the caller's thread: opening an input may take for ever. What fails is on
    /// the bus.
    pub fn start(&self) {
        let (pipeline, bus) = (self.pipeline.clone(), self.bus.clone());
        bounded::start(move || {
            if pipeline.set_state(gst::State::Playing).is_err() {
                // Behind the error that explains itself, if there is one.
                let text = "an element cannot be started";
                let error = gst::message::Error::builder(gst::CoreError::StateChange, text);
                // Nobody listens when it is over.
                let _ = bus.post(error.src(&pipeline).build());
            }
        });
    }

    /// Plays from the beginning again. Not on the caller's thread, as with [`Self::start`].
    pub fn begin_again(&self) {
        let (pipeline, bus) = (self.pipeline.clone(), self.bus.clone());
        bounded::start(move || {
            let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
            if pipeline.seek_simple(flags, gst::ClockTime::ZERO).is_err() {
                let text = "the file cannot be played from its beginning again";
                let error = gst::message::Error::builder(gst::ResourceError::Seek, text);
                let _ = bus.post(error.src(&pipeline).build());
            }
        });
    }

    /// Tells the pipeline how much latency its elements have, which some of them have changed.
    pub fn update_latency(&self) {
        self.pipeline.call_async(|pipeline| {
            // A sink that does not wait needs none.
            let _ = pipeline.recalculate_latency();
        });
    }

    /// Stops it, for so long at most; returns whether it has stopped. One that has not is left alone.
    pub fn tear_down(self, limit: Duration) -> bool {
        self.bus.set_flushing(true);
        let (pipeline, network) = (self.pipeline.clone(), Arc::clone(&self.network));
        self.network.wake();
        let stopped = bounded::run_waking(
            limit,
            move || network.wake(),
            // Going down cannot fail in a way that matters now.
            move || {
                let _ = pipeline.set_state(gst::State::Null);
            },
        );
        stopped.is_some()
    }
}

fn filter(recipe: &Recipe<'_>) -> Result<M2sdFilter, String> {
    let filter: M2sdFilter = make("m2sdfilter")?
        .downcast()
        .map_err(|_| "another plugin owns the name m2sdfilter".to_owned())?;
    filter.set_property_from_str("mode", "live");
    filter.set_property("draw", true);
    if let Some(folder) = recipe.engines.and_then(Path::to_str) {
        filter.set_property("engines-dir", folder);
    }
    FilterProperties::new().apply(&filter, &recipe.settings.filter)?;
    Ok(filter)
}
