//! The options of `m2sd scan`, and the element that they make.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gst::prelude::*;
use gstm2sd::core::evidence::{PointChoice, Probability};
use gstm2sd::core::sampling::ClipFps;
use gstm2sd::evidence::records::Span;
use gstm2sd::filter::M2sdFilter;

use crate::error::CliError;
use crate::options::{self, NetworkArgs};

const STOPPING: &str = "\
SIGINT, SIGTERM and SIGHUP end a scan: clips that are under way are scored for 5 s at most, the \
video is finished within 3 s more, the records within 2 s, and a source that does not stop within \
5 s is left alone. A second signal ends at once.";

/// What the element does when a model fails while running.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OnError {
    /// Frames pass without scores, and the models are tried again
    Pass,
    /// The scan ends
    Fail,
}

#[derive(Args, Debug)]
#[command(after_help = STOPPING)]
pub struct ScanArgs {
    /// Videos and pictures: files, URIs, folders (all videos and pictures in them, not in their
    /// subfolders), or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<OsString>,
    /// Folder for annotated.mp4 (or .mkv; .png of a picture), scores.jsonl and crops; made if need be. Of
    /// several inputs each has a subfolder. Without it, --json and --clips nothing is written, and the
    /// table goes to standard output
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace results of another scan. Without it the results of this one are used again, where they are
    /// complete, and those of another are kept
    #[arg(long)]
    pub force: bool,
    /// Write the records to this file; - is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Store the aligned pictures of every clip in this folder, one uint8 [3,T,S,S] NumPy file each,
    /// for `m2sd models compare` and for calibration: 2.4 MB for M2SD, see --clip-stride
    #[arg(long, value_name = "DIR")]
    pub clips: Option<PathBuf>,
    /// How many of several inputs are scanned at a time
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: u32,
    /// Do not write an annotated video or picture
    #[arg(long)]
    pub no_video: bool,
    /// Do not keep what the classifier saw of each face's clips with the highest, a typical and the lowest
    /// score, in a folder crops
    #[arg(long)]
    pub no_crops: bool,
    /// Do not show a progress bar
    #[arg(long)]
    pub quiet: bool,
    /// Seconds without anything from the source after which the scan ends
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=86400))]
    pub timeout: u32,
    /// What happens when a model fails while running
    #[arg(long, value_enum, default_value = "pass")]
    pub on_error: OnError,
    /// Clip records tell how long the classifier took, and differ from run to run
    #[arg(long)]
    pub timings: bool,
    /// Where to begin, in seconds of the input's own time; what is before is not analysed
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub start: Duration,
    /// How much to analyse, in seconds [default: all that follows]
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub duration: Option<Duration>,
    /// Set any property of the element, as gst-inspect-1.0 m2sdfilter lists them; can be repeated
    #[arg(long, value_name = "PROPERTY=VALUE")]
    pub set: Vec<String>,
    /// Certificates (PEM) of those whose content credentials you believe, or of who issued theirs
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    #[command(flatten)]
    pub networks: NetworkArgs,
    /// Channel order of the detector's input
    #[arg(long, value_parser = ["auto", "rgb", "bgr"], default_value = "auto")]
    pub channel_order: String,
    /// P(fake) above which a face is called fake [default: that of the operating point]
    #[arg(long, value_parser = options::probability, conflicts_with = "operating_point")]
    pub threshold: Option<f64>,
    /// One of the classifier's thresholds: what m2sd calibrate named, such as fpr-1e-2, or published
    /// [default: the first that was measured, else the published one, else none]
    #[arg(long, value_name = "NAME")]
    pub operating_point: Option<String>,
    /// Frames from the start of one clip to the start of the next
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10000))]
    pub clip_stride: u32,
    /// Frames a second of which clips are made, of videos that have more: auto, what the classifier
    /// was trained on where its sidecar says; native, as published; or a number
    #[arg(long, value_name = "FPS", default_value = "auto")]
    pub clip_fps: ClipFps,
    /// Detect faces on every n-th frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub detect_interval: u32,
    /// Detect on frames scaled down to this longer side in px (0 = as they are)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=16384))]
    pub detect_size: u32,
    /// The most faces of a frame
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=750))]
    pub max_faces: u32,
    /// The shorter side in px of the smallest face
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=16384))]
    pub min_face: u32,
}

impl ScanArgs {
    pub fn point(&self) -> Result<PointChoice, CliError> {
        Ok(match (self.threshold, &self.operating_point) {
            (Some(threshold), _) => {
                PointChoice::Threshold(Probability::new(threshold).map_err(CliError::usage)?)
            }
            (None, Some(name)) => PointChoice::Named(name.clone()),
            (None, None) => PointChoice::Best,
        })
    }

    /// As the records have it.
    pub fn span(&self) -> Span {
        let duration = self.duration.map(|duration| duration.as_secs_f64());
        Span { start: self.start.as_secs_f64(), duration }
    }

    /// The running times that are analysed; `None`: all.
    pub fn range(&self) -> Option<Range<gst::ClockTime>> {
        let time = |time: Duration| {
            let nanoseconds = u64::try_from(time.as_nanos()).ok()?;
            (nanoseconds < u64::MAX).then(|| gst::ClockTime::from_nseconds(nanoseconds))
        };
        let whole = self.start.is_zero() && self.duration.is_none();
        let start = time(self.start).unwrap_or(gst::ClockTime::MAX);
        let end = self.duration.and_then(|duration| time(self.start.saturating_add(duration)));
        (!whole).then(|| start..end.unwrap_or(gst::ClockTime::MAX))
    }
}

/// The element, with what the options say.
///
/// # Errors
/// Where it cannot be made.
pub fn make_filter(args: &ScanArgs) -> Result<M2sdFilter, CliError> {
    let filter = args.networks.filter()?;
    // The element has the same words.
    filter.set_property_from_str("channel-order", &args.channel_order);
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
    for assignment in &args.set {
        set(&filter, assignment)?;
    }
    Ok(filter)
}

/// A time in seconds, as `1.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    Duration::try_from_secs_f64(number).map_err(|_| "expected 0 s or more".to_owned())
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time.is_zero() { Err("expected more than 0 s".to_owned()) } else { Ok(time) }
}

/// Sets a property as `PROPERTY=VALUE` names it.
fn set(filter: &M2sdFilter, assignment: &str) -> Result<(), CliError> {
    let Some((name, text)) = assignment.split_once('=') else {
        return Err(CliError::usage(format!(
            "--set {assignment:?} has no =; expected PROPERTY=VALUE, such as max-faces=3"
        )));
    };
    let own = M2sdFilter::static_type();
    let settable = |spec: &glib::ParamSpec| {
        spec.owner_type() == own && spec.flags().contains(glib::ParamFlags::READWRITE)
    };
    let Some(spec) = filter.find_property(name).filter(settable) else {
        let specs = filter.list_properties();
        let names: Vec<_> = specs.iter().filter(|spec| settable(spec)).map(|s| s.name()).collect();
        return Err(CliError::usage(format!(
            "--set {name:?}: the element has no such property that can be set; expected one of {}",
            names.join(", ")
        )));
    };
    if spec.name() == "mode" && text != "complete" {
        return Err(CliError::usage(format!(
            "--set mode={text}: a scan misses nothing, so that its mode is complete; the element in a \
             pipeline of yours has others"
        )));
    }
    let wrong = || {
        CliError::usage(format!(
            "--set {name}: {text:?} is no value of it; expected {}",
            expected(&spec)
        ))
    };
    let value = glib::Value::deserialize_with_pspec(text, &spec).map_err(|_| wrong())?;
    if !is_in_range(&spec, &value) {
        return Err(wrong());
    }
    filter.set_property_from_value(name, &value);
    // The element says why it does not take a text; to the log alone.
    let told = |value: &glib::Value| value.serialize().ok();
    if told(&filter.property_value(name)) == told(&value) { Ok(()) } else { Err(wrong()) }
}

/// Out of its range the library would warn, and take what is nearest.
fn is_in_range(spec: &glib::ParamSpec, value: &glib::Value) -> bool {
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        return value
            .get::<u32>()
            .is_ok_and(|number| (spec.minimum()..=spec.maximum()).contains(&number));
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt64>() {
        return value
            .get::<u64>()
            .is_ok_and(|number| (spec.minimum()..=spec.maximum()).contains(&number));
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecDouble>() {
        return value
            .get::<f64>()
            .is_ok_and(|number| (spec.minimum()..=spec.maximum()).contains(&number));
    }
    true
}

/// What values a property has, in words.
fn expected(spec: &glib::ParamSpec) -> String {
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        return format!("{} to {}", spec.minimum(), spec.maximum());
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt64>() {
        return format!("{} to {}", spec.minimum(), spec.maximum());
    }
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecDouble>() {
        return format!("{} to {}", spec.minimum(), spec.maximum());
    }
    if let Some(class) = glib::EnumClass::with_type(spec.value_type()) {
        let nicks: Vec<_> = class.values().iter().map(|value| value.nick()).collect();
        return nicks.join(", ");
    }
    if spec.value_type() == glib::Type::BOOL {
        return "true or false".to_owned();
    }
    format!("what gst-inspect-1.0 m2sdfilter says: {}", spec.blurb().unwrap_or_default())
}
