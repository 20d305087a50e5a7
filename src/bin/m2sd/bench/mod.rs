//! `m2sd bench`: what the element costs on this machine, stage by stage, beside what the machine
//! can do at best, so that figures are ratios within one run.

mod baseline;
mod case;
mod conversion;
mod input;
mod limits;
mod load;
mod networks;
mod plot;
mod process;
mod report;
mod run;
mod stream;

pub use self::process::Machine;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::case::{Case, Resolution, Sweep};
use self::input::Input;
use self::networks::Networks;
use self::report::Report;
use crate::error::CliError;
use crate::options::NetworkArgs;
use crate::partial_file;
use crate::terminal::{note, print, print_json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// As fast as it goes, every clip scored
    Complete,
    /// In real time, as a camera would
    Live,
}

#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Frames of this video or picture, decoded beforehand, instead of drawn faces
    #[arg(long, value_name = "FILE")]
    video: Option<OsString>,
    /// Size of the frames: 640x360, or 360p, 720p, 1080p, 2160p
    #[arg(long, default_value = "360p")]
    resolution: Resolution,
    /// Pixel format of the frames
    #[arg(long, default_value = "I420")]
    format: String,
    /// Drawn faces on every frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    faces: u32,
    /// Elements that run side by side, 64 at most; with --remote any number
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    streams: u32,
    /// Frames from the start of one clip to the start of the next (0 = the element's choice)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000))]
    stride: u32,
    /// Detect faces on every n-th frame (0 = the element's choice)
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000))]
    detect_interval: u32,
    /// How frames come and go
    #[arg(long, value_enum, default_value = "complete")]
    mode: Mode,
    /// Frames of a second of the stream
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    fps: u32,
    /// Do not draw
    #[arg(long)]
    no_draw: bool,
    /// Measure so many frames of a stream, or fewer where --seconds end first
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,
    /// Measure no longer than this, if a few frames have left
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Make up the networks that are not named: analytic ones, and a full-size transformer with
    /// random weights. The detector of drawn faces is made up in any case
    #[arg(long)]
    synthetic: bool,
    #[command(flatten)]
    networks: NetworkArgs,
    /// Measure no element: offer the clips of --streams virtual streams, each with --faces faces and a
    /// clip every --stride frames (16 where it is 0) of --fps a second, to this classifier on an inference
    /// server, or to one that runs here
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["video", "synthetic", "sweep", "baseline"])]
    remote: Option<String>,
    /// Arithmetic of one clip, to be held against plain matrix products [default: M2SD's 361 with
    /// --synthetic]
    #[arg(long, value_name = "GFLOP")]
    gflop: Option<f64>,
    /// Measure again for several values of one of these
    #[arg(long, value_enum)]
    sweep: Option<Sweep>,
    /// Folder for the curves of the sweeps, as SVG
    #[arg(long, value_name = "DIR", requires = "sweep")]
    plots: Option<PathBuf>,
    /// Write all figures to this file; - is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Compare with the figures of an earlier run
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Elements in one process; virtual streams are not counted.
const MOST_STREAMS: u32 = 64;

impl BenchArgs {
    fn base(&self) -> Case {
        let Self { resolution, faces, streams, stride, .. } = *self;
        Case { resolution, faces, streams, stride }
    }
}

pub fn run(args: &BenchArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    gstm2sd::plugin_register_static().map_err(CliError::runtime)?;
    if let Some(model) = &args.remote {
        let report = load::run(args, model)?;
        let figures = serde_json::to_value(&report).map_err(CliError::runtime)?;
        return write(args, &figures, &report.table());
    }
    if args.streams > MOST_STREAMS {
        let found = args.streams;
        return Err(CliError::usage(format!("--streams {found}: {MOST_STREAMS} elements at most")));
    }
    // Before anything is measured for minutes.
    let before = args.baseline.as_deref().map(baseline::read).transpose()?;
    let networks = Networks::prepare(args)?;
    let mut report = Report::new(args, &networks)?;
    let series = Sweep::series(args.sweep, &args.base());
    for (sweep, cases) in &series {
        for case in cases {
            note(&format!("m2sd: measuring {case}"));
            let input = Input::prepare(args, case)?;
            let videoconvert = conversion::videoconvert(&input, args.mode)?;
            let measured = run::measure(args, case, &networks, &input)?;
            report.add(*sweep, case, &input, videoconvert, measured);
        }
    }
    if let Some(dir) = &args.plots {
        plot::write(dir, &report)?;
    }
    finish(args, &report, before.as_ref())
}

fn finish(
    args: &BenchArgs,
    report: &Report,
    before: Option<&serde_json::Value>,
) -> Result<(), CliError> {
    let figures = serde_json::to_value(report).map_err(CliError::runtime)?;
    let mut text = report.table();
    if let Some(before) = before {
        text.push_str(&baseline::table(before, &figures));
    }
    write(args, &figures, &text)
}

fn write(args: &BenchArgs, figures: &serde_json::Value, text: &str) -> Result<(), CliError> {
    match &args.json {
        Some(path) if path.as_os_str() == "-" => {
            print_json(&format!("{figures:#}\n"))?;
            note(text.trim_end());
            Ok(())
        }
        Some(path) => {
            partial_file::write(path, format!("{figures:#}\n").as_bytes())?;
            print(text)
        }
        None => print(text),
    }
}
