//! The pipeline of a scan: `uridecodebin → upright → filter → encoder → muxer → file`.
//! `upright` also makes interlaced video progressive.

use std::ops::Range;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst::prelude::*;
use gstm2sd::filter::M2sdFilter;
use gstm2sd::watch::pipeline::upright::upright;

use super::gate::Gate;
use super::running_time::running_time;
use super::source::SourceWatch;
use crate::bounded;
use crate::encode::Encoders;
use crate::error::CliError;
use crate::partial_file::PartialFile;

/// How long elements may take to change their state.
const STATE_TIME: Duration = Duration::from_secs(1);

/// A pipeline and the parts of it that a scan deals with.
pub struct ScanPipeline {
    pub pipeline: gst::Pipeline,
    pub source: gst::Element,
    pub watch: Arc<SourceWatch>,
    pub gate: Arc<Gate>,
    /// What of the input is analysed.
    range: Option<Range<gst::ClockTime>>,
    /// Holds decoded frames for the filter.
    intake: gst::Element,
    /// Whether everything has come to where it ends.
    ended: Arc<AtomicBool>,
    has_video: bool,
    /// Something cannot be written.
    is_broken: AtomicBool,
    /// The pads by which video and sound come to their encoders.
    encoders: Arc<Mutex<Vec<gst::Pad>>>,
}

fn make(factory: &str) -> Result<gst::Element, CliError> {
    gst::ElementFactory::make(factory).build().map_err(CliError::runtime)
}

fn bin(description: &str) -> Result<gst::Element, CliError> {
    let bin = gst::parse::bin_from_description(description, true);
    bin.map(|bin| bin.upcast()).map_err(CliError::runtime)
}

/// Writes into a file that this process has begun.
///
/// # Errors
/// When the element is missing or no file can be opened any more.
pub fn file_sink(file: &PartialFile) -> Result<gst::Element, CliError> {
    let fd = file.file().try_clone().map_err(CliError::input)?.into_raw_fd();
    let sink = make("fdsink")?;
    // Never closed: a pipeline that was abandoned must not write where another file was opened.
    sink.set_property("fd", fd);
    sink.set_property("sync", false);
    Ok(sink)
}

impl ScanPipeline {
    /// # Errors
    /// When elements are missing.
    pub fn build(
        uri: &str,
        filter: &M2sdFilter,
        video: Option<(&PartialFile, &Encoders)>,
        range: Option<Range<gst::ClockTime>>,
    ) -> Result<Self, CliError> {
        let pipeline = gst::Pipeline::with_name("scan");
        let source = make("uridecodebin")?;
        source.set_property("uri", uri);
        let intake = gst::ElementFactory::make("queue").property("max-size-buffers", 4u32).build();
        let intake = intake.map_err(CliError::runtime)?;
        let upright = upright().map_err(CliError::runtime)?;
        let mut muxer = None;
        let mut end = None;
        let after = match video {
            None => bin("fakesink sync=false")?,
            Some((file, encoders)) => {
                // Not a bin: its request pads must be in reach.
                let mux = gst::parse::launch(encoders.muxer).map_err(CliError::runtime)?;
                let sink = file_sink(file)?;
                pipeline.add_many([&mux, &sink]).map_err(CliError::runtime)?;
                mux.link(&sink).map_err(CliError::runtime)?;
                end = sink.static_pad("sink");
                if encoders.is_of_picture() {
                    keep_first(&sink);
                }
                muxer = Some((mux, encoders.audio));
                bin(&format!("queue ! videoconvert ! {} ! queue", encoders.video))?
            }
        };
        let way = [&intake, &upright, filter.upcast_ref(), &after];
        pipeline.add(&source).map_err(CliError::runtime)?;
        pipeline.add_many(way).map_err(CliError::runtime)?;
        gst::Element::link_many(way).map_err(CliError::runtime)?;
        if let Some((muxer, _)) = &muxer {
            after.link(muxer).map_err(CliError::runtime)?;
        }
        let gate = Arc::new(Gate::default());
        if let Some(pad) = after.static_pad("sink") {
            gate.follow(&pad);
        }
        let ended = Arc::new(AtomicBool::new(false));
        if let Some(pad) = end.or_else(|| after.static_pad("sink")) {
            sees_end(&pad, &ended);
        }
        let has_video = muxer.is_some();
        let encoders = Arc::new(Mutex::new(after.static_pad("sink").into_iter().collect()));
        let watch = Arc::new(SourceWatch::default());
        watch.follow(&source);
        if let Some(range) = &range {
            watch.begin_at(range.start);
        }
        let is_broken = AtomicBool::new(false);
        let this = Self {
            pipeline,
            source,
            watch,
            gate,
            range,
            intake,
            ended,
            has_video,
            is_broken,
            encoders,
        };
        this.link_when_decoded(muxer);
        Ok(this)
    }

    /// Links the first video and the first audio stream, and drops others.
    fn link_when_decoded(&self, muxer: Option<(gst::Element, Option<&'static str>)>) {
        let (weak, watch) = (self.pipeline.downgrade(), Arc::clone(&self.watch));
        let video = self.intake.static_pad("sink");
        let audio_free = Mutex::new(muxer);
        let encoders = Arc::clone(&self.encoders);
        let (gate, range) = (Arc::clone(&self.gate), self.range.clone());
        self.source.connect_pad_added(move |source, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            let media = media_of(pad);
            watch.add(pad, media.starts_with("video/"));
            if let Some(range) = range.clone() {
                keep_range(pad, range, media.starts_with("video/").then(|| Arc::clone(&watch)));
            }
            super::progress::ask_duration(pad, &watch);
            let target = if media.starts_with("video/") {
                video.clone().filter(|pad| !pad.is_linked())
            } else if media.starts_with("audio/") {
                let taken = audio_free.lock().unwrap_or_else(PoisonError::into_inner).take();
                let branch =
                    taken.and_then(|(mux, enc)| audio_branch(&pipeline, &mux, enc?, &gate));
                encoders.lock().unwrap_or_else(PoisonError::into_inner).extend(branch.clone());
                branch
            } else {
                None
            };
            let target = target.or_else(|| discard(&pipeline));
            if target.is_none_or(|target| pad.link(&target).is_err()) {
                gst::element_error!(source, gst::CoreError::Negotiation, ("Cannot link {media}"));
            }
        });
        self.source.connect_no_more_pads(|source| {
            let is_video = |pad: &gst::Pad| media_of(pad).starts_with("video/");
            if !source.src_pads().iter().any(is_video) {
                let text = super::failure::NO_VIDEO;
                gst::element_error!(source, gst::StreamError::WrongType, ("{text}"));
            }
        });
    }

    /// Whether decoded frames wait for the filter, so that the source is not what is waited for.
    pub fn has_frames_waiting(&self) -> bool {
        self.intake.property::<u32>("current-level-buffers") > 0
    }

    /// Has what follows the source play. An error of an element ends the pipeline's way to PLAYING, and sinks
    /// that wait for their first buffer then wait for ever.
    pub fn play_behind_source(&self) {
        let (pipeline, source) = (self.pipeline.clone(), self.source.clone());
        bounded::run(STATE_TIME, move || {
            for element in pipeline.children().into_iter().filter(|element| *element != source) {
                // What cannot play has told of an error.
                let _ = element.set_state(gst::State::Playing);
            }
        });
    }

    /// Ends every stream where it is, so that what is under way is scored and the files are
    /// finished. Not on the caller's thread: an event waits for the buffer before it.
    ///
    /// A demuxer that reads its file by itself passes an EOS for the whole pipeline to one of its
    /// streams at most.
    pub fn end_streams(&self) {
        self.gate.cut();
        let sinks: Vec<_> = self.source.src_pads().iter().filter_map(gst::Pad::peer).collect();
        if sinks.is_empty() {
            let pipeline = self.pipeline.clone();
            bounded::start(move || {
                pipeline.send_event(gst::event::Eos::new());
            });
        }
        send_eos(sinks);
    }

    /// Ends the annotated video where it is, whatever still waits to be scored. `false`: there is
    /// none.
    pub fn end_video(&self) -> bool {
        self.gate.cut();
        send_eos(self.encoders.lock().unwrap_or_else(PoisonError::into_inner).clone());
        self.has_video
    }

    /// Whether everything has come to where it ends. A pipeline that an error kept from PLAYING does not
    /// say so.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Says that what is to be written has failed: an end that still comes through it is none.
    pub fn mark_broken(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Whether the annotated video is written to its end.
    pub fn video_is_written(&self) -> bool {
        self.has_video && self.has_ended() && !self.is_broken.load(Ordering::Relaxed)
    }
}

/// One stream does not wait for another.
fn send_eos(pads: Vec<gst::Pad>) {
    for pad in pads {
        bounded::start(move || {
            pad.send_event(gst::event::Eos::new());
        });
    }
}

/// Files that say that they are one picture may hold more.
fn keep_first(sink: &gst::Element) {
    let seen = AtomicBool::new(false);
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            match seen.swap(true, Ordering::Relaxed) {
                true => gst::PadProbeReturn::Handled,
                false => gst::PadProbeReturn::Ok,
            }
        });
    }
}

/// Has the flag become true when the end of the stream has come through the pad.
fn sees_end(pad: &gst::Pad, ended: &Arc<AtomicBool>) {
    let flag = Arc::clone(ended);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
            flag.store(true, Ordering::Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
}

/// The media type of what the pad carries, such as `video/x-raw`.
fn media_of(pad: &gst::Pad) -> String {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    caps.structure(0).map_or_else(String::new, |s| s.name().to_string())
}

/// Drops what is outside of the range, and says to `watch` when what follows is.
fn keep_range(pad: &gst::Pad, range: Range<gst::ClockTime>, watch: Option<Arc<SourceWatch>>) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let time = info.buffer().and_then(|buffer| running_time(pad, buffer));
        match time {
            Some(time) if !range.contains(&time) => {
                if let Some(watch) = watch.as_ref().filter(|_| time >= range.end) {
                    watch.satisfy(time);
                }
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

fn audio_branch(
    pipeline: &gst::Pipeline,
    muxer: &gst::Element,
    encoder: &str,
    gate: &Arc<Gate>,
) -> Option<gst::Pad> {
    // Video is scored while audio waits: the queue holds as much as that can take.
    let queue = "queue name=waiting max-size-time=0 max-size-buffers=0 max-size-bytes=200000000";
    let branch = format!("{queue} ! audioconvert ! audioresample ! {encoder} ! queue");
    let branch = bin(&branch).ok()?;
    let waiting = branch.downcast_ref::<gst::Bin>()?.by_name("waiting")?;
    gate.hold(&waiting.static_pad("src")?);
    pipeline.add(&branch).ok()?;
    branch.link(muxer).ok()?;
    branch.sync_state_with_parent().ok()?;
    branch.static_pad("sink")
}

fn discard(pipeline: &gst::Pipeline) -> Option<gst::Pad> {
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).build().ok()?;
    pipeline.add(&sink).ok()?;
    sink.sync_state_with_parent().ok()?;
    sink.static_pad("sink")
}
