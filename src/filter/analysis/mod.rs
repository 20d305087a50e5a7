//! The analysis thread: what comes out of the input queue is analysed and goes on to the output
//! queue.
//!
//! Until the models are loaded, `live` passes frames through and `complete` waits. When they fail
//! later, frames pass in both.
//!
//! | file | holds |
//! | --- | --- |
//! | `worker` | the thread's beginning and end |
//! | `frames` | a frame's way through it |
//! | `format`, `pixels` | what frames are like, and how they are read |
//! | `face_detector`, `face_analyzer`, `model_inputs` | detection, on a thread of its own |
//! | `stream` | the faces that hold, and what clips need of them |
//! | `tracks` | where tracks end |
//! | `clip_assembly`, `clips`, `clip_observer`, `buffer_pool` | clips on their way to the classifier |
//! | `models` | models that become ready or fail |

pub mod buffer_pool;
mod clip_assembly;
pub mod clip_observer;
pub mod clips;
pub mod face_analyzer;
pub mod face_detector;
pub mod format;
mod frames;
mod model_inputs;
mod models;
pub mod pixels;
mod stream;
#[cfg(test)]
mod tests;
mod tracks;
mod worker;

use std::sync::Arc;
use std::time::Instant;

use glib::subclass::prelude::*;
use gst::prelude::*;

use self::clip_assembly::ClipAssembly;
use self::format::StreamFormat;
use self::stream::Stream;
use self::tracks::TrackEnd;
use crate::core::continuity::Continuity;
use crate::core::orientation::Orientation;
use crate::core::pressure::Pressure;
use crate::core::track::{TrackParams, Tracker};
use crate::core::window::FrameNumber;
use crate::filter::M2sdFilter;
use crate::filter::audio::WaitingClips;
use crate::filter::debug::CAT;
use crate::filter::engines::loading::Tickets;
use crate::filter::engines::supervisor::{EngineSupervisor, Loader};
use crate::filter::generation::{Generation, Stale};
use crate::filter::input::queue::Input;
use crate::filter::output::queue::{Output, is_end};
use crate::filter::running_time::Segment;
use crate::filter::settings::{Delivery, Settings};
use crate::filter::shared::Shared;
use crate::infer::CancelToken;
pub use stream::FaceSample;
pub use worker::Worker;

struct Analysis {
    element: glib::WeakRef<M2sdFilter>,
    shared: Arc<Shared>,
    settings: Settings,
    cancel: CancelToken,
    supervisor: EngineSupervisor,
    generation: Generation,
    /// What clips of this generation are submitted with.
    tickets: Tickets,
    /// The frame that is being analysed, else the next one.
    present: FrameNumber,
    /// When the newest frame is shown, and when it came.
    newest: Option<(Option<u64>, Instant)>,
    continuity: Continuity,
    pressure: Pressure,
    /// Outlives caps and flushes, so that no two faces of a run have the same number.
    tracker: Tracker,
    stream_id: Option<glib::GString>,
    segment: Option<Segment>,
    /// As the stream says.
    orientation: Orientation,
    /// Of the caps that hold.
    info: Option<gst_video::VideoInfo>,
    /// Once a run.
    warned_of_interlacing: bool,
    stream: Option<Stream>,
    /// Once the classifier is loaded.
    clips: Option<ClipAssembly>,
    /// Started with the first clip that has sound.
    waiting: Option<WaitingClips>,
    /// That the stream has few frames has been said.
    told_slow: bool,
}

impl Analysis {
    /// Starts the loading of the models.
    fn new(
        element: &M2sdFilter,
        settings: Settings,
        cancel: CancelToken,
        loader: Loader,
    ) -> std::io::Result<Self> {
        let supervisor =
            EngineSupervisor::start(element, settings.clone(), cancel.clone(), loader)?;
        Ok(Self {
            element: element.downgrade(),
            shared: Arc::clone(&element.imp().shared),
            supervisor,
            settings,
            cancel,
            generation: Generation::default(),
            tickets: Tickets::default(),
            present: 0,
            newest: None,
            continuity: Continuity::default(),
            pressure: Pressure::default(),
            tracker: Tracker::new(TrackParams::default()),
            stream_id: None,
            segment: None,
            orientation: Orientation::default(),
            info: None,
            warned_of_interlacing: false,
            stream: None,
            clips: None,
            waiting: None,
            told_slow: false,
        })
    }

    fn run(&mut self) {
        while let Some((generation, input)) = self.shared.input.pop() {
            if generation != self.generation {
                self.begin_generation(generation);
            }
            let passed = match input {
                Input::Frame { buffer, arrived } => self.frame(buffer, arrived),
                Input::Event(event) => self.event(event),
                Input::Query(query) => {
                    if query.closes_windows && self.delivery() == Delivery::Complete {
                        self.close_windows();
                    }
                    self.pass(Output::Query(query))
                }
            };
            if passed.is_err() {
                gst::debug!(CAT, "Flushed while analysing");
            }
        }
    }

    /// A flush came: what was known of faces is about another place of the stream. Whoever flushed
    /// has cancelled what was under way.
    fn begin_generation(&mut self, generation: Generation) {
        self.generation = generation;
        if let Some(engine) = self.supervisor.clips.get() {
            self.tickets = engine.tickets();
        }
        // Nothing of before may become a clip; what waits is stale.
        if let Some(clips) = &mut self.clips {
            clips.clear();
        }
        self.end_tracks(TrackEnd::Flush);
        self.continuity.reset();
        self.pressure = Pressure::default();
        self.newest = None;
    }

    fn pass(&self, output: Output) -> Result<(), Stale> {
        self.shared.output.push(self.generation, output)
    }

    fn delivery(&self) -> Delivery {
        let of_element = || self.shared.latency_params().delivery;
        self.stream.as_ref().map_or_else(of_element, |stream| stream.format.delivery)
    }

    /// Posts an element error and makes upstream stop.
    fn fail(&self, text: &str) {
        if let Some(element) = self.element.upgrade() {
            gst::element_error!(element, gst::StreamError::Failed, ("{text}"));
        }
        self.shared.fail_explained();
    }

    /// Posts an element warning; the stream goes on.
    fn warn(&self, text: &str) {
        if let Some(element) = self.element.upgrade() {
            gst::element_warning!(element, gst::StreamError::Failed, ("{text}"));
        }
    }

    fn event(&mut self, event: gst::Event) -> Result<(), Stale> {
        match event.view() {
            gst::EventView::StreamStart(start) => self.stream_start(start),
            gst::EventView::Caps(caps) => self.caps(caps.caps()),
            gst::EventView::Tag(tags) => self.tags(tags.tag()),
            gst::EventView::Segment(segment) => {
                self.segment = segment.segment().clone().downcast().ok();
            }
            gst::EventView::Gap(gap) => {
                let (start, length) = gap.get();
                self.gap(start, length.unwrap_or_default());
            }
            _ if is_end(&event) => self.end_tracks(TrackEnd::StreamEnd),
            _ => {}
        }
        self.pass(Output::Event(event))
    }

    /// The same stream may say again which it is, after a flush or a new link.
    fn stream_start(&mut self, start: &gst::event::StreamStart) {
        let id = Some(start.stream_id().into());
        if self.stream_id.is_some() && self.stream_id != id {
            self.end_tracks(TrackEnd::NewStream);
            self.orientation = Orientation::default();
        }
        self.stream_id = id;
    }

    /// Nothing is shown for a while. That ends tracks if it is long, as a missing frame would.
    fn gap(&mut self, start: gst::ClockTime, length: gst::ClockTime) {
        let Some(segment) = &self.segment else { return };
        let end = start.saturating_add(length);
        let end = segment.stop().map_or(end, |stop| end.min(stop));
        let Some(time) = segment.to_running_time(end) else { return };
        if let Some(found) = self.continuity.nothing_until(time.nseconds()) {
            self.end_tracks(TrackEnd::Break(found));
        }
    }

    fn caps(&mut self, caps: &gst::CapsRef) {
        match gst_video::VideoInfo::from_caps(caps) {
            Ok(info) => {
                self.warn_of_pictures(&info);
                self.info = Some(info);
                self.change_format();
            }
            Err(error) => self.fail(&format!("{caps} are no caps of raw video: {error}")),
        }
    }

    /// Says what these caps promise that faces cannot be judged by.
    fn warn_of_pictures(&mut self, info: &gst_video::VideoInfo) {
        let par = |info: &gst_video::VideoInfo| info.par();
        let is_new = self.info.as_ref().map(par) != Some(info.par());
        if is_new && format::pixel_aspect(info).is_none() {
            self.warn(&format!(
                "no video has a pixel-aspect-ratio of {}/{}: pixels are taken as square. Put \
                 capssetter in front to say how wide they are",
                info.par().numer(),
                info.par().denom()
            ));
        }
        let is_interlaced = info.is_interlaced();
        if is_interlaced && !std::mem::replace(&mut self.warned_of_interlacing, true) {
            self.warn(
                "the video is interlaced: a frame shows two moments in alternate rows, which neither \
                 detectors nor classifiers were made for. Put deinterlace in front: \
                 … ! deinterlace fields=top ! m2sdfilter ! …",
            );
        }
    }

    fn tags(&mut self, tags: &gst::TagListRef) {
        let Some(tag) = tags.get::<gst::tags::ImageOrientation>() else { return };
        match Orientation::from_tag(tag.get()) {
            Some(orientation) if orientation == self.orientation => {}
            Some(orientation) => {
                gst::info!(CAT, "Frames are {}", orientation.as_tag());
                self.orientation = orientation;
                self.change_format();
            }
            None => gst::warning!(CAT, "The tag image-orientation={} is not known", tag.get()),
        }
    }

    /// Goes on with frames of other caps or another orientation. Faces stay whose they are; where
    /// places change, boxes are carried over and clips begin anew, as one transform aligns a clip.
    fn change_format(&mut self) {
        let delivery = self.shared.latency_params().delivery;
        let Some(info) = self.info.clone() else { return };
        let orientation = self.settings.orientation.resolve(self.orientation);
        let Some(format) = StreamFormat::new(info, orientation, delivery) else {
            return self.fail("the caps promise frames without pixels");
        };
        let format = Arc::new(format);
        if self.stream.as_ref().is_some_and(|stream| stream.format.delivery != delivery) {
            self.end_tracks(TrackEnd::ModeChanged);
            self.stream = None;
        }
        let changed = match &mut self.stream {
            None => {
                let stages = self.shared.stats.stages.clone();
                let stream = Stream::new(Arc::clone(&format), &self.settings, stages);
                stream.map(|stream| self.stream = Some(stream))
            }
            Some(stream) => {
                let before = Arc::clone(&stream.format);
                if !before.has_places_of(&format) {
                    self.tracker.map_boxes(|bbox| before.box_in(bbox, &format));
                    self.close_windows();
                }
                match &mut self.stream {
                    Some(stream) => stream.change_format(format),
                    None => Ok(()),
                }
            }
        };
        if let Err(error) = changed {
            self.fail(&error.to_string());
        }
        self.configure_output();
        self.assemble_clips();
    }
}

impl Drop for Analysis {
    /// Nobody may keep the classifier once its run is over.
    fn drop(&mut self) {
        self.shared.set_clip_cancellers(Vec::new());
    }
}
