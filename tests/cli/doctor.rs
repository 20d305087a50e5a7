//! `m2sd doctor` on a healthy machine, and on one with each part taken away.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use gstm2sd::models::synth::{self, Synth};
use serde_json::Value;

use super::running::assert_code;
use super::{command, scene, stderr, text};

const PLUGIN: &str = "libgstm2sd.so";

/// An empty home, in which nothing is found that a test has not put there.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the doctor here, with these engines and variables.
    fn doctor(&self, engines: &Path, args: &[&str], env: &[(&str, &Path)]) -> Output {
        let mut command = command(&["doctor", "--engines", text(engines)]);
        for unset in ["XDG_DATA_HOME", "GST_PLUGIN_PATH", "GST_PLUGIN_PATH_1_0"] {
            command.env_remove(unset);
        }
        command.env("HOME", self.path()).env("GST_REGISTRY", self.path().join("registry.bin"));
        command.args(args).current_dir(self.path()).envs(env.iter().copied());
        command.output().unwrap()
    }
}

/// The findings of one name, from JSON.
fn findings(run: &Output, name: &str) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let sections = report["sections"].as_array().unwrap().iter();
    let all = sections.flat_map(|section| section["findings"].as_array().unwrap());
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    all.filter(|finding| finding["name"] == name)
        .map(|finding| (word(finding, "state"), word(finding, "text"), word(finding, "remedy")))
        .collect()
}

#[track_caller]
fn finding(run: &Output, name: &str) -> (String, String, String) {
    let found = findings(run, name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].clone()
}

#[track_caller]
fn assert_finding(run: &Output, name: &str, state: &str, text: &str, remedy: &str) {
    let found = finding(run, name);
    assert_eq!(found.0, state, "{found:?}");
    assert!(found.1.contains(text), "{text} is not in {found:?}");
    assert!(found.2.contains(remedy) && remedy.is_empty() == found.2.is_empty(), "{found:?}");
}

/// The plugin that belongs to this test: cargo builds it where it builds the test.
fn plugin() -> PathBuf {
    let plugin = std::env::current_exe().unwrap().with_file_name(PLUGIN);
    assert!(plugin.is_file(), "no plugin at {}", plugin.display());
    plugin
}

fn engines() -> PathBuf {
    scene().join("engines")
}

#[test]
fn a_healthy_machine_gets_a_page_without_advice_on_what_works() {
    let home = Home::new();
    let plugin = plugin();
    let path = [("GST_PLUGIN_PATH", plugin.parent().unwrap())];
    let run = home.doctor(&engines(), &[], &path);
    assert_code(&run, 0);
    let page = String::from_utf8(run.stdout).unwrap();
    assert!(page.ends_with("\nA scan would run.\n"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    assert!(!page.contains("\n  NO"), "{page}");

    let run = home.doctor(&engines(), &["--json"], &path);
    assert_code(&run, 0);
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["scan-would-run"], true);
    assert_finding(&run, "plugin", "ok", "the same build as this command", "");
    assert_finding(&run, "version", "ok", "GStreamer 1.", "");
    assert_finding(&run, "elements", "ok", "are there", "");
    assert_finding(&run, "ONNX Runtime", "ok", "libonnxruntime", "");
    assert_finding(&run, "cpu", "ok", "precision", "");
    assert_finding(&run, "auto", "ok", "a tiny network", "");
    for (role, words) in [
        ("detector", "analytic_detector.onnx: analytic detector, analytic, licence: none needed"),
        ("aligner", "analytic_aligner.onnx"),
        ("classifier", "fake above 0.500000"),
    ] {
        assert_finding(&run, role, "ok", words, "");
    }
    assert_finding(&run, "engines 1", "ok", "3 models", "");
    assert_finding(&run, "m2sdfilter", "ok", "finds its models", "");
    assert_finding(&run, "cache", "ok", "can be written", "");
    // What is not there says what to do.
    for provider in ["cuda", "tensorrt"] {
        let (state, _, remedy) = finding(&run, provider);
        assert!(state == "ok" || !remedy.is_empty(), "{provider}");
    }
}

#[test]
fn without_onnx_runtime_no_scan_would_run() {
    let home = Home::new();
    let run = home.doctor(&engines(), &["--json"], &[("M2SD_RUNTIME", home.path())]);
    assert_code(&run, 4);
    assert!(stderr(&run).contains("no scan would run: ONNX Runtime, auto"), "{}", stderr(&run));
    // For people it ends the page, and is not said again.
    let page = home.doctor(&engines(), &[], &[("M2SD_RUNTIME", home.path())]);
    assert_code(&page, 4);
    assert!(String::from_utf8_lossy(&page.stdout).contains("\nNo scan would run: ONNX Runtime"));
    assert!(page.stderr.is_empty(), "{}", stderr(&page));
    assert_finding(&run, "ONNX Runtime", "stops-a-scan", "was not found", "Unset M2SD_RUNTIME");
    assert_finding(&run, "auto", "stops-a-scan", "needs ONNX Runtime", "above");
    assert_finding(&run, "cpu", "absent", "needs ONNX Runtime", "above");
    assert_finding(&run, "m2sdfilter", "stops-a-scan", "was not found", "M2SD_RUNTIME");
    // They are not to blame.
    assert_finding(&run, "detector", "ok", "analytic_detector.onnx", "");
}

#[test]
fn without_models_it_says_which_a_scan_needs() {
    let home = Home::new();
    let dir = tempfile::tempdir().unwrap();
    let run = home.doctor(dir.path(), &["--json"], &[]);
    assert_code(&run, 4);
    assert_finding(&run, "detector", "stops-a-scan", "no face can be found", "m2sd models fetch");
    assert_finding(&run, "classifier", "absent", "not judged", "m2sd models fetch");
    assert_finding(&run, "engines 1", "absent", "no models", "");

    let detector = synth::write(&Synth::Detector, dir.path()).unwrap();
    let run = home.doctor(dir.path(), &["--json"], &[]);
    assert_code(&run, 0);
    assert_finding(&run, "detector", "ok", "analytic", "");

    let mut whole = std::fs::read(&detector).unwrap();
    // An empty name of the producer, at the end of the file.
    whole.extend([0x12, 0]);
    std::fs::write(&detector, &whole).unwrap();
    let run = home.doctor(dir.path(), &["--json"], &[]);
    assert_code(&run, 0);
    assert_finding(&run, "detector", "wrong", "not the file that was imported", "models verify");

    std::fs::write(&detector, &whole[..whole.len() / 2]).unwrap();
    let run = home.doctor(dir.path(), &["--json"], &[]);
    assert_code(&run, 4);
    assert_finding(&run, "detector", "stops-a-scan", "cannot be loaded", "m2sd models fetch");
}

#[test]
fn an_engines_folder_that_is_named_must_be_there() {
    let home = Home::new();
    let run = home.doctor(Path::new("/nowhere/engines"), &["--json"], &[]);
    assert_code(&run, 4);
    assert_finding(&run, "engines 1", "stops-a-scan", "/nowhere/engines", "Name one that exists");
}

#[test]
fn a_classifier_that_nobody_vouches_for_is_told_with_what_to_do() {
    let home = Home::new();
    let dir = tempfile::tempdir().unwrap();
    for network in Synth::analytic() {
        synth::write(&network, dir.path()).unwrap();
    }
    let sidecar = dir.path().join("analytic_classifier.onnx.modelinfo");
    let written = std::fs::read_to_string(&sidecar).unwrap();
    for (training, remedy) in [("unknown", "--training trained"), ("untrained", "models fetch")] {
        std::fs::write(&sidecar, written.replace("=analytic", &format!("={training}"))).unwrap();
        let run = home.doctor(dir.path(), &["--json"], &[]);
        assert_code(&run, 0);
        assert_finding(&run, "classifier", "wrong", "no verdicts", remedy);
    }
}

#[test]
fn a_plugin_that_is_not_found_is_absent() {
    let home = Home::new();
    let run = home.doctor(&engines(), &["--json"], &[]);
    assert_code(&run, 0);
    let (state, _, remedy) = finding(&run, "plugin");
    assert_eq!(state, "absent");
    assert!(remedy.contains("GST_PLUGIN_PATH=") || remedy.contains("make install"), "{remedy}");
}

#[test]
fn broken_and_shadowed_files_of_the_plugin_are_named_with_the_reason() {
    let home = Home::new();
    let dirs = ["broken", "good", "better"].map(|name| home.path().join(name));
    for dir in &dirs {
        std::fs::create_dir(dir).unwrap();
    }
    let [broken, good, better] = &dirs;
    std::fs::write(broken.join(PLUGIN), "no library").unwrap();
    for dir in [good, better] {
        std::fs::copy(plugin(), dir.join(PLUGIN)).unwrap();
    }
    let doctor = |dirs: &[&PathBuf]| {
        let path = std::env::join_paths(dirs).unwrap();
        let run = home.doctor(&engines(), &["--json"], &[("GST_PLUGIN_PATH", Path::new(&path))]);
        assert_code(&run, 0);
        run
    };
    let run = doctor(&[broken]);
    assert_finding(&run, "plugin", "wrong", text(&broken.join(PLUGIN)), "Remove or replace");
    let (_, said, _) = finding(&run, "plugin");
    assert!(said.contains("blacklisted") && said.contains("file too short"), "{said}");

    // The registry remembers it, and does not look at the next.
    let run = doctor(&[broken, good]);
    assert_finding(&run, "plugin", "wrong", text(&broken.join(PLUGIN)), "Remove or replace");
    assert_finding(&run, "shadowed", "wrong", text(&good.join(PLUGIN)), "Remove");

    // A registry that is made anew does.
    std::fs::remove_file(home.path().join("registry.bin")).unwrap();
    let run = doctor(&[broken, good]);
    assert_finding(&run, "plugin", "ok", text(&good.join(PLUGIN)), "");
    assert_finding(&run, "shadowed", "wrong", text(&broken.join(PLUGIN)), "Remove");

    let run = doctor(&[good, better]);
    assert_finding(&run, "plugin", "ok", text(&good.join(PLUGIN)), "");
    assert_finding(&run, "shadowed", "wrong", text(&better.join(PLUGIN)), "GST_PLUGIN_PATH");
}

#[test]
fn a_plugin_of_another_build_is_told_apart() {
    let home = Home::new();
    let run = home.doctor(&engines(), &["--json"], &[]);
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let [version, commit] = ["version", "commit"].map(|key| report[key].as_str().unwrap());
    let (own, other) = (format!("{version}-{commit}"), format!("9.9.9-{commit}"));
    let mut library = std::fs::read(plugin()).unwrap();
    let places: Vec<_> = (0..library.len() - own.len())
        .filter(|at| library[*at..].starts_with(own.as_bytes()))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        library[at..at + other.len()].copy_from_slice(other.as_bytes());
    }
    std::fs::write(home.path().join(PLUGIN), library).unwrap();
    let run = home.doctor(&engines(), &["--json"], &[("GST_PLUGIN_PATH", home.path())]);
    assert_code(&run, 0);
    assert_finding(&run, "plugin", "wrong", &other, "one build");
}

#[test]
fn a_cache_that_cannot_be_written_is_told() {
    let home = Home::new();
    let dir = tempfile::tempdir().unwrap();
    for network in Synth::analytic() {
        synth::write(&network, dir.path()).unwrap();
    }
    std::fs::write(dir.path().join("cache"), "in the way").unwrap();
    let run = home.doctor(dir.path(), &["--json"], &[]);
    assert_code(&run, 0);
    assert_finding(&run, "cache", "wrong", "is no folder", "writable");
}

#[test]
fn missing_elements_and_encoders_are_named_with_their_packages() {
    let home = Home::new();
    let plugins = home.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    gst::init().unwrap();
    let core = gst::Registry::get().find_plugin("coreelements").unwrap().filename().unwrap();
    let link = |name: &str| {
        let library = core.with_file_name(format!("libgst{name}.so"));
        assert!(library.is_file(), "{}", library.display());
        symlink(&library, plugins.join(library.file_name().unwrap())).unwrap();
    };
    link("coreelements");
    let variables =
        [("GST_PLUGIN_SYSTEM_PATH_1_0", &*plugins), ("GST_PLUGIN_SYSTEM_PATH", &*plugins)];
    let run = home.doctor(&engines(), &["--json"], &variables);
    assert_code(&run, 4);
    assert_finding(&run, "elements", "stops-a-scan", "uridecodebin", "gstreamer1.0-plugins-base");
    assert_finding(&run, "video", "stops-a-scan", "no video encoder", "gstreamer1.0-plugins-good");

    for name in [
        "playback",
        "videoconvertscale",
        "audioconvert",
        "audioresample",
        "videofilter",
        "deinterlace",
        "isomp4",
    ] {
        link(name);
    }
    let run = home.doctor(&engines(), &["--json"], &variables);
    assert_code(&run, 4);
    assert!(stderr(&run).ends_with("no scan would run: video\n"), "{}", stderr(&run));
    for name in ["x264", "videoparsersbad"] {
        link(name);
    }
    let run = home.doctor(&engines(), &["--json"], &variables);
    assert_code(&run, 0);
    assert_finding(&run, "video", "ok", "x264enc", "");
    assert_finding(&run, "sound", "wrong", "silent", "gstreamer1.0-");
}

#[test]
fn nothing_secret_is_told() {
    let home = Home::new();
    let secret = Path::new("rtsp://user:geheim@host/stream");
    for args in [&[] as &[&str], &["--json"]] {
        let run = home.doctor(&engines(), args, &[("GST_DEBUG", secret)]);
        let all = [run.stdout, run.stderr].concat();
        let said = String::from_utf8(all).unwrap();
        assert!(said.contains("GST_DEBUG") && !said.contains("geheim"), "{said}");
    }
}
