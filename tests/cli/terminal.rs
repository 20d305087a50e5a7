//! What the command prints, and where nobody reads.

use std::fs::OpenOptions;
use std::process::Stdio;

use gstm2sd::models::synth::ClipShape;

use super::running::assert_code;
use super::{classifier, command, m2sd, records, scene, stderr, text};

#[test]
fn a_closed_or_full_standard_output_is_no_panic() {
    let engines = scene().join("engines");
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let closed = || std::io::pipe().unwrap().1;
    for args in [
        &["models", "list", "--engines", text(&engines)][..],
        &["models", "verify", "--engines", text(&engines)],
        &["engines", "list", "--engines", text(&engines)],
        &["--help"],
    ] {
        let run = |stdout: Stdio| command(args).stdout(stdout).output().unwrap();
        let nobody = run(closed().into());
        assert_code(&nobody, 141);
        assert_eq!(stderr(&nobody), "", "{args:?}: quiet, as other tools");
        let disk = run(full().into());
        assert_code(&disk, 3);
        assert!(stderr(&disk).contains("No space left"), "{args:?}: {}", stderr(&disk));
        // The control: somebody reads, and nobody hears what is said.
        let heard = command(args).stderr(full()).output().unwrap();
        assert_code(&heard, 0);
        assert!(!heard.stdout.is_empty());
    }
    let mut missing = command(&["scan", "/nowhere.mp4", "--json", "-"]);
    assert_code(&missing.stderr(closed()).output().unwrap(), 3);
}

#[test]
fn passwords_in_addresses_are_nowhere() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let address = "rtsp://user:geheim@127.0.0.1:1/stream?token=geheim";
    let out = dir.path().join("out");
    let run = m2sd(&["scan", address, "--out", text(&out), "--engines", text(&engines)]);
    assert_code(&run, 3);
    assert!(stderr(&run).contains("rtsp://user:***@127.0.0.1:1/stream?token=***"));
    assert!(!stderr(&run).contains("geheim"), "{}", stderr(&run));
    let run = m2sd(&["scan", "--json", "-", address, address]);
    assert_code(&run, 2);
    assert!(!stderr(&run).contains("geheim"), "{}", stderr(&run));

    // Without their schemes they are names of files that are not there.
    for address in ["user:geheim@host/x/y", "rtsp:/user:geheim@host/x", "//user:geheim@host/x"] {
        let run = m2sd(&["scan", address, "--engines", text(&engines)]);
        assert_code(&run, 3);
        let said = stderr(&run);
        assert!(!said.contains("geheim") && said.contains("user:***@host"), "{said}");
    }

    // A file by an address that has a password, which nothing needs.
    let video = format!("file://{}?password=geheim", text(&scene().join("scene.mp4")));
    let run = m2sd(&["scan", &video, "--json", "-", "--engines", text(&engines)]);
    let said = [stderr(&run), String::from_utf8(run.stdout).unwrap()].concat();
    assert!(!said.contains("geheim") && said.contains("password=***"), "{said}");
    let video = format!("file://{}", text(&scene().join("scene.mp4")));
    let run = m2sd(&["scan", &video, "--json", "-", "--engines", text(&engines)]);
    assert_code(&run, 0);
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    assert_eq!(
        records[0]["input"]["name"],
        video.as_str(),
        "an address without a password is unchanged"
    );
}

#[test]
fn titles_and_names_do_not_reach_the_terminal_as_commands() {
    let dir = tempfile::tempdir().unwrap();
    let model =
        classifier(dir.path(), ClipShape { size_px: 32, frames: 1, ..ClipShape::default() });
    let sidecar = dir.path().join("analytic_classifier.onnx.modelinfo");
    let sidecar = if sidecar.is_file() { sidecar } else { model.with_extension("modelinfo") };
    let info = std::fs::read_to_string(&sidecar).unwrap();
    let title = "title=evil \u{1b}]0;x\u{7}\u{9b}2J\u{202e}";
    std::fs::write(&sidecar, info.replace("title=analytic classifier: redness", title)).unwrap();
    let listed = m2sd(&["models", "list", "--engines", text(dir.path())]);
    assert_code(&listed, 0);
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let odd = dir.path().join("odd\u{1b}[2J\u{9b}.mp4");
    std::fs::copy(&video, &odd).unwrap();
    let models = ["--engines", text(&engines), "--classifier", text(&model)];
    let run = m2sd(&[&["scan", text(&odd), "--json", "-"], &models[..]].concat());
    assert_code(&run, 0);
    let missing = m2sd(&["scan", "gone\u{1b}[2J.mp4", "--json", "-"]);
    assert_code(&missing, 3);
    let wrong = m2sd(&["scan", "--gone\u{1b}[2J"]);
    assert_code(&wrong, 2);
    for (what, bytes) in [
        ("listed", &listed.stdout),
        ("records", &run.stdout),
        ("table", &run.stderr),
        ("missing", &missing.stderr),
        ("usage", &wrong.stderr),
    ] {
        let said = std::str::from_utf8(bytes).unwrap();
        let obeyed = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
        assert!(!said.contains(obeyed), "{what}: {said:?}");
    }
    let said = String::from_utf8(listed.stdout).unwrap();
    assert!(said.contains("evil \\u{1b}]0;x"), "{said}");
    let records = records(std::str::from_utf8(&run.stdout).unwrap());
    assert_eq!(records[0]["input"]["name"], text(&odd), "escaped, and the same");
}
