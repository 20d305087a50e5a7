//! The command `m2sd`: scan a file or stream, measure, and look after the models.

// `terminal` prints: without secrets, without control characters, without panics.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod calibrate;
mod child;
mod clip_files;
mod compare;
mod doctor;
mod encode;
mod engines;
mod error;
mod eval;
mod export;
mod fetch;
mod key;
mod manual;
mod media_files;
mod models;
mod options;
mod outputs;
mod partial_file;
mod provenance;
mod quantise;
mod report;
mod reproduce;
mod scan;
mod seal;
mod signals;
mod synth_video;
mod terminal;
mod thumbnail;
mod verify;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use gstm2sd::watch::bounded;

use self::error::CliError;
use self::terminal::Color;

/// Tells whether the faces in a video are forged.
#[derive(Parser)]
#[command(name = "m2sd", version, after_help = EXIT_CODES)]
struct Args {
    /// When to use colours; auto is on terminals, as NO_COLOR and CLICOLOR_FORCE say
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto,
        display_order = 900)]
    color: Color,
    /// Take terminals for so many columns wide
    #[arg(long, global = true, hide = true, value_parser = clap::value_parser!(u16).range(10..))]
    columns: Option<u16>,
    /// End as after SIGTERM when standard input ends, which whoever starts this holds open
    #[arg(long = child::UNTIL_STDIN_ENDS, global = true, hide = true)]
    until_stdin_ends: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 2 usage, 3 input or results, 4 models or runtime, or no clip could be scored, \
5 done, but not all of the input is scored or it is cut short, 10 not as it was sealed, signed or scanned, 11 not \
sealed, 12 sealed by a key that nobody vouched for, 130 and 143 ended by SIGINT and \
SIGTERM, 141 nobody reads standard output any more";

#[derive(Subcommand)]
enum Command {
    /// Score the faces of files, folders and streams; write annotated videos and the scores
    Scan(scan::ScanArgs),
    /// Tell what is there, what is missing and what to do; exit code 0 if a scan would run
    Doctor(doctor::DoctorArgs),
    /// Make one page of a scan's results: what was found, how sure it is, and what it cannot tell
    Report(report::ReportArgs),
    /// Measure what the element costs on this machine
    Bench(bench::BenchArgs),
    /// Score videos that are known to be real or fake; write metrics, scores and a page
    Eval(eval::EvalArgs),
    /// Calibrate a classifier on scores of videos that are known to be real or fake
    Calibrate(calibrate::CalibrateArgs),
    /// Import, fetch, list, verify and compare models
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Build TensorRT's engines ahead of time, show and remove them
    #[command(subcommand)]
    Engines(engines::EnginesCommand),
    /// Keep an eye on many cameras: events, recordings of alerts, a REST server with a page
    Watch(watch::WatchArgs),
    /// Make and show keys to seal results with
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Seal a folder of results, so that any change is told
    Seal(seal::SealArgs),
    /// Tell whether a folder is as it was sealed, and by whose key; works without networks
    Verify(verify::VerifyArgs),
    /// Run a scan again from what its records say, and compare
    Reproduce(reproduce::ReproduceArgs),
    /// Tell the content credentials (C2PA) of a file: who signed what was done to it
    Provenance(provenance::ProvenanceArgs),
    /// Write what completes m2sd's commands and options in a shell to standard output
    Completions(manual::CompletionsArgs),
    /// Write man pages of all commands into a folder
    Man(manual::ManArgs),
    /// Write a video: of drawn faces for the analytic networks, or of a camera over a picture
    SynthVideo(synth_video::SynthVideoArgs),
}

fn main() -> ExitCode {
    let color = Color::asked(std::env::args_os());
    color.hold();
    signals::outlive_file_limits();
    let args = match parse(color) {
        Ok(args) => args,
        Err(error) => return explain(&error),
    };
    args.columns.into_iter().for_each(terminal::hold_columns);
    if args.until_stdin_ends {
        child::end_with_parent();
    }
    let result = match args.command {
        Command::Scan(args) => scan::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Models(command) => models::run(&command),
        Command::Engines(command) => engines::run(&command),
        Command::Watch(args) => watch::run(&args),
        Command::Key(command) => key::run(&command),
        Command::Seal(args) => seal::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Provenance(args) => provenance::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::pages(&args),
        Command::SynthVideo(args) => synth_video::run(&args),
    };
    result.map_or_else(|error| fail(&error), |()| exit(0))
}

fn parse(color: Color) -> Result<Args, clap::Error> {
    let matches = Args::command().color(color.of_clap()).try_get_matches()?;
    Args::from_arg_matches(&matches)
}

/// Help or what is wrong with the arguments, which may hold passwords.
fn explain(error: &clap::Error) -> ExitCode {
    let told = terminal::explain(error);
    told.map_or_else(
        |error| fail(&error),
        |()| ExitCode::from(if error.use_stderr() { 2 } else { 0 }),
    )
}

/// Says why the command failed, unless whoever runs it knows.
fn fail(error: &CliError) -> ExitCode {
    if !matches!(
        error,
        CliError::Closed | CliError::Signal(_) | CliError::Told | CliError::Several(_)
    ) {
        terminal::fail(&error.to_string());
    }
    exit(error.exit_code())
}

/// How the process ends: where work was abandoned or a network still runs, without the clean-up that
/// would wait for it, or take away what it reads.
fn exit(code: u8) -> ExitCode {
    if bounded::was_abandoned() || gstm2sd::infer::settle(Duration::ZERO) > 0 {
        signal_hook::low_level::exit(code.into());
    }
    ExitCode::from(code)
}
