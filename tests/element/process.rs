//! The plugin as a program loads it: in a process of its own, by `gst-launch-1.0`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gstm2sd::models::synth::{Synth, write};

use super::picture::{Picture, one_face};
use super::support::{Watchdog, init, short_clips};

/// The folder of the plugin that belongs to this test: cargo builds it where it builds the test.
fn plugin_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let dir = test.parent().unwrap().to_owned();
    assert!(dir.join("libgstm2sd.so").is_file(), "no plugin in {}", dir.display());
    dir
}

/// Plays raw RGB frames of the picture through `elements`, in an empty folder.
fn launch(picture: &Picture, frames: usize, elements: &str, env: &[(&str, &str)]) -> Output {
    init();
    let _watchdog = Watchdog::new();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("frames.rgb"), picture.rgb().repeat(frames)).unwrap();
    let (width, height) = (picture.width, picture.height);
    let line = format!(
        "filesrc location=frames.rgb ! rawvideoparse format=rgb width={width} height={height} \
         framerate=25/1 ! {elements} ! fakesink"
    );
    Command::new("gst-launch-1.0")
        .args(line.split_whitespace())
        .current_dir(dir.path())
        .env("GST_PLUGIN_PATH", plugin_dir())
        .env("GST_REGISTRY", dir.path().join("registry.bin"))
        .env("HOME", dir.path())
        .env_remove("XDG_DATA_HOME")
        .env_remove("M2SD_ENGINES")
        .env("RUST_BACKTRACE", "1")
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    let text = format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    assert!(!text.contains("panicked"), "{text}");
    assert!(output.status.code().is_some(), "ended by a signal: {}\n{text}", output.status);
    text
}

fn filter(engines_dir: &Path) -> String {
    format!("m2sdfilter engines-dir={} provider=cpu", engines_dir.display())
}

#[test]
#[ignore = "the child of another test"]
fn hangs() {
    let _watchdog = Watchdog::with_patience(std::time::Duration::from_millis(200));
    std::thread::Builder::new().name("the-other".into()).spawn(|| loop_for_ever()).unwrap();
    loop_for_ever()
}

#[inline(never)]
fn loop_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
fn a_hang_is_reported_with_the_stacks_of_all_threads() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::hangs", "--ignored"])
        .output()
        .unwrap();
    assert!(output.status.code().is_none(), "ended by itself: {}", output.status);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("process::hangs hangs"), "{text}");
    assert_eq!(text.matches("loop_for_ever").count(), 2, "{text}");
    assert!(text.contains("the-other"), "{text}");
}

#[test]
fn nothing_leaks() {
    let tracer = [("GST_TRACERS", "leaks"), ("GST_DEBUG", "GST_TRACER:7")];
    for (mode, frames) in [("complete", 20), ("complete", 2), ("live", 20)] {
        let elements = format!("{} mode={mode}", filter(short_clips()));
        let output = launch(&one_face(90), frames, &elements, &tracer);
        let log = text(&output);
        assert!(output.status.success(), "{log}");
        // The tracer first describes its records, with types in the place of values.
        assert!(log.contains("object-alive.class"), "the tracer did not run: {log}");
        let is_record =
            |line: &&str| line.contains("object-alive, ") && !line.contains("=(string)%s");
        let alive: Vec<_> = log.lines().filter(is_record).collect();
        assert!(alive.is_empty(), "{mode}: {alive:#?}");
    }
}

#[test]
fn a_runtime_that_is_not_there_is_named() {
    for path in ["/nowhere/runtime", "/dev/null"] {
        let elements = filter(short_clips());
        let output = launch(&one_face(90), 5, &elements, &[("M2SD_RUNTIME", path)]);
        let text = text(&output);
        assert!(!output.status.success(), "{text}");
        assert!(text.contains("ONNX Runtime") && text.contains(path), "{text}");
        assert!(text.contains("Unset M2SD_RUNTIME"), "what to do is missing: {text}");
    }
}

#[test]
fn an_installed_plugin_advises_what_an_installation_has() {
    let home = tempfile::tempdir().unwrap();
    let plugins = home.path().join(".local/share/gstreamer-1.0/plugins");
    let programs = home.path().join(".local/bin");
    for dir in [&plugins, &programs] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::fs::copy(plugin_dir().join("libgstm2sd.so"), plugins.join("libgstm2sd.so")).unwrap();
    std::fs::write(programs.join("m2sd"), "").unwrap();
    let home = home.path().to_str().unwrap();
    let env = [("HOME", home), ("GST_PLUGIN_PATH", ""), ("M2SD_RUNTIME", "")];
    let output = launch(&one_face(90), 1, &filter(short_clips()), &env);
    let said = text(&output);
    assert!(said.contains("Run `make install` in the clone that this was installed"), "{said}");
    let env = [("HOME", home), ("GST_PLUGIN_PATH", "")];
    let output = launch(&one_face(90), 1, "m2sdfilter", &env);
    let said = text(&output);
    assert!(said.contains(&format!("`{home}/.local/bin/m2sd models fetch`")), "{said}");
}

#[test]
fn without_models_the_error_names_them_and_every_folder() {
    let empty = tempfile::tempdir().unwrap();
    let output = launch(&one_face(90), 5, &filter(empty.path()), &[]);
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    let folder = empty.path().to_str().unwrap();
    for part in ["retinaface", folder, "m2sd/engines", "/usr/share/m2sd/engines", "m2sd models"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn without_a_classifier_frames_pass_and_one_warning_says_so() {
    let dir = tempfile::tempdir().unwrap();
    write(&Synth::Detector, dir.path()).unwrap();
    for (classifier, warnings) in [("", 1), ("classifier=none", 0)] {
        let elements = format!("{} {classifier}", filter(dir.path()));
        let output = launch(&one_face(90), 5, &elements, &[]);
        let text = text(&output);
        assert!(output.status.success(), "{text}");
        let told = text.matches("There is no classifier").count();
        assert_eq!(told, warnings, "{text}");
        assert_eq!(text.matches("m2sd models fetch").count(), warnings, "{text}");
    }
    // One that is named is wanted.
    let output = launch(&one_face(90), 5, &format!("{} classifier=m2sd", filter(dir.path())), &[]);
    assert!(!output.status.success(), "{}", text(&output));
}

#[test]
fn stopping_while_the_networks_load_is_safe() {
    // The source ends at once, most likely before the networks are there.
    for _ in 0..5 {
        let elements = format!("{} mode=live", filter(short_clips()));
        let output = launch(&one_face(90), 1, &elements, &[]);
        let text = text(&output);
        assert!(output.status.success(), "{text}");
    }
}

#[test]
fn one_library_is_enough_for_what_it_runs() {
    let whole = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".runtime");
    let run = |library: &str, provider: &str| {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(whole.join(library), dir.path().join(library)).unwrap();
        let elements = format!("{} provider={provider}", filter(short_clips()));
        let set = [("M2SD_RUNTIME", dir.path().to_str().unwrap())];
        let output = launch(&one_face(90), 5, &elements, &set);
        (output.status.success(), text(&output))
    };
    for (library, provider) in
        [("openvino", "auto"), ("openvino", "openvino"), ("onnxruntime", "auto")]
    {
        let (went_well, text) = run(library, provider);
        assert!(went_well, "{provider} with {library}: {text}");
    }
    let (went_well, text) = run("onnxruntime", "openvino");
    assert!(!went_well && text.contains("OpenVINO was not found"), "{text}");
    assert!(text.contains("Unset M2SD_RUNTIME"), "what to do is missing: {text}");
}
