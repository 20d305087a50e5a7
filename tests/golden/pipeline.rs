//! The element in a pipeline, and what came out of it.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Once, PoisonError, RwLock};

use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta;
use gstm2sd::core::detect::Face;
use gstm2sd::core::geometry::{BBox, Point};

use crate::networks::networks;

/// How long a pipeline may be silent: far longer than it should on a slow, busy machine.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(300);

/// A face in the metadata of a frame; without an aligner, its points are the detector's five.
#[derive(Clone, Debug)]
pub struct SeenFace {
    pub face: Face,
    pub track: Option<i32>,
    pub label: String,
    /// P(fake), once there is a score.
    pub score: Option<f64>,
    /// Clips in the score.
    pub clips: u32,
}

/// A frame that came out, with its metadata.
#[derive(Clone, Debug)]
pub struct SeenFrame {
    /// Running time, end exclusive; `None` without a timestamp.
    pub span_ns: Option<[u64; 2]>,
    pub faces: Vec<SeenFace>,
}

impl SeenFrame {
    pub fn detections(&self) -> Vec<Face> {
        self.faces.iter().map(|seen| seen.face).collect()
    }
}

/// An `m2sd-clip` message.
#[derive(Clone, Debug)]
pub struct SeenClip {
    pub track: i32,
    pub score: f64,
    /// Running time, end exclusive.
    pub span_ns: [u64; 2],
}

#[derive(Debug, Default)]
pub struct Analysis {
    pub frames: Vec<SeenFrame>,
    /// In the order in which they were posted.
    pub clips: Vec<SeenClip>,
}

fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstm2sd::plugin_register_static().unwrap();
    });
}

/// Runs the element in complete mode on the CPU over what `source`, a piece of a pipeline, makes of
/// `location`. `properties` are the element's, as `gst-launch-1.0` takes them.
///
/// `source` starts with an element called `source`, which is told the location.
pub fn analyse(shared: &Path, location: &Path, source: &str, properties: &str) -> Analysis {
    let _shared = PROCESSORS.read().unwrap_or_else(PoisonError::into_inner);
    let properties = format!("mode=complete {properties}");
    run(shared, location, source, &properties, "fakesink name=end sync=false")
}

/// What runs in real time has the processors to itself: other pipelines of these tests wait.
static PROCESSORS: RwLock<()> = RwLock::new(());

/// As [`analyse`], in live mode before a sink that waits for the clock. The models are there from
/// the first frame on.
pub fn analyse_live(shared: &Path, location: &Path, source: &str, properties: &str) -> Analysis {
    let _alone = PROCESSORS.write().unwrap_or_else(PoisonError::into_inner);
    init();
    let classifier = properties.split(' ').find(|word| word.starts_with("classifier=")).unwrap();
    let holder = format!(
        "m2sdfilter engines-dir={} provider=cpu aligner=none {classifier}",
        networks(shared).dir.display()
    );
    let holder = gst::parse::bin_from_description(&holder, true).unwrap();
    let bus = gst::Bus::new();
    holder.set_bus(Some(&bus));
    holder.set_state(gst::State::Playing).unwrap();
    loop {
        let message = bus.timed_pop_filtered(PATIENCE, &[gst::MessageType::Progress]);
        let message = message.expect("the models do not load");
        let gst::MessageView::Progress(progress) = message.view() else { unreachable!() };
        if progress.get().0 == gst::ProgressType::Complete {
            break;
        }
    }
    let properties = format!("mode=live {properties}");
    let sink = "fakesink name=end sync=true";
    let found = run(shared, location, &format!("{source} ! queue"), &properties, sink);
    bus.set_flushing(true);
    holder.set_state(gst::State::Null).unwrap();
    found
}

fn run(shared: &Path, location: &Path, source: &str, properties: &str, sink: &str) -> Analysis {
    init();
    let description = format!(
        "{source} ! m2sdfilter name=filter provider=cpu aligner=none draw=false {properties} ! {sink}"
    );
    let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Pipeline>().unwrap();
    let element = |name| pipeline.by_name(name).unwrap();
    element("source").set_property("location", location.to_str().unwrap());
    element("filter").set_property("engines-dir", networks(shared).dir.to_str().unwrap());

    let samples = collect(&element("end").static_pad("sink").unwrap());
    let clips = play(&pipeline);
    let frames = samples.try_iter().map(|sample| seen_frame(&sample)).collect();
    Analysis { frames, clips }
}

/// Every buffer that arrives at a pad, without its pixels.
fn collect(pad: &gst::Pad) -> Receiver<gst::Sample> {
    let (sender, samples) = channel();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        if let (Some(buffer), Some(segment)) = (info.buffer(), segment) {
            let parts = gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
            let sample = gst::Sample::builder().segment(segment.segment());
            let sample = match (buffer.copy_region(parts, ..), pad.current_caps()) {
                (Ok(buffer), Some(caps)) => sample.buffer(&buffer).caps(&caps).build(),
                _ => sample.build(),
            };
            // Ends with the pipeline, which the receiver outlives.
            let _ = sender.send(sample);
        }
        gst::PadProbeReturn::Ok
    });
    samples
}

/// Plays to the end; returns the clips that were posted.
fn play(pipeline: &gst::Pipeline) -> Vec<SeenClip> {
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut clips = Vec::new();
    loop {
        let message = bus.timed_pop(PATIENCE).expect("the pipeline hangs");
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            gst::MessageView::Element(message) => {
                let structure = message.structure().unwrap();
                if structure.name() == "m2sd-clip" {
                    clips.push(seen_clip(structure));
                }
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    clips
}

fn seen_clip(message: &gst::StructureRef) -> SeenClip {
    SeenClip {
        track: message.get::<u64>("track").unwrap().try_into().unwrap(),
        score: message.get("score").unwrap(),
        span_ns: ["start", "end"].map(|field| message.get(field).unwrap()),
    }
}

fn seen_frame(sample: &gst::Sample) -> SeenFrame {
    let buffer = sample.buffer().unwrap();
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let segment = sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap();
    let span_ns = buffer.pts().map(|start| {
        let end = start + buffer.duration().unwrap_or_default();
        [start, end].map(|time| segment.to_running_time(time).unwrap().nseconds())
    });
    let metas = buffer.iter_meta::<VideoRegionOfInterestMeta>();
    SeenFrame { span_ns, faces: metas.map(|meta| seen_face(&meta, &info)).collect() }
}

fn seen_face(meta: &VideoRegionOfInterestMeta, info: &gst_video::VideoInfo) -> SeenFace {
    assert_eq!(meta.roi_type(), "face");
    let param = |name: &str| meta.params().find(|param| param.name() == name);
    let detection = param("detection").unwrap();
    let (width, height) = (f64::from(info.width()), f64::from(info.height()));
    let number = |field: &str| detection.get::<f64>(field).unwrap();
    let edge_px = |field, side| (number(field) * side) as f32;
    let bbox = BBox::new(
        edge_px("x_min", width),
        edge_px("y_min", height),
        edge_px("x_max", width),
        edge_px("y_max", height),
    );
    let points = param("landmarks").unwrap().get::<gst::Array>("points").unwrap();
    let points: Vec<_> = points.iter().map(|value| value.get::<f64>().unwrap()).collect();
    let points = points
        .chunks_exact(2)
        .map(|point| Point { x: (point[0] * width) as f32, y: (point[1] * height) as f32 });
    let judgement = param("m2sd").unwrap();
    SeenFace {
        face: Face {
            bbox: bbox.unwrap(),
            score: number("confidence") as f32,
            points: points.collect::<Vec<_>>().try_into().unwrap(),
        },
        track: param("object_id").map(|object| object.get("id").unwrap()),
        label: judgement.get("label").unwrap(),
        score: judgement.get_optional("score").unwrap(),
        clips: judgement.get("clips").unwrap(),
    }
}
