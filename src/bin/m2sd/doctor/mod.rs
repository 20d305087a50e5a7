//! `m2sd doctor`: what is there, what it means, and what to do.

mod encoders;
mod folders;
mod gstreamer;
mod models;
mod providers;
mod report;

use std::path::{Path, PathBuf};

use clap::Args;
use gst::prelude::*;
use gstm2sd::models::resolve::Search;

use self::providers::Tried;
use self::report::{Finding, Report, Section, State, split};
use crate::bench::Machine;
use crate::error::CliError;
use crate::scan;
use crate::terminal::{json_line, print, print_json, print_page};

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
    let report = report(args.engines.as_deref());
    if args.json {
        print_json(&json_line(&report.json()))?;
    } else {
        print_page(&report.page())?;
    }
    match report.obstacles().as_slice() {
        [] => Ok(()),
        _ if !args.json => Err(CliError::Told),
        obstacles => Err(CliError::runtime(format!("no scan would run: {}", obstacles.join(", ")))),
    }
}

fn report(engines: Option<&Path>) -> Report {
    let search = Search::new(engines);
    // Before the element is registered in this process.
    let gstreamer = gstreamer::findings();
    // What every model needs says more than each model's own failure.
    let tried = Tried::all();
    let section = |title, findings| Section { title, findings };
    Report {
        sections: vec![
            section("Command", command()),
            section("GStreamer", gstreamer),
            section("Encoders of the annotated video", encoders::findings()),
            section("Runtime", tried.runtime()),
            section("Providers, tried with a tiny network", tried.findings()),
            section("Models", models::findings(&search, tried.cpu_works())),
            section("Folders", folders::findings(&search, engines.is_some())),
            section("Element", vec![element(engines)]),
        ],
    }
}

/// Has the element look for what it needs, as a scan does before it begins.
fn element(engines: Option<&Path>) -> Finding {
    let name = "m2sdfilter";
    let made = gstm2sd::plugin_register_static().map_err(CliError::runtime).and_then(|()| {
        let engines = engines.map(|dir| dir.display().to_string());
        let element = gst::ElementFactory::make(name).property("engines-dir", engines).build();
        let element = element.map_err(CliError::runtime)?;
        element.downcast().map_err(|_| CliError::runtime("another plugin owns the name m2sdfilter"))
    });
    match made.and_then(|filter| scan::prepare(&filter)) {
        Ok(()) => Finding::fine(name, "finds its models and a runtime"),
        Err(error) => split(State::Stops, name, &error.to_string()),
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
