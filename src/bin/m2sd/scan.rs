//! `m2sd scan`: the published script's job, through the element.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ValueEnum};
use gst::prelude::*;
use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::core::score::REFERENCE_THRESHOLD;
use gstm2sd::filter::{M2sdFilter, ModelFiles};
use serde_json::json;

use crate::clip_files::ClipWriter;
use crate::encode::Encoders;
use crate::error::CliError;
use crate::options::{self, NetworkArgs};
use crate::record::Recorder;
use crate::redact::redact;
use crate::staged::{LateFile, Staged};
use crate::summary::{self, Judge};
use crate::terminal::note;
use crate::{pipeline, play};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChannelOrder {
    Auto,
    Rgb,
    Bgr,
}

#[derive(Args, Debug)]
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
    #[command(flatten)]
    networks: NetworkArgs,
    /// Channel order of the detector's input
    #[arg(long, value_enum, default_value = "auto")]
    channel_order: ChannelOrder,
    /// P(fake) above which a face is called fake [default: the classifier's own]
    #[arg(long, value_parser = options::probability)]
    threshold: Option<f64>,
    /// Frames from the start of one clip to the start of the next
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10000))]
    clip_stride: u32,
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

pub fn run(args: &ScanArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    gstm2sd::plugin_register_static().map_err(CliError::runtime)?;
    let uri = input_uri(&args.input)?;
    let filter = make_filter(args)?;
    // Finds the models and the runtime before anything is written.
    prepare(&filter)?;
    let files = filter.model_files().map_err(CliError::runtime)?;
    let judge = judge(&files.classifier, args.threshold);
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out)
            .map_err(|e| CliError::input(format!("cannot make {}: {e}", out.display())))?;
    }
    let recorder = Recorder::new(record_file(args)?, header(args, &files, &judge)?);
    let recorder = Arc::new(Mutex::new(recorder));
    let video = annotated_file(args)?;
    let clips = store_clips(args, &filter)?;
    let into = video.as_ref().map(|(file, encoders)| (file.part(), encoders));
    let pipeline = pipeline::build(&uri, &filter, into)?;
    pipeline::observe(&pipeline, &filter, &recorder);
    let played = play::play(&pipeline, &filter, &args.input, args.quiet);
    // Going down cannot fail in a way that matters now.
    let _ = pipeline.set_state(gst::State::Null);
    played?;
    let finished = recorder.lock().unwrap_or_else(PoisonError::into_inner).finish();
    let (faces, frames) =
        finished.map_err(|e| CliError::input(format!("the records could not be written: {e}")))?;
    note(&format!("Frames: {frames}\n{}", summary::table(&faces, &judge)));
    if let Some((file, _)) = video {
        note(&format!("Annotated video: {}", file.keep()?.display()));
    }
    if let (Some(clips), Some(dir)) = (clips, &args.clips) {
        let stored = clips.lock().unwrap_or_else(PoisonError::into_inner).finish()?;
        note(&format!("Clips: {stored} in {}", dir.display()));
    }
    Ok(())
}

pub fn input_uri(input: &str) -> Result<String, CliError> {
    if input.contains("://") {
        return Ok(input.to_owned());
    }
    let path = std::path::absolute(input).map_err(CliError::input)?;
    if !path.is_file() {
        return Err(CliError::input(format!(
            "{input:?} is neither a file nor a URI; expected a path like clip.mp4 or a URI like \
             rtsp://camera/stream"
        )));
    }
    Ok(glib::filename_to_uri(&path, None).map_err(CliError::input)?.into())
}

fn make_filter(args: &ScanArgs) -> Result<M2sdFilter, CliError> {
    let filter = args.networks.filter()?;
    // The element has the same words.
    let order = args.channel_order.to_possible_value();
    let order = order.as_ref().map_or("auto", |order| order.get_name());
    filter.set_property_from_str("channel-order", order);
    filter.set_property_from_str("mode", "complete");
    filter.set_property("clip-stride", args.clip_stride);
    filter.set_property("detect-interval", args.detect_interval);
    filter.set_property("detect-size", args.detect_size);
    filter.set_property("max-faces", args.max_faces);
    filter.set_property("min-face", args.min_face);
    if let Some(threshold) = args.threshold {
        filter.set_property("threshold", threshold);
    }
    Ok(filter)
}

/// Takes the element to READY and turns its error message into ours.
fn prepare(filter: &M2sdFilter) -> Result<(), CliError> {
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

fn judge(classifier: &Path, threshold: Option<f64>) -> Judge {
    let info = ModelInfo::beside(classifier).unwrap_or_default();
    let file = classifier.file_name().unwrap_or_default().to_string_lossy();
    Judge {
        classifier: match info.title {
            Some(title) => format!("{title} ({file})"),
            None => file.into_owned(),
        },
        trained: info.trained,
        threshold: threshold.or(info.threshold).unwrap_or(REFERENCE_THRESHOLD),
    }
}

fn record_file(args: &ScanArgs) -> Result<Box<dyn Write + Send>, CliError> {
    let path = match (&args.json, &args.out) {
        (Some(path), _) if path.as_os_str() == "-" => return Ok(Box::new(std::io::stdout())),
        (Some(path), _) => path.clone(),
        (None, Some(out)) => out.join("scores.jsonl"),
        (None, None) => return Ok(Box::new(std::io::sink())),
    };
    let file = LateFile::create(path.clone())
        .map_err(|e| CliError::input(format!("cannot write {}: {e}", path.display())))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn header(
    args: &ScanArgs,
    files: &ModelFiles,
    judge: &Judge,
) -> Result<serde_json::Value, CliError> {
    let model = |path: &Path| -> Result<serde_json::Value, CliError> {
        let hash = gstm2sd::models::sha256(path)
            .map_err(|e| CliError::runtime(format!("cannot read {}: {e}", path.display())))?;
        Ok(json!({ "file": path.file_name().map(|n| n.to_string_lossy()), "sha256": hash }))
    };
    Ok(json!({
        "type": "header",
        "version": env!("CARGO_PKG_VERSION"),
        "runtime": gstm2sd::infer::runtime_version().ok(),
        "input": redact(&args.input),
        "detector": model(&files.detector)?,
        "aligner": files.aligner.as_deref().map(model).transpose()?,
        "classifier": model(&files.classifier)?,
        "trained": judge.trained,
        "threshold": judge.threshold,
        "clip-stride": args.clip_stride,
        "detect-interval": args.detect_interval,
    }))
}

/// Has every clip stored, if that is wanted.
fn store_clips(
    args: &ScanArgs,
    filter: &M2sdFilter,
) -> Result<Option<Arc<Mutex<ClipWriter>>>, CliError> {
    let Some(dir) = &args.clips else { return Ok(None) };
    let writer = Arc::new(Mutex::new(ClipWriter::new(dir, &args.input)?));
    let shared = Arc::clone(&writer);
    filter.on_clip(move |clip| {
        shared.lock().unwrap_or_else(PoisonError::into_inner).write(clip);
    });
    Ok(Some(writer))
}

/// Where the annotated video goes and what encodes it, if one is wanted.
fn annotated_file(args: &ScanArgs) -> Result<Option<(Staged, Encoders)>, CliError> {
    let Some(out) = args.out.as_ref().filter(|_| !args.no_video) else { return Ok(None) };
    let encoders = Encoders::choose()?;
    let file = Staged::new(out.join(format!("annotated.{}", encoders.extension)));
    Ok(Some((file, encoders)))
}
