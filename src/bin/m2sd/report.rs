//! `m2sd report`: a scan's results as one page.

use std::path::{Path, PathBuf};

use clap::Args;
use gstm2sd::evidence::report::{Results, render};

use crate::error::CliError;
use crate::partial_file;
use crate::terminal::{escape, print_line};

/// The page's name where nobody gives another.
const NAME: &str = "report.html";

#[derive(Args)]
pub struct ReportArgs {
    /// The folder of a scan
    folder: PathBuf,
    /// Write the page there [default: report.html in the folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a page that is there
    #[arg(long)]
    force: bool,
}

pub fn run(args: &ReportArgs) -> Result<(), CliError> {
    let results = Results::read(&args.folder).map_err(CliError::input)?;
    let page = render(&results, concat!("m2sd ", env!("CARGO_PKG_VERSION")));
    let out = args.out.clone().unwrap_or_else(|| args.folder.join(NAME));
    refuse(&out, args)?;
    if results.has_seal && args.out.is_none() {
        // It would be a file that was added since.
        return Err(CliError::input(format!(
            "{} is sealed, and a page in it would be a change; name another place with --out, or make the \
             page before the seal",
            args.folder.display()
        )));
    }
    partial_file::write(&out, page.as_bytes())?;
    print_line(&format!("Report: {}", escape(&out.display().to_string())))
}

/// Nothing is overwritten that somebody might want.
fn refuse(out: &Path, args: &ReportArgs) -> Result<(), CliError> {
    let is_ours = |name: &str| {
        let ours = args.folder.join(name).canonicalize();
        ours.is_ok_and(|ours| out.canonicalize().is_ok_and(|out| out == ours))
    };
    if ["scores.jsonl", "scores.jsonl.part", "annotated.mp4", "seal.json"].into_iter().any(is_ours) {
        return Err(CliError::input(format!(
            "{} is a result of the scan; name another file for the page",
            out.display()
        )));
    }
    if out.exists() && !args.force {
        return Err(CliError::input(format!(
            "{} is there already; --force replaces it",
            out.display()
        )));
    }
    Ok(())
}
