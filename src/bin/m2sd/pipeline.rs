//! The pipeline of a scan: `uridecodebin → filter → encoder → muxer → file`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gst::prelude::*;
use gstm2sd::filter::M2sdFilter;

use crate::encode::Encoders;
use crate::error::CliError;
use crate::record::Recorder;

fn bin(description: &str) -> Result<gst::Element, CliError> {
    let bin = gst::parse::bin_from_description(description, true);
    bin.map(|bin| bin.upcast()).map_err(CliError::runtime)
}

/// The decoder's name in its pipeline.
const SOURCE: &str = "source";

/// Ends every stream where it is, so that the files are finished. A demuxer that reads its file by
/// itself passes an EOS for the whole pipeline to one of its streams at most.
pub fn end(pipeline: &gst::Pipeline) {
    let source = pipeline.by_name(SOURCE);
    let streams = source.iter().flat_map(|source| source.src_pads());
    let mut ended = false;
    for sink in streams.filter_map(|pad| pad.peer()) {
        ended |= sink.send_event(eos());
    }
    if !ended {
        pipeline.send_event(eos());
    }
}

fn eos() -> gst::Event {
    gst::event::Eos::new()
}

/// `uridecodebin → filter → encoder → muxer → file`, audio encoded beside it.
pub fn build(
    uri: &str,
    filter: &M2sdFilter,
    video: Option<(&Path, &Encoders)>,
) -> Result<gst::Pipeline, CliError> {
    let pipeline = gst::Pipeline::with_name("scan");
    let source =
        gst::ElementFactory::make("uridecodebin").name(SOURCE).property("uri", uri).build();
    let source = source.map_err(CliError::runtime)?;
    let before = bin("queue max-size-buffers=4 ! videoconvert")?;
    let (after, muxer) = match video {
        None => (bin("fakesink sync=false")?, None),
        Some((path, encoders)) => {
            let after = bin(&format!("queue ! videoconvert ! {} ! queue", encoders.video))?;

            // Not a bin: its request pads must be in reach.
            let muxer = gst::parse::launch(encoders.muxer).map_err(CliError::runtime)?;
            let sink = gst::ElementFactory::make("filesink").property("location", path).build();
            let sink = sink.map_err(CliError::runtime)?;
            pipeline.add_many([&muxer, &sink]).map_err(CliError::runtime)?;
            muxer.link(&sink).map_err(CliError::runtime)?;
            (after, Some((muxer, encoders.audio)))
        }
    };
    let add = pipeline.add_many([&source, &before, filter.upcast_ref(), &after]);
    add.map_err(CliError::runtime)?;
    gst::Element::link_many([&before, filter.upcast_ref(), &after]).map_err(CliError::runtime)?;
    if let Some((muxer, _)) = &muxer {
        after.link(muxer).map_err(CliError::runtime)?;
    }
    link_when_decoded(&pipeline, &source, before, muxer);
    Ok(pipeline)
}

/// Links the first video and the first audio stream, and drops others.
fn link_when_decoded(
    pipeline: &gst::Pipeline,
    source: &gst::Element,
    video: gst::Element,
    muxer: Option<(gst::Element, Option<&'static str>)>,
) {
    let weak = pipeline.downgrade();
    let audio_free = Mutex::new(muxer);
    source.connect_pad_added(move |source, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let media = media_of(pad);
        let target = if media.starts_with("video/") {
            video.static_pad("sink").filter(|pad| !pad.is_linked())
        } else if media.starts_with("audio/") {
            let taken = audio_free.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.and_then(|(muxer, encoder)| audio_branch(&pipeline, &muxer, encoder?))
        } else {
            None
        };
        let target = target.or_else(|| discard(&pipeline));
        if target.is_none_or(|target| pad.link(&target).is_err()) {
            gst::element_error!(source, gst::CoreError::Negotiation, ("Cannot link {media}"));
        }
    });
    source.connect_no_more_pads(|source| {
        let is_video = |pad: &gst::Pad| media_of(pad).starts_with("video/");
        if !source.src_pads().iter().any(is_video) {
            let text = "there is no video stream in the input";
            gst::element_error!(source, gst::StreamError::WrongType, ("{text}"));
        }
    });
}

/// The media type of what the pad carries, such as `video/x-raw`.
fn media_of(pad: &gst::Pad) -> String {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    caps.structure(0).map_or_else(String::new, |s| s.name().to_string())
}

fn audio_branch(pipeline: &gst::Pipeline, muxer: &gst::Element, encoder: &str) -> Option<gst::Pad> {
    // Video is scored while audio waits: the queue holds as much as that can take.
    let queue = "queue max-size-time=0 max-size-buffers=0 max-size-bytes=200000000";
    let branch = format!("{queue} ! audioconvert ! audioresample ! {encoder} ! queue");
    let branch = bin(&branch).ok()?;
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

/// Has every frame that leaves the filter, and every clip it scores, recorded.
pub fn observe(pipeline: &gst::Pipeline, filter: &M2sdFilter, recorder: &Arc<Mutex<Recorder>>) {
    let lock = |recorder: &Arc<Mutex<Recorder>>, record: &dyn Fn(&mut Recorder)| {
        record(&mut recorder.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let provider = |filter: &M2sdFilter| {
        let stats: gst::Structure = filter.property("stats");
        stats.get::<String>("provider").unwrap_or_default()
    };
    let (frames, weak) = (Arc::clone(recorder), filter.downgrade());
    if let Some(pad) = filter.static_pad("src") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let (Some(buffer), Some(filter)) = (info.buffer(), weak.upgrade()) {
                let segment = pad.sticky_event::<gst::event::Segment>(0);
                let segment = segment.and_then(|s| s.segment().clone().downcast().ok());
                let time = segment.and_then(|s: gst::FormattedSegment<gst::ClockTime>| {
                    s.to_running_time(buffer.pts()?).map(|t| t.nseconds())
                });
                lock(&frames, &|recorder| {
                    recorder.header(|| provider(&filter));
                    recorder.frame(time, buffer);
                });
            }
            gst::PadProbeReturn::Ok
        });
    }
    let (clips, weak) = (Arc::clone(recorder), filter.downgrade());
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| match (message.structure(), weak.upgrade()) {
        (Some(clip), Some(filter)) if clip.name() == "m2sd-clip" => {
            lock(&clips, &|recorder| {
                recorder.header(|| provider(&filter));
                recorder.clip(clip);
            });
            gst::BusSyncReply::Drop
        }
        _ => gst::BusSyncReply::Pass,
    });
}
