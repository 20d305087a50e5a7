//! `m2sd calibrate`: turns what a classifier says into log-likelihood ratios, thresholds with known
//! error rates and limits of quality, and writes them into its sidecar.

mod input;
mod report;
mod sidecar;

use std::path::PathBuf;

use clap::Args;
use gstm2sd::core::modelinfo::{Calibration, ModelInfo, Population, Training};
use gstm2sd::measure::fit;
use gstm2sd::measure::fit::sufficiency;

use self::sidecar::Sidecar;
use crate::error::CliError;
use crate::eval::{Classifier, ScoringArgs};
use crate::terminal::{note, print};

const HOW: &str = "\
Half of the videos, drawn by --seed, are fitted on, the other half is measured on; both halves have the \
same proportions of groups. The map to log-likelihood ratios is logistic or isotonic, whichever costs \
less on the other half. At least 20 real and 20 fake videos are needed, and 198 real ones for the \
operating point fpr-1e-2, 1998 for fpr-1e-3.";

#[derive(Args, Debug)]
#[command(after_help = HOW)]
pub struct CalibrateArgs {
    /// scores.csv of `m2sd eval` or the folder that it is in, or data as `m2sd eval` takes it
    scores: PathBuf,
    /// The classifier whose sidecar is written: a path or a name in the engines folder
    #[arg(long, value_name = "MODEL")]
    classifier: String,
    /// Name of the population that it is calibrated on [default: of the data]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// From which halves are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Folder for the results of scoring data, as of `m2sd eval`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    scoring: ScoringArgs,
}

pub fn run(args: &CalibrateArgs) -> Result<(), CliError> {
    let classifier = Classifier::one(&args.classifier, args.scoring.engines.as_deref())?;
    let sidecar = Sidecar::of(&classifier.path)?;
    let input = input::read(args, &classifier)?;
    let fitted = fit::fit(&input.scores, args.seed)
        .map_err(|error| CliError::input(format!("{}: {error}", args.scores.display())))?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let [real, fake] = [0, 1].map(|class| fitted.fitted_on[class] + fitted.measured_on[class]);
    let population = Population {
        name: args.name.clone().unwrap_or(input.name),
        real: count(real),
        fake: count(fake),
        date: today()?,
        list_sha256: input.list_sha256,
    };
    let learned = ModelInfo {
        calibration: Some(Calibration { map: fitted.map.clone(), population }),
        points: fitted.points.clone(),
        sufficiency: sufficiency(sidecar.info.sufficiency, &fitted.limits),
        ..ModelInfo::default()
    };
    let text = sidecar.revised(&learned)?;
    print(&report::text(&classifier.name, &fitted))?;
    if sidecar.info.training == Training::Unknown {
        note(&format!(
            "m2sd: warning: nobody says whether {} was trained, so that it gives no verdicts; write \
             training=trained into its sidecar if you vouch for it",
            classifier.path.display()
        ));
    }
    if args.dry_run {
        return print(&format!("\nWould write {}:\n\n{text}", sidecar.path.display()));
    }
    sidecar.write(&text)?;
    print(&format!("Written: {}\n", sidecar.path.display()))
}

/// `YYYY-MM-DD`.
fn today() -> Result<String, CliError> {
    let now = glib::DateTime::now_utc().and_then(|now| now.format("%Y-%m-%d"));
    now.map(Into::into).map_err(CliError::runtime)
}
