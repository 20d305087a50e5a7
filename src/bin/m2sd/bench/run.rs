//! One case measured: streams of frames from memory through elements, between two marks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::filter::M2sdFilter;
use serde::{Serialize, Serializer};

use super::case::Case;
use super::input::Input;
use super::networks::Networks;
use super::{BenchArgs, Mode, process};
use crate::error::CliError;

/// Frames that leave before anything is measured: networks have run, and clips follow one another.
const WARM_UP_COMPLETE: u64 = 4;
const WARM_UP_LIVE: u64 = 32;
/// Networks run there, or downstream does.
const NOT_OURS: [&str; 4] = ["detect", "landmarks", "classify", "push"];
const GLANCE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, Default, Serialize)]
pub struct StageTime {
    pub count: u64,
    pub total_ms: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
}

/// What was seen between the marks, of all streams together.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub provider: String,
    pub wall_s: f64,
    pub frames: u64,
    pub faces_per_detection: f64,
    pub frames_per_s: f64,
    pub clips_per_s: f64,
    pub cpu_s_per_stream_s: f64,
    pub peak_memory_mb: f64,
    /// What is neither a network's run nor downstream's, by its median, for each frame.
    pub own_ms_per_frame: f64,
    /// The time that it took, by the wall's.
    pub own_share_of_wall: f64,
    pub clips_skipped: u64,
    pub clips_failed: u64,
    /// From a frame's arrival to its leave.
    pub latency_p50_ms: f64,
    pub latency_p95_ms: f64,
    pub detections_per_frame: f64,
    /// By name, in the order of the element.
    #[serde(serialize_with = "as_map")]
    pub stages: Vec<(String, StageTime)>,
}

fn as_map<S: Serializer>(stages: &[(String, StageTime)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(stages.iter().map(|(name, stage)| (name, stage)))
}

impl Measured {
    /// What is written of it beside its stages: name, value, unit.
    pub fn headline(&self) -> [(&'static str, f64, &'static str); 4] {
        [
            ("frames", self.frames_per_s, "frames/s"),
            ("clips", self.clips_per_s, "clips/s"),
            ("cpu", self.cpu_s_per_stream_s, "CPU s per stream s"),
            ("memory", self.peak_memory_mb, "MB at most"),
        ]
    }
}

/// Everything that counts, at one moment.
struct Mark {
    at: Instant,
    cpu: Duration,
    frames: u64,
    stats: Vec<gst::Structure>,
}

struct Stream {
    source: gst::Element,
    filter: M2sdFilter,
    frames_out: Arc<AtomicU64>,
}

/// What a stream's last pad says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    WarmUp,
    End,
}

struct Bench {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    streams: Vec<Stream>,
    reached: Receiver<Reached>,
}

pub fn measure(
    args: &BenchArgs,
    case: &Case,
    networks: &Networks,
    input: &Input,
) -> Result<Measured, CliError> {
    process::reset_peak_memory();
    let bench = Bench::new(args, case, networks, input)?;
    let stop = AtomicBool::new(false);
    let measured = std::thread::scope(|scope| {
        let marks = bench.start().and_then(|()| {
            for stream in &bench.streams {
                let stop = &stop;
                scope.spawn(move || feed(&stream.source, input, args.mode, stop));
            }
            bench.marks(Duration::from_secs_f64(args.seconds.clamp(0.1, 1e6)))
        });
        stop.store(true, Ordering::Relaxed);
        // Wakes the feeders. Going down cannot fail in a way that matters now.
        let _ = bench.pipeline.set_state(gst::State::Null);
        marks
    });
    let [begin, end] = measured?;
    if begin.frames == end.frames {
        return Err(CliError::input(format!(
            "no frame left within {} s; allow more with --seconds",
            args.seconds
        )));
    }
    Ok(between(&begin, &end, args.fps))
}

impl Bench {
    fn new(
        args: &BenchArgs,
        case: &Case,
        networks: &Networks,
        input: &Input,
    ) -> Result<Self, CliError> {
        let pipeline = gst::Pipeline::new();
        let bus = pipeline.bus().ok_or_else(|| CliError::runtime("the pipeline has no bus"))?;
        let (reaches, reached) = channel();
        let warm_up = match args.mode {
            Mode::Complete => WARM_UP_COMPLETE,
            Mode::Live => WARM_UP_LIVE,
        };
        let marks = [warm_up, warm_up + args.frames];
        let streams = (0..case.streams).map(|_| {
            let filter = networks.filter(args)?;
            filter.set_property("clip-stride", case.stride);
            let source = source(input, args.mode == Mode::Live)?;
            let sink = sink()?;
            pipeline.add_many([&source, filter.upcast_ref(), &sink]).map_err(CliError::runtime)?;
            let elements = [&source, filter.upcast_ref(), &sink];
            gst::Element::link_many(elements).map_err(CliError::runtime)?;
            let frames_out = count(&sink, marks, reaches.clone());
            Ok(Stream { source, filter, frames_out })
        });
        let streams = streams.collect::<Result<Vec<_>, CliError>>()?;
        Ok(Self { pipeline, bus, streams, reached })
    }

    /// Until all networks are loaded.
    fn start(&self) -> Result<(), CliError> {
        // An error that explains itself is on the bus.
        let _ = self.pipeline.set_state(gst::State::Playing);
        let mut loading = self.streams.len();
        while loading > 0 {
            let Some(message) = self.bus.timed_pop(gst::ClockTime::NONE) else { break };
            match message.view() {
                gst::MessageView::Error(error) => return Err(CliError::runtime(error.error())),
                gst::MessageView::Progress(progress)
                    if progress.get().0 == gst::ProgressType::Complete =>
                {
                    loading -= 1;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// From when every stream is warm to when the first is at its end, or time is up.
    fn marks(&self, longest: Duration) -> Result<[Mark; 2], CliError> {
        let mut cold = self.streams.len();
        while cold > 0 {
            let reached = self.await_mark(None)?;
            cold -= usize::from(reached == Some(Reached::WarmUp));
        }
        let begin = self.mark();
        self.await_mark(Some(begin.at + longest))?;
        Ok([begin, self.mark()])
    }

    /// What a stream has reached next; `None` when time is up.
    fn await_mark(&self, until: Option<Instant>) -> Result<Option<Reached>, CliError> {
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match self.reached.recv_timeout(left.unwrap_or(GLANCE).min(GLANCE)) {
                Ok(reached) => return Ok(Some(reached)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(CliError::runtime("the streams are gone"));
                }
                Err(RecvTimeoutError::Timeout) if left.is_some_and(|left| left.is_zero()) => {
                    return Ok(None);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let error = self.bus.pop_filtered(&[gst::MessageType::Error]);
            if let Some(gst::MessageView::Error(error)) = error.as_ref().map(|m| m.view()) {
                return Err(CliError::runtime(error.error()));
            }
        }
    }

    fn mark(&self) -> Mark {
        let out = |stream: &Stream| stream.frames_out.load(Ordering::Relaxed);
        Mark {
            at: Instant::now(),
            cpu: process::cpu_time(),
            frames: self.streams.iter().map(out).sum(),
            stats: self.streams.iter().map(|stream| stream.filter.property("stats")).collect(),
        }
    }
}

fn make(factory: &str) -> Result<gst::Element, CliError> {
    gst::ElementFactory::make(factory).build().map_err(CliError::runtime)
}

/// Frames are pushed into it; it waits while two have not been taken.
pub fn source(input: &Input, live: bool) -> Result<gst::Element, CliError> {
    let source = make("appsrc")?;
    let caps = input.info.to_caps().map_err(CliError::runtime)?;
    source.set_property("caps", caps);
    source.set_property_from_str("format", "time");
    source.set_property("is-live", live);
    source.set_property("block", true);
    source.set_property("max-buffers", 2u64);
    source.set_property("max-bytes", 0u64);
    Ok(source)
}

/// Takes everything at once and keeps nothing.
pub fn sink() -> Result<gst::Element, CliError> {
    let sink = make("fakesink")?;
    sink.set_property("sync", false);
    sink.set_property("enable-last-sample", false);
    Ok(sink)
}

/// Counts the frames that come to `sink`, and says when there were so many.
fn count(sink: &gst::Element, marks: [u64; 2], reaches: Sender<Reached>) -> Arc<AtomicU64> {
    count_frames(sink, move |count| {
        let reached = [Reached::WarmUp, Reached::End].into_iter().zip(marks);
        for (reached, _) in reached.filter(|(_, mark)| *mark == count) {
            // Nobody listens when the measurement is over.
            let _ = reaches.send(reached);
        }
    })
}

/// Counts the frames that come to `sink`; `each` hears of every one.
pub fn count_frames(
    sink: &gst::Element,
    each: impl Fn(u64) + Send + Sync + 'static,
) -> Arc<AtomicU64> {
    let frames = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&frames);
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            each(counter.fetch_add(1, Ordering::Relaxed) + 1);
            gst::PadProbeReturn::Ok
        });
    }
    frames
}

/// Sends frames until `stop`, or until nobody takes them: in real time where that is wanted.
pub fn feed(source: &gst::Element, input: &Input, mode: Mode, stop: &AtomicBool) {
    let begin = Instant::now();
    for number in 0.. {
        let frame = input.frame(number);
        if mode == Mode::Live {
            let due = frame.pts().map_or(Duration::ZERO, Duration::from);
            std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
        }
        let pushed: gst::FlowReturn = source.emit_by_name("push-buffer", &[&frame]);
        if pushed != gst::FlowReturn::Ok || stop.load(Ordering::Relaxed) {
            break;
        }
    }
}

/// A number of `stats`; 0 where it is missing.
fn number(stats: &gst::Structure, name: &str) -> f64 {
    let whole = stats.get::<u64>(name).map(|value| value as f64);
    whole.or_else(|_| stats.get::<f64>(name)).unwrap_or(0.0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn between(begin: &Mark, end: &Mark, fps: u32) -> Measured {
    let pairs = || begin.stats.iter().zip(&end.stats);
    let grown = |name| -> f64 { pairs().map(|(b, e)| number(e, name) - number(b, name)).sum() };
    let newest = |name| mean(end.stats.iter().map(|stats| number(stats, name)));
    let wall_s = (end.at - begin.at).as_secs_f64();
    let frames = (end.frames - begin.frames) as f64;
    let stages = stages(begin, end);
    let own = || stages.iter().filter(|(name, _)| !NOT_OURS.contains(&name.as_str()));
    let detections = grown("frames-analysed");
    let provider = end.stats.first().and_then(|stats| stats.get("provider").ok());
    Measured {
        provider: provider.unwrap_or_default(),
        wall_s,
        frames: end.frames - begin.frames,
        faces_per_detection: grown("faces") / detections.max(1.0),
        frames_per_s: frames / wall_s,
        clips_per_s: grown("clips-scored") / wall_s,
        cpu_s_per_stream_s: (end.cpu - begin.cpu).as_secs_f64() / (frames / f64::from(fps)),
        peak_memory_mb: process::peak_memory_mb(),
        own_ms_per_frame: own().map(|(_, s)| s.p50_ms * s.count as f64).sum::<f64>() / frames,
        own_share_of_wall: own().map(|(_, s)| s.total_ms).sum::<f64>() / (1e3 * wall_s),
        clips_skipped: grown("clips-skipped") as u64,
        clips_failed: grown("clips-failed") as u64,
        latency_p50_ms: newest("latency-p50-ms"),
        latency_p95_ms: newest("latency-p95-ms"),
        detections_per_frame: detections / frames,
        stages,
    }
}

/// Counts and totals between the marks; percentiles of the newest samples, the mean over streams.
fn stages(begin: &Mark, end: &Mark) -> Vec<(String, StageTime)> {
    let mut stages = Vec::<(String, StageTime)>::new();
    let streams = end.stats.len() as f64;
    let of = |stats: &gst::Structure| stats.get::<gst::Structure>("stages").ok();
    for (begin, end) in begin.stats.iter().zip(&end.stats) {
        let (Some(begin), Some(end)) = (of(begin), of(end)) else { continue };
        for (place, name) in end.fields().enumerate() {
            let pair = (begin.get::<gst::Structure>(name), end.get::<gst::Structure>(name));
            let (Ok(before), Ok(after)) = pair else { continue };
            let grown = |field| number(&after, field) - number(&before, field);
            if stages.len() == place {
                stages.push((name.to_string(), StageTime::default()));
            }
            let Some((_, stage)) = stages.get_mut(place) else { continue };
            stage.count += grown("count") as u64;
            stage.total_ms += grown("total-ms");
            stage.p50_ms += number(&after, "p50-ms") / streams;
            stage.p95_ms += number(&after, "p95-ms") / streams;
        }
    }
    stages
}
