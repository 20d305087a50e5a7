//! `m2sd doctor`: what is there, what it means, and what to do.

mod encoders;
mod folders;
mod gstreamer;
mod models;
mod providers;
mod report;

use std::path::PathBuf;

use clap::Args;
use gstm2sd::infer::onnxruntime;
use gstm2sd::models::resolve::Search;

use self::report::{Finding, Report, Section};
use crate::bench::Machine;
use crate::error::CliError;
use crate::terminal::{json_line, print, print_json};

#[derive(Args)]
pub struct DoctorArgs {
    /// Print it as JSON, for a bug report
    #[arg(long)]
    json: bool,
    /// Folder with the models, searched first
    #[arg(long, value_name = "DIR")]
    engines: Option<PathBuf>,
    /// Only load this file as a plugin, and say what is wrong with it
    #[arg(long, value_name = "FILE", hide = true)]
    load_plugin: Option<PathBuf>,
}

pub fn run(args: &DoctorArgs) -> Result<(), CliError> {
    gst::init().map_err(CliError::runtime)?;
    if let Some(file) = &args.load_plugin {
        return gstreamer::load(file).or_else(|reason| {
            print(&reason)?;
            Err(CliError::runtime(reason))
        });
    }
    // What every model needs says more than each model's own failure.
    let runs = onnxruntime::runtime_version().is_ok();
    let search = Search::new(args.engines.as_deref());
    let section = |title, findings| Section { title, findings };
    let report = Report {
        sections: vec![
            section("Command", command()),
            section("GStreamer", gstreamer::findings()),
            section("Encoders of the annotated video", encoders::findings()),
            section("Runtime", providers::runtime()),
            section("Providers, tried with a tiny network", providers::findings()),
            section("Models", models::findings(&search, runs)),
            section("Folders", folders::findings(&search, args.engines.is_some())),
        ],
    };
    if args.json {
        print_json(&json_line(&report.json()))?;
    } else {
        print(&report.page())?;
    }
    match report.obstacles().as_slice() {
        [] => Ok(()),
        obstacles => Err(CliError::runtime(format!("no scan would run: {}", obstacles.join(", ")))),
    }
}

fn command() -> Vec<Finding> {
    let exe = std::env::current_exe().unwrap_or_default();
    let version = concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID"));
    let machine = Machine::look();
    vec![
        Finding::fine("m2sd", format!("{version}, {}", exe.display())),
        Finding::fine(
            "machine",
            format!("{}, {} cores, {}", machine.cpu, machine.cores, std::env::consts::ARCH),
        ),
    ]
}
