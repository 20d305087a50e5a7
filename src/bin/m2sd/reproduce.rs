//! `m2sd reproduce`: runs a scan again and compares.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use gstm2sd::core::counted::counted;
use gstm2sd::core::modelinfo::Role;
use gstm2sd::evidence::reproduce::{
    Comparison, Places, Plan, RemoteNetwork, ReproduceError, compare, plan,
};
use gstm2sd::infer::{CancelToken, Connection, Precision, Provider};

use crate::child;
use crate::error::CliError;
use crate::options;
use crate::terminal::{json_line, note, print_json, print_line};

#[derive(Args)]
pub struct ReproduceArgs {
    /// The folder with the results of a scan, or a file of records
    results: PathBuf,
    /// The input, if it is not where it was
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The folder with the models
    #[arg(long, value_name = "DIR")]
    engines: Option<PathBuf>,
    /// The detector, if it is not where it was: a path, a name in the engines folder, or a server's address
    #[arg(long, value_name = "MODEL")]
    detector: Option<String>,
    /// The aligner, likewise
    #[arg(long, value_name = "MODEL")]
    aligner: Option<String>,
    /// The classifier, likewise; several separated by commas, in their order
    #[arg(long, value_name = "MODEL")]
    classifier: Option<String>,
    /// What runs the networks, instead of what ran them [default: what was asked for then]
    #[arg(long, value_parser = options::provider())]
    provider: Option<Provider>,
    /// Arithmetic of the networks, instead of what was asked for then
    #[arg(long, value_parser = options::precision())]
    precision: Option<Precision>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ReproduceArgs) -> Result<(), CliError> {
    let instead = [
        args.provider.map(|provider| ("provider".to_owned(), provider.as_str().to_owned())),
        args.precision.map(|precision| ("precision".to_owned(), precision.as_str().to_owned())),
    ];
    let networks = [
        (Role::Detector, &args.detector),
        (Role::Aligner, &args.aligner),
        (Role::Classifier, &args.classifier),
    ];
    let networks = networks.into_iter().filter_map(|(role, name)| Some((role, name.clone()?)));
    let places = Places {
        input: args.input.clone(),
        engines: args.engines.clone(),
        networks: networks.collect(),
        instead: instead.into_iter().flatten().collect(),
    };
    let plan = plan(&args.results, &places).map_err(failure)?;
    plan.remote.iter().try_for_each(check)?;
    let folder = tempfile::tempdir().map_err(|e| {
        CliError::input(format!("no temporary folder can be made: {e}; set TMPDIR to another one"))
    })?;
    let again = folder.path().join("scores.jsonl");
    scan(&plan, &again)?;
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|e| CliError::input(format!("cannot read {}: {e}", path.display())))
    };
    let found = compare(&read(&plan.records)?, &read(&again)?).map_err(CliError::input)?;
    if args.json {
        let object = serde_json::to_value(&found).map_err(CliError::input)?;
        print_json(&json_line(&object))?;
    } else {
        print(&found)?;
    }
    if found.is_reproduced() {
        return Ok(());
    }
    Err(CliError::Changed(format!(
        "{} is not reproduced: {} beyond what may differ",
        plan.records.display(),
        counted(found.records_beyond, "record")
    )))
}

/// Whether a server has the network of the scan, as far as it tells.
fn check(network: &RemoteNetwork) -> Result<(), CliError> {
    let connection =
        Connection::open(&network.model, &CancelToken::new()).map_err(CliError::runtime)?;
    let is = connection.described().sha256.as_deref();
    if is.is_none() {
        note(&format!("m2sd: {} does not tell the hash of its network", network.model));
    }
    network.check(is).map_err(failure)
}

/// As a command of its own: this one, so that it is the same program.
fn scan(plan: &Plan, records: &Path) -> Result<(), CliError> {
    let until = plan.until.map_or(String::new(), |until| {
        format!(" up to {until:.2} s, somewhat beyond where the earlier scan ended")
    });
    note(&format!("m2sd: scanning {} again{until}", plan.input.display()));
    let mut command = child::command().map_err(CliError::runtime)?;
    command.arg("scan").args(&plan.arguments).arg("--json").arg(records).arg("--quiet");
    // What it says of the faces is not what is asked for; its errors are.
    let child = command.stdout(Stdio::null()).spawn();
    let status = child.and_then(child::wait).map_err(CliError::runtime)?;
    match status.code() {
        // 5: not all is scored, or the input is cut short, as it was the first time; the records tell.
        Some(0 | 5) => Ok(()),
        Some(code) => Err(CliError::runtime(format!("the scan failed with exit code {code}"))),
        None => Err(CliError::runtime(format!("the scan was ended: {status}"))),
    }
}

fn failure(error: ReproduceError) -> CliError {
    match error {
        ReproduceError::Model(_)
        | ReproduceError::OtherModel { .. }
        | ReproduceError::OtherNetwork { .. } => CliError::runtime(error),
        _ => CliError::input(error),
    }
}

fn print(found: &Comparison) -> Result<(), CliError> {
    let mut lines = Vec::new();
    lines.extend(found.environment.iter().map(|what| format!("otherwise than then: {what}")));
    lines.push(if found.bounds.score == 0.0 {
        format!("every bit is to be equal ({})", found.bounds.why)
    } else {
        format!("scores may differ by {} ({})", found.bounds.score, found.bounds.why)
    });
    for difference in &found.differences {
        let of = difference.track.map_or(String::new(), |track| format!(", face {track}"));
        lines.push(format!("line {}{of}: {}", difference.line, difference.what));
    }
    if found.partial {
        lines.push("the earlier scan did not reach its end; compared as far as it went".to_owned());
    }
    lines.push(format!(
        "{} of {} equal in every bit; scores differ by {} at most",
        found.equal,
        counted(found.records, "record"),
        found.largest_score_difference
    ));
    lines.iter().try_for_each(|line| print_line(line))
}
