//! The command as a user runs it: exit codes, files, standard output.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod addresses;
#[path = "../support/authority.rs"]
mod authority;
#[path = "../support/browser.rs"]
mod browser;
mod camera;
mod compare;
mod doctor;
mod ending;
mod engines;
mod ensemble;
mod eval;
mod evidence;
mod fetch;
mod formats;
mod interlaced;
mod load;
mod many;
mod measure;
mod names;
mod networks;
mod outputs;
mod pictures;
mod places;
#[path = "../support/ports.rs"]
mod ports;
mod pty;
mod records;
mod replaced;
mod report;
mod running;
mod scan;
mod seal;
mod setup;
mod stamp;
mod stills;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod trial;
mod trust;
mod unscored;
mod upright;
mod width;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use gstm2sd::models::synth::{self, ClipShape, Synth};
use serde_json::Value;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m2sd"));
    // What GLib calls critical is a fault of ours, or of an element that a scan should not use so.
    command.args(args).env_remove("M2SD_ENGINES").env("G_DEBUG", "fatal-criticals");
    command
}

fn m2sd(args: &[&str]) -> Output {
    command(args).output().expect("the command runs")
}

/// A folder with the analytic networks and a drawn scene, made once.
fn scene() -> &'static Path {
    static SCENE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = SCENE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        for network in Synth::analytic() {
            synth::write(&network, &dir.path().join("engines")).unwrap();
        }
        let scene = dir.path().join("scene.mp4");
        let made = m2sd(&["synth-video", "--frames", "60", "--out", scene.to_str().unwrap()]);
        assert!(made.status.success(), "{made:?}");
        dir
    });
    made.path()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn of_type<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

/// The analytic classifier of another folder, in another shape or quantised.
fn classifier(dir: &Path, shape: ClipShape) -> PathBuf {
    synth::write(&Synth::Classifier(shape), dir).unwrap()
}
