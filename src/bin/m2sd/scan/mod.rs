//! `m2sd scan`: the published script's job, through the element.

mod clip;
mod failure;
mod input;
mod outcome;
mod pipeline;
mod play;
mod progress;
mod record;
mod recording;
mod source;
mod summary;
mod targets;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Args, ValueEnum};
use gst::prelude::*;
use gstm2sd::core::evidence::{PointChoice, Probability};
use gstm2sd::core::sampling::ClipFps;
use gstm2sd::filter::{ClassifierFile, M2sdFilter, ModelFiles};
use gstm2sd::infer::{CancelToken, sha256_of};
use gstm2sd::models::ModelSource;
use serde_json::json;

pub use self::input::Input;
use self::outcome::{Outcome, Unscored};
use self::pipeline::ScanPipeline;
pub use self::pipeline::file_sink;
use self::play::{Cause, Play};
use self::record::Totals;
use self::recording::Recording;
use self::summary::Judged;
use self::targets::{Files, Targets};
use crate::bounded;
use crate::clip_files::ClipWriter;
use crate::error::CliError;
use crate::options::{self, NetworkArgs};
use crate::outputs::Named;
use crate::signals::Signals;
use crate::terminal::note;

/// How long the records may take to be written out when a scan has ended.
const RECORDS_TIME: Duration = Duration::from_secs(2);
/// How long the pipeline may take to stop. A source that does not is left to the process's end.
const TEARDOWN_TIME: Duration = Duration::from_secs(5);

const STOPPING: &str = "\
SIGINT, SIGTERM and SIGHUP end a scan: clips that are under way are scored for 5 s at most, the \
video is finished within 3 s more, the records within 2 s, and a source that does not stop within \
5 s is left alone. A second signal ends at once.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChannelOrder {
    Auto,
    Rgb,
    Bgr,
}

/// What the element does when a model fails while running.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnError {
    /// Frames pass without scores, and the models are tried again
    Pass,
    /// The scan ends
    Fail,
}

#[derive(Args, Debug)]
#[command(after_help = STOPPING)]
pub struct ScanArgs {
    /// A video file or a URI
    input: String,
    /// Folder for annotated.mp4 (or .mkv) and scores.jsonl; made if need be
    #[arg(long, value_name = "DIR", required_unless_present_any = ["json", "clips"])]
    out: Option<PathBuf>,
    /// Write the records to this file; - is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Store the aligned pictures of every clip in this folder, one uint8 [3,T,S,S] NumPy file each,
    /// for `m2sd models compare` and for calibration: 2.4 MB for M2SD, see --clip-stride
    #[arg(long, value_name = "DIR")]
    clips: Option<PathBuf>,
    /// Do not write an annotated video
    #[arg(long)]
    no_video: bool,
    /// Do not show a progress bar
    #[arg(long)]
    quiet: bool,
    /// Seconds without anything from the source after which the scan ends
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=86400))]
    timeout: u32,
    /// What happens when a model fails while running
    #[arg(long, value_enum, default_value = "pass")]
    on_error: OnError,
    /// Clip records tell how long the classifier took, and differ from run to run
    #[arg(long)]
    timings: bool,
    #[command(flatten)]
    networks: NetworkArgs,
    /// Channel order of the detector's input
    #[arg(long, value_enum, default_value = "auto")]
    channel_order: ChannelOrder,
    /// P(fake) above which a face is called fake [default: that of the operating point]
    #[arg(long, value_parser = options::probability, conflicts_with = "operating_point")]
    threshold: Option<f64>,
    /// One of the classifier's thresholds: what m2sd calibrate named, such as fpr-1e-2, or published
    /// [default: the first that was measured, else the published one, else none]
    #[arg(long, value_name = "NAME")]
    operating_point: Option<String>,
    /// Frames from the start of one clip to the start of the next
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10000))]
    clip_stride: u32,
    /// Frames a second of which clips are made, of videos that have more: auto, what the classifier
    /// was trained on where its sidecar says; native, as published; or a number
    #[arg(long, value_name = "FPS", default_value = "auto")]
    clip_fps: ClipFps,
    /// Detect faces on every n-th frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    detect_interval: u32,
    /// Detect on frames scaled down to this longer side in px (0 = as they are)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=16384))]
    detect_size: u32,
    /// The most faces of a frame
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=750))]
    max_faces: u32,
    /// The shorter side in px of the smallest face
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=16384))]
    min_face: u32,
}

impl ScanArgs {
    fn point(&self) -> Result<PointChoice, CliError> {
        Ok(match (self.threshold, &self.operating_point) {
            (Some(threshold), _) => {
                PointChoice::Threshold(Probability::new(threshold).map_err(CliError::usage)?)
            }
            (None, Some(name)) => PointChoice::Named(name.clone()),
            (None, None) => PointChoice::Best,
        })
    }
}

pub fn run(args: &ScanArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    gstm2sd::plugin_register_static().map_err(CliError::runtime)?;
    let input = Input::find(&args.input)?;
    let targets = Targets::of(args)?;
    let mut inputs: Vec<_> =
        input.path.iter().map(|path| Named::new("the input", path.clone())).collect();
    targets.check(&inputs)?;
    let filter = make_filter(args)?;
    // Finds the models and the runtime before anything is written.
    prepare(&filter)?;
    let models = filter.model_files().map_err(CliError::runtime)?;
    if args.clips.is_some() && models.classifiers.len() != 1 {
        let found = if models.classifiers.is_empty() { "none" } else { "more than one" };
        return Err(CliError::usage(format!(
            "--clips stores what a classifier reads, and there is {found}; name one with --classifier"
        )));
    }
    inputs.extend(targets::models(models.sources().filter_map(ModelSource::path)));
    targets.check(&inputs)?;
    let judged = judged(&models.classifiers, &args.point()?)?;
    let header = header(args, &input, &models, judged.as_ref())?;
    let mut files = targets.begin(&input)?;
    // After a pipe was opened, which waits for its reader.
    let signals = Signals::take()?;
    let recording = Recording::new(&files.records, header, args.timings);
    let recording = Arc::new(recording.map_err(CliError::input)?);
    let clips = files.clips.take().map(|writer| store_clips(writer, &filter, &recording));
    let video = files.video.as_ref().map(|(file, encoders)| (file, encoders));
    let scan = ScanPipeline::build(&input.uri, &filter, video)?;
    if let Some(bus) = scan.pipeline.bus() {
        recording.observe(&bus, &filter);
    }
    let play = Play {
        scan: &scan,
        filter: &filter,
        input: &input,
        records: &files.records,
        recording: &recording,
        signals: &signals,
        timeout: Duration::from_secs(args.timeout.into()),
        quiet: args.quiet,
    };
    let cause = play.run();
    let ended = cause.and_then(|cause| {
        let finish =
            Finish { args, input: &input, judged: judged.as_ref(), scan: &scan, filter: &filter };
        finish.run(cause, files, &recording, clips.as_deref())
    });
    tear_down(&scan);
    ended
}

/// Stops the pipeline, which may be held up by its source.
fn tear_down(scan: &ScanPipeline) {
    let pipeline = scan.pipeline.clone();
    // Going down cannot fail in a way that matters now.
    let stop = move || pipeline.set_state(gst::State::Null).is_ok();
    let wake = || scan.watch.wake_network();
    if bounded::run_waking(TEARDOWN_TIME, wake, stop).is_none() {
        note("m2sd: the pipeline does not stop: left alone");
    }
}

/// What is needed to finish a scan's files.
struct Finish<'a> {
    args: &'a ScanArgs,
    input: &'a Input,
    judged: Option<&'a Judged>,
    scan: &'a ScanPipeline,
    filter: &'a M2sdFilter,
}

impl Finish<'_> {
    /// Finishes the files before the pipeline is stopped, and says what is in them. A scan that
    /// ends before its first frame leaves what was there before.
    fn run(
        &self,
        cause: Cause,
        files: Files,
        recording: &Arc<Recording>,
        clips: Option<&Mutex<ClipWriter>>,
    ) -> Result<(), CliError> {
        let shared = Arc::clone(recording);
        // A frame that is being recorded may be held up by who reads it.
        let keeps = bounded::run(RECORDS_TIME, move || shared.has_frames_or_ends());
        let keeps = keeps.unwrap_or(true);
        let totals = if keeps { self.close(recording) } else { Totals::default() };
        let unscored = Unscored::of(self.filter, &totals, self.args.detect_interval);
        let truncated = self.scan.watch.truncated();
        let outcome = Outcome::of(cause, truncated, totals.frames, &unscored, &self.input.name);
        if !keeps {
            return outcome.result(None);
        }
        let (shared, record) = (Arc::clone(recording), outcome.record(&totals, &unscored));
        bounded::run(RECORDS_TIME, move || shared.end(&record));
        note(&format!("Frames: {}\n{}", totals.frames, summary::table(&totals.faces, self.judged)));
        if let Some(words) = unscored.in_words() {
            note(&format!("NOT ALL IS SCORED: {words}."));
        }
        let Files { records, video, .. } = files;
        records.keep()?;
        if let Some((file, _)) = video
            && file.file().metadata().is_ok_and(|metadata| metadata.len() > 0)
        {
            note(&format!("Annotated video: {}", file.keep()?.display()));
        }
        if let (Some(clips), Some(dir)) = (clips, &self.args.clips) {
            let stored = clips.lock().unwrap_or_else(PoisonError::into_inner).written();
            note(&format!("Clips: {stored} in {}", dir.display()));
        }
        outcome.result(recording.failure().map(|(_, text)| text.as_str()))
    }

    /// Has what waits written. A reader that does not read is not waited for.
    fn close(&self, recording: &Arc<Recording>) -> Totals {
        let (shared, filter) = (Arc::clone(recording), self.filter.clone());
        let closed = bounded::run(RECORDS_TIME, move || shared.close(&filter));
        closed.unwrap_or_else(|| Totals { frames: recording.frames(), ..Totals::default() })
    }
}

fn make_filter(args: &ScanArgs) -> Result<M2sdFilter, CliError> {
    let filter = args.networks.filter()?;
    // The element has the same words.
    let order = args.channel_order.to_possible_value();
    let order = order.as_ref().map_or("auto", |order| order.get_name());
    filter.set_property_from_str("channel-order", order);
    let on_error = args.on_error.to_possible_value();
    let on_error = on_error.as_ref().map_or("pass", |on_error| on_error.get_name());
    filter.set_property_from_str("on-error", on_error);
    filter.set_property_from_str("mode", "complete");
    filter.set_property("clip-fps", args.clip_fps.to_string());
    filter.set_property("clip-stride", args.clip_stride);
    filter.set_property("detect-interval", args.detect_interval);
    filter.set_property("detect-size", args.detect_size);
    filter.set_property("max-faces", args.max_faces);
    filter.set_property("min-face", args.min_face);
    if let Some(threshold) = args.threshold {
        filter.set_property("threshold", threshold);
    }
    filter.set_property("operating-point", &args.operating_point);
    Ok(filter)
}

/// Takes the element to READY, where it looks for models and runtime, and turns its error message
/// into ours.
pub fn prepare(filter: &M2sdFilter) -> Result<(), CliError> {
    let bus = gst::Bus::new();
    filter.set_bus(Some(&bus));
    let ready = filter.set_state(gst::State::Ready);
    filter.set_bus(None);
    // Whatever fails next leaves it as an element may be left. This cannot fail in a way that matters.
    let _ = filter.set_state(gst::State::Null);
    if ready.is_ok() {
        return Ok(());
    }
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    Err(match error.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => CliError::runtime(error.error()),
        _ => CliError::runtime("m2sdfilter cannot be started"),
    })
}

fn judged(
    classifiers: &[ClassifierFile],
    choice: &PointChoice,
) -> Result<Option<Judged>, CliError> {
    let judged = classifiers.iter().map(|ClassifierFile { source, info, training }| {
        let file = source.file_name();
        let name = match &info.title {
            Some(title) => format!("{title} ({file})"),
            None => file,
        };
        Judged::new(name, *training, info, choice).map_err(CliError::runtime)
    });
    Ok(Judged::together(judged.collect::<Result<_, _>>()?))
}

fn header(
    args: &ScanArgs,
    input: &Input,
    files: &ModelFiles,
    judged: Option<&Judged>,
) -> Result<serde_json::Value, CliError> {
    let model = |source: &ModelSource| -> Result<serde_json::Value, CliError> {
        let hash = match source.path() {
            Some(path) => Some(
                gstm2sd::models::sha256(path)
                    .map_err(|e| CliError::runtime(format!("cannot read {source}: {e}")))?,
            ),
            // By its server's word, if it gives it.
            None => sha256_of(source, &CancelToken::new()),
        };
        Ok(json!({ "file": source.file_name(), "sha256": hash }))
    };
    let point = judged.and_then(|judged| judged.point.as_ref());
    let classifiers = files.classifiers.iter().map(|file| model(&file.source));
    let mut classifiers = classifiers.collect::<Result<Vec<_>, _>>()?;
    let classifier = match classifiers.len() {
        0 | 1 => classifiers.pop().unwrap_or_default(),
        _ => classifiers.into(),
    };
    Ok(json!({
        "type": "header",
        "version": env!("CARGO_PKG_VERSION"),
        "runtime": gstm2sd::infer::runtimes().join(", "),
        "input": input.name,
        "detector": model(&files.detector)?,
        "aligner": files.aligner.as_ref().map(model).transpose()?,
        "classifier": classifier,
        "trained": judged.map(|judged| judged.training.is_trained()),
        "training": judged.map(|judged| judged.training.as_str()),
        "calibrated": judged.map(Judged::is_calibrated),
        "threshold": point.map(|point| point.threshold.get()),
        "threshold-source": point.map(|point| point.source.as_str()),
        "operating-point": point.map(|point| point.source.name()),
        "clip-fps": args.clip_fps.to_string(),
        "clip-stride": args.clip_stride,
        "detect-interval": args.detect_interval,
    }))
}

/// Has every clip stored.
fn store_clips(
    writer: ClipWriter,
    filter: &M2sdFilter,
    recording: &Arc<Recording>,
) -> Arc<Mutex<ClipWriter>> {
    let writer = Arc::new(Mutex::new(writer));
    let (shared, recording) = (Arc::clone(&writer), Arc::clone(recording));
    filter.on_clip(move |clip| {
        let stored = shared.lock().unwrap_or_else(PoisonError::into_inner).write(clip);
        if let Err(error) = stored {
            recording.fail(std::io::ErrorKind::Other, error.to_string());
        }
    });
    writer
}
