//! Several inputs at once, and what the command tells of itself.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use super::ending::long_scene;
use super::running::{assert_code, wait_until};
use super::{command, m2sd, records, scene, stderr, text};

#[test]
fn several_inputs_have_a_folder_each_and_one_summary() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("in");
    std::fs::create_dir_all(folder.join("below")).unwrap();
    for name in ["a.mp4", "scene.mp4", "below/hidden.mp4"] {
        std::fs::copy(&video, folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("notes.txt"), "no video").unwrap();
    std::fs::create_dir(folder.join("dir.mp4")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("gone.mp4")).unwrap();
    let pipe = std::ffi::CString::new(text(&folder.join("pipe.mp4"))).unwrap();
    // SAFETY: the name ends with zero.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let results = dir.path().join("out");
    let scan = |more: &[&str]| {
        let args = ["scan", text(&folder), text(&video), "--out", text(&results), "--jobs", "2"];
        let quick = ["--engines", text(&engines), "--clip-stride", "16", "--no-video"];
        m2sd(&[&args[..], &quick, more].concat())
    };
    let run = scan(&["--max-faces", "4", "--set=detect-threshold=0.75"]);
    assert_code(&run, 0);
    let left_out = stderr(&run);
    for words in ["gone.mp4 is left out: it cannot", "pipe.mp4 is left out: it is a pipe"] {
        assert!(left_out.contains(words), "{left_out}");
    }
    assert_eq!(left_out.matches("left out").count(), 2, "{left_out}");
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("3 of 3 inputs were scanned to their end:"), "{said}");
    assert_eq!(said.matches("Faces: 1 fake, 2 real. (exit code 0)").count(), 3, "{said}");
    let mut folders: Vec<_> =
        std::fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(folders, ["a", "scene", "scene-2"]);
    for name in folders {
        let text = std::fs::read_to_string(results.join(name).join("scores.jsonl")).unwrap();
        let header = &records(&text)[0];
        let settings =
            ["max-faces", "detect-threshold"].map(|name| header["settings"][name].clone());
        assert_eq!(
            settings,
            [serde_json::json!(4), serde_json::json!(0.75)],
            "each scan has the options"
        );
    }

    // The worst of the exit codes.
    std::fs::write(folder.join("b.mkv"), "no video at all").unwrap();
    let run = scan(&["--force"]);
    assert_code(&run, 3);
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("3 of 4 inputs were scanned to their end, 1 not:"), "{said}");
    assert!(said.contains("(exit code 3)"), "{said}");
    assert!(!results.join("b").exists(), "an empty folder was left");

    let both = ["scan", text(&video), text(&video)];
    for more in [&["--json", "-"][..], &["-"], &["/nowhere.mp4"]] {
        let run = m2sd(&[&both[..], more, &["--engines", text(&engines)]].concat());
        let code = if more == ["/nowhere.mp4"] { 3 } else { 2 };
        assert_code(&run, code);
    }
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let run = m2sd(&["scan", text(&empty)]);
    assert_code(&run, 3);
    assert!(stderr(&run).contains("no videos and no pictures"), "{}", stderr(&run));
}

#[test]
fn a_signal_ends_all_of_several_scans() {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let dir = tempfile::tempdir().unwrap();
    let args = ["scan", text(&video), text(&video), "--out", text(dir.path())];
    let args = [&args[..], &["--engines", text(&engines), "--classifier", "none"]].concat();
    let mut scan = super::running::Running::start(&args, Stdio::null(), &[]);
    scan.until("a scan", |_| dir.path().join("scene").is_dir());
    scan.signal(libc::SIGTERM);
    assert_code(&scan.end(std::time::Duration::from_secs(60)), 143);
    assert!(!dir.path().join("scene-2").exists(), "the second was not begun");
}

#[test]
fn scans_end_in_order_with_whoever_started_them_however_that_ends() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    let start = |name: &str, video: &Path| {
        let out = dir.path().join(name);
        let args = ["scan", text(video), text(video), "--out", text(&out), "--jobs", "2"];
        let args = [&args[..], &["--engines", text(&engines), "--no-video"]].concat();
        let mut command = command(&args);
        let scan = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        (scan.unwrap(), out)
    };
    let end = |out: &Path, folder: &str| {
        let records = std::fs::read_to_string(out.join(folder).join("scores.jsonl")).ok()?;
        Some(super::records(&records).last()?["end"].as_str()?.to_owned())
    };
    let lines = |out: &Path, folder: &str| {
        let part = out.join(folder).join("scores.jsonl.part");
        std::fs::read_to_string(part).map_or(0, |text| text.lines().count())
    };
    // Killed; and interrupted as a terminal does it, which signals all of its group at once.
    for (name, signal, group) in [("killed", libc::SIGKILL, 1), ("interrupted", libc::SIGINT, -1)] {
        let (mut scan, out) = start(name, long_scene());
        wait_until("records", || lines(&out, "long") > 20 && lines(&out, "long-2") > 20);
        // SAFETY: signals a child that has not been waited for, and its group.
        unsafe { libc::kill(group * scan.id() as i32, signal) };
        scan.wait().unwrap();
        for folder in ["long", "long-2"] {
            wait_until(&format!("end of {name}/{folder}"), || end(&out, folder).is_some());
            assert_eq!(end(&out, folder).as_deref(), Some("interrupted"), "{name}/{folder}");
        }
    }
    // The control: whoever lives waits for them.
    let (mut scan, out) = start("living", &scene().join("scene.mp4"));
    assert!(scan.wait().unwrap().success());
    assert_eq!(end(&out, "scene-2").as_deref(), Some("complete"));
}

#[test]
fn completions_and_man_pages_are_of_every_command() {
    let commands = ["scan", "models", "watch", "synth-video"];
    for shell in ["bash", "zsh", "fish"] {
        let run = m2sd(&["completions", shell]);
        assert_code(&run, 0);
        let script = String::from_utf8(run.stdout).unwrap();
        for word in commands.iter().chain(&["max-faces"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let mut script = tempfile::NamedTempFile::new().unwrap();
    script.write_all(&m2sd(&["completions", "bash"]).stdout).unwrap();
    let bash = std::process::Command::new("bash").arg("-n").arg(script.path()).output();
    assert!(bash.unwrap().status.success(), "bash does not read it");
    assert_code(&m2sd(&["completions", "cmd"]), 2);
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    assert_code(&m2sd(&["man", text(&pages)]), 0);
    for page in commands.map(|name| pages.join(format!("m2sd-{name}.1"))) {
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{page}");
    }
    assert!(pages.join("m2sd.1").is_file());
}
