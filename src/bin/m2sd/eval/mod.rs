//! `m2sd eval`: what a classifier's scores are worth, on videos that are known to be real or fake.
//!
//! Every video is scanned by a process of its own, whose records stay in the folder of results: a
//! video that brings a scan down is one that has no score, and a second run goes on where the first
//! one ended. What is reported is made anew from all records at the end of each run.

mod classifiers;
mod data;
mod degrade;
mod faces;
mod jobs;
mod listed;
mod media;
mod records;
mod report;
mod settings;

use std::path::{Path, PathBuf};

use clap::Args;
use gstm2sd::infer::{Device, Precision, Provider};
use gstm2sd::measure::Table;

pub use self::classifiers::Classifier;
use self::degrade::{Degradation, Kind};
use self::jobs::Jobs;
pub use self::listed::Listed;
use self::settings::Settings;
use crate::error::CliError;
use crate::options;
use crate::signals::Signals;
use crate::terminal::note;

const LEVELS: &str = "\
DATA is a folder with real/ and fake/, whose folders are groups; or a CSV file with the columns file, \
label and group; or a dataset JSON of DeepfakeBench. Degradations: jpeg at quality 75, 50 and 25; h264 \
at constant quantizer 23, 32 and 40; resize to 1/2 and 1/4 and back; Gaussian blur of sigma 1, 2 and 4 \
px; Gaussian noise of standard deviation 5, 10 and 20 levels of 255. SIGINT, SIGTERM and SIGHUP end a \
run; the next one with the same --out goes on.";

/// What decides the scores, as `eval` and `calibrate` have it.
#[derive(Args, Clone, Debug)]
pub struct ScoringArgs {
    /// Folder with the models
    #[arg(long, value_name = "DIR")]
    pub engines: Option<String>,
    /// Detection model: a path or a name in the engines folder
    #[arg(long, value_name = "MODEL")]
    detector: Option<String>,
    /// Landmark model, or "none"
    #[arg(long, value_name = "MODEL")]
    aligner: Option<String>,
    /// What runs the networks
    #[arg(long, value_parser = options::provider(), default_value = "auto")]
    provider: Provider,
    /// Arithmetic of the networks
    #[arg(long, value_parser = options::precision(), default_value = "auto")]
    precision: Precision,
    /// Where the networks run: auto, cpu, or a GPU such as gpu:0
    #[arg(long, default_value = "auto")]
    device: Device,
    /// Frames from the start of one clip to the start of the next; 1 is a clip for each frame, which
    /// takes that much longer
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10000))]
    clip_stride: u32,
    /// Detect faces on every n-th frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    detect_interval: u32,
    /// Files that are scored at a time [default: half of the cores, 4 at most]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: Option<u32>,
    /// The part of a DeepfakeBench set
    #[arg(long, default_value = "test")]
    split: String,
    /// Folder that the paths of a CSV or JSON file start from [default: its own]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

#[derive(Args, Debug)]
#[command(after_help = LEVELS)]
pub struct EvalArgs {
    /// Videos and pictures that are known to be real or fake
    data: PathBuf,
    /// Folder for metrics.json, scores.csv, page.html and the records of the scans; made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A classifier: a path or a name in the engines folder; may be given several times
    #[arg(long, value_name = "MODEL")]
    classifier: Vec<String>,
    /// Score degraded copies, too
    #[arg(long, value_enum, value_delimiter = ',')]
    degrade: Vec<Kind>,
    /// P(fake) above which a video counts as called fake
    #[arg(long, value_parser = options::probability, conflicts_with = "operating_point")]
    threshold: Option<f64>,
    /// The classifiers' operating point: a measured one, or published [default: the first measured, else
    /// the published one]
    #[arg(long, value_name = "NAME")]
    operating_point: Option<String>,
    /// How often videos are drawn for the intervals
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    replicates: u32,
    #[command(flatten)]
    scoring: ScoringArgs,
}

impl EvalArgs {
    fn threshold_of(&self, classifier: &Classifier) -> Result<Option<f64>, CliError> {
        match self.threshold {
            Some(threshold) => Ok(Some(threshold)),
            None => classifier.threshold(self.operating_point.as_deref()),
        }
    }
}

/// Scores of all classifiers on all data, and what is needed to report them.
struct Evaluated {
    classifiers: Vec<Classifier>,
    degradations: Vec<Degradation>,
    scans: jobs::Scans,
    settings: Settings,
}

pub fn run(args: &EvalArgs) -> Result<(), CliError> {
    let EvalArgs { data, out, scoring, .. } = args;
    let degradations = Degradation::levels(&args.degrade);
    // Before anything is scored: a name may be wrong.
    for classifier in Classifier::find(&args.classifier, scoring.engines.as_deref())? {
        args.threshold_of(&classifier)?;
    }
    let evaluated = score(data, out, &args.classifier, degradations, scoring)?;
    let summary = report::write(args, &evaluated)?;
    crate::terminal::print_page(&summary)?;
    evaluated.scans.outcome()
}

/// Scores `data` and returns the table, as `calibrate` needs it.
pub fn table(
    data: &Path,
    out: &Path,
    classifier: &str,
    scoring: &ScoringArgs,
) -> Result<Table, CliError> {
    let plain = Degradation::levels(&[]);
    let evaluated = score(data, out, &[classifier.to_owned()], plain, scoring)?;
    let table = report::table(&evaluated);
    report::write_table(out, &table)?;
    report::write_list(out, &evaluated)?;
    match evaluated.scans.outcome() {
        // Files without a score are told of, and the others calibrate.
        Err(CliError::Unscored(text)) => note(&format!("m2sd: {text}")),
        outcome => outcome?,
    }
    Ok(table)
}

fn score(
    data: &Path,
    out: &Path,
    classifiers: &[String],
    degradations: Vec<Degradation>,
    scoring: &ScoringArgs,
) -> Result<Evaluated, CliError> {
    gst::init().map_err(CliError::runtime)?;
    let items = data::read(data, scoring.root.as_deref(), &scoring.split)?;
    let classifiers = Classifier::find(classifiers, scoring.engines.as_deref())?;
    let settings = Settings::of(scoring, &classifiers)?;
    for degradation in &degradations {
        degradation.check()?;
    }
    std::fs::create_dir_all(out)
        .map_err(|e| CliError::input(format!("cannot make {}: {e}", out.display())))?;
    settings.hold(out)?;
    let signals = Signals::take()?;
    let jobs = Jobs { out, items, classifiers: &classifiers, degradations: &degradations, scoring };
    let scans = jobs.run(&signals)?;
    Ok(Evaluated { classifiers, degradations, scans, settings })
}
