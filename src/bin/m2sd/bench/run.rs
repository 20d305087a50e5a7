//! One case measured: streams of frames from memory through elements, between two marks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstm2sd::filter::M2sdFilter;
use serde::{Serialize, Serializer};

use super::case::Case;
use super::input::Input;
use super::networks::Networks;
use super::{BenchArgs, Mode, process, stream};
use crate::error::CliError;

/// Frames that leave before anything is measured: networks have run, and clips follow one another.
const WARM_UP_COMPLETE: u64 = 4;
const WARM_UP_LIVE: u64 = 32;
/// Networks run there, or downstream does.
const NOT_OURS: [&str; 4] = ["detect", "landmarks", "classify", "push"];
/// Where clips begin at every frame; else for each frame from one clip to the next.
const FEWEST_FRAMES: u32 = 4;
/// How often a wait looks for errors.
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
    /// The part of the time in which the classifier ran; more than 1 where clips share runs.
    pub classifier_busy: f64,
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
    /// What it comes to: values and their units.
    pub fn headline(&self) -> [(f64, &'static str); 4] {
        [
            (self.frames_per_s, "frames/s"),
            (self.clips_per_s, "clips/s"),
            (self.cpu_s_per_stream_s, "CPU s per stream s"),
            (self.peak_memory_mb, "MB at most"),
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

impl Stream {
    fn frames_out(&self) -> u64 {
        self.frames_out.load(Ordering::Relaxed)
    }
}

struct Bench {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    streams: Vec<Stream>,
    /// Hears of every frame that leaves.
    left: Receiver<()>,
    warm_up: u64,
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
            for Stream { source, .. } in &bench.streams {
                let stop = &stop;
                scope.spawn(move || stream::feed(source, input, args.mode, stop));
            }
            bench.marks(args, case)
        });
        stop.store(true, Ordering::Relaxed);
        // Wakes the feeders. Going down cannot fail in a way that matters now.
        let _ = bench.pipeline.set_state(gst::State::Null);
        marks
    });
    let [begin, end] = measured?;
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
        let (leaves, left) = channel();
        let warm_up = match args.mode {
            Mode::Complete => WARM_UP_COMPLETE,
            Mode::Live => WARM_UP_LIVE,
        };
        let streams = (0..case.streams).map(|_| {
            let filter = networks.filter(args)?;
            filter.set_property("clip-stride", case.stride);
            let source = stream::source(input, args.mode == Mode::Live)?;
            let sink = stream::sink()?;
            pipeline.add_many([&source, filter.upcast_ref(), &sink]).map_err(CliError::runtime)?;
            let elements = [&source, filter.upcast_ref(), &sink];
            gst::Element::link_many(elements).map_err(CliError::runtime)?;
            let leaves = leaves.clone();
            let frames_out = stream::count(&sink, move || {
                // Nobody listens when the measurement is over.
                let _ = leaves.send(());
            });
            Ok(Stream { source, filter, frames_out })
        });
        let streams = streams.collect::<Result<Vec<_>, CliError>>()?;
        Ok(Self { pipeline, bus, streams, left, warm_up })
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

    /// From when every stream is warm to when the first is at its end, or time is up; at the leave
    /// of a frame both, and with so many between them that one more or less does not matter.
    fn marks(&self, args: &BenchArgs, case: &Case) -> Result<[Mark; 2], CliError> {
        let warm = |stream: &Stream| stream.frames_out() >= self.warm_up;
        self.await_frame(|| self.streams.iter().all(warm))?;
        let begin = self.mark();
        let until = begin.at + Duration::from_secs_f64(args.seconds.clamp(0.0, 1e6));
        let enough = begin.frames + u64::from(FEWEST_FRAMES * case.stride.max(1));
        let at_end = |stream: &Stream| stream.frames_out() >= self.warm_up + args.frames;
        self.await_frame(|| {
            self.streams.iter().any(at_end)
                || (Instant::now() >= until && self.frames_out() >= enough)
        })?;
        Ok([begin, self.mark()])
    }

    /// Waits until `is_it` says so when a frame has left.
    fn await_frame(&self, is_it: impl Fn() -> bool) -> Result<(), CliError> {
        loop {
            match self.left.recv_timeout(GLANCE) {
                Ok(()) if is_it() => return Ok(()),
                Ok(()) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(CliError::runtime("the streams are gone"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let error = self.bus.pop_filtered(&[gst::MessageType::Error]);
            if let Some(gst::MessageView::Error(error)) = error.as_ref().map(|m| m.view()) {
                return Err(CliError::runtime(error.error()));
            }
        }
    }

    fn frames_out(&self) -> u64 {
        self.streams.iter().map(Stream::frames_out).sum()
    }

    fn mark(&self) -> Mark {
        Mark {
            at: Instant::now(),
            cpu: process::cpu_time(),
            frames: self.frames_out(),
            stats: self.streams.iter().map(|stream| stream.filter.property("stats")).collect(),
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
    let total_ms = |stage: &str| {
        stages.iter().find(|(name, _)| name == stage).map_or(0.0, |(_, time)| time.total_ms)
    };
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
        classifier_busy: total_ms("classify") / (1e3 * wall_s),
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
