//! Tables at the widths of terminals, and their colours.

use std::path::Path;
use std::process::Command;

use unicode_width::UnicodeWidthStr;

use super::pty::{on_terminal, plain};
use super::running::assert_code;
use super::{command, m2sd, scene, text};

const WIDTHS: [u16; 4] = [40, 60, 80, 200];

/// A scan of a few frames, whose table goes to standard output.
fn scan(video: &Path) -> Command {
    let engines = scene().join("engines");
    let mut command = command(&["scan", "--quiet", "--duration", "1", "--engines", text(&engines)]);
    command.arg(video);
    command
}

/// Words of a text, whatever the lines that they are in.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

#[track_caller]
fn assert_fits(said: &str, columns: u16) {
    assert_narrow(said, columns);
    assert!(said.lines().all(|line| line.trim_end() == line), "{columns}: {said:?}");
}

#[track_caller]
fn assert_narrow(said: &str, columns: u16) {
    for line in said.lines() {
        assert!(
            line.width() <= usize::from(columns),
            "{columns}: {} wide: {line}\n{said}",
            line.width()
        );
    }
}

#[test]
fn the_table_of_a_scan_fits_its_terminal_and_says_the_same() {
    let video = scene().join("scene.mp4");
    let piped = scan(&video).output().unwrap();
    assert_code(&piped, 0);
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(piped.lines().any(|line| line.len() > 100), "as wide as it needs: {piped}");
    let row = piped.lines().find(|line| line.ends_with("  fake")).expect(&piped);
    for columns in WIDTHS {
        let (said, code) = on_terminal(scan(&video), columns);
        assert_eq!(code, 0, "{said}");
        let said = plain(&said);
        assert_fits(&said, columns);
        for word in row.split_whitespace() {
            assert!(words(&said).iter().any(|said| said == word), "{columns}: no {word}: {said}");
        }
        // One line a face where there is room, else one line a value.
        let is_listed = said.lines().any(|line| line.split_whitespace().eq(["verdict", "fake"]));
        assert_eq!(is_listed, columns == 40, "{said}");
        if columns == 200 {
            assert_eq!(said.matches("  fake\n").count(), 1, "{said}");
        }
    }
}

#[test]
fn lists_of_models_and_of_what_is_there_fit_their_terminals() {
    let engines = scene().join("engines");
    let dir = tempfile::tempdir().unwrap();
    // Two columns each, and a combined emoji.
    let wide = dir.path().join("模型の名前👩‍🔬.onnx");
    std::fs::copy(engines.join("analytic_detector.onnx"), &wide).unwrap();
    let sidecar = std::fs::read(engines.join("analytic_detector.onnx.modelinfo")).unwrap();
    std::fs::write(dir.path().join("模型の名前👩‍🔬.onnx.modelinfo"), sidecar).unwrap();
    for args in [
        &["models", "list", "--engines", text(dir.path())][..],
        &["models", "verify", "--engines", text(&engines)],
        &["engines", "list", "--engines", text(&engines)],
        &["doctor", "--engines", text(&engines)],
    ] {
        let piped = command(args).output().unwrap();
        let piped = String::from_utf8(piped.stdout).unwrap();
        for columns in WIDTHS {
            let (said, _) = on_terminal(command(args), columns);
            let said = plain(&said);
            assert_fits(&said, columns);
            // What the other two tell changes while other tests run.
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            let is_still = args[0] == "models";
            assert!(!is_still || letters(&said) >= letters(&piped), "nothing is cut off: {said}");
        }
    }
}

/// What a command says on terminals of all widths; where it says `listed`, in as many words.
#[track_caller]
fn assert_fits_everywhere(make: impl Fn() -> Command, listed: &str) {
    for columns in WIDTHS {
        let (said, code) = on_terminal(make(), columns);
        assert_eq!(code, 0, "{said}");
        let said = plain(&said);
        assert_fits(&said, columns);
        assert!(words(&said).iter().any(|word| word == listed), "{columns}: no {listed}: {said}");
    }
}

#[test]
fn what_verify_tells_fits_its_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("results");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a file with a name of some length 名前.txt"), "x").unwrap();
    let run = |args: &[&str]| {
        let mut command = command(args);
        command.env("HOME", dir.path()).env_remove("XDG_CONFIG_HOME");
        command
    };
    assert_code(&run(&["key", "new"]).output().unwrap(), 0);
    assert_code(&run(&["seal", text(&folder)]).output().unwrap(), 0);
    let key = dir.path().join(".config/m2sd/seal-key.pem.pub");
    assert_fits_everywhere(|| run(&["verify", text(&folder), "--key", text(&key)]), "checked:");
}

#[test]
fn figures_of_an_evaluation_fit_their_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    for name in ["real/a.mp4", "fake/b.mp4"] {
        std::fs::create_dir_all(data.join(name).parent().unwrap()).unwrap();
        std::fs::copy(scene().join("scene.mp4"), data.join(name)).unwrap();
    }
    let engines = scene().join("engines");
    let args = ["eval", text(&data), "--out", text(&out), "--quiet", "--engines", text(&engines)];
    let all = [&args[..], &["--detect-interval", "4", "--replicates", "20"]].concat();
    // Scored once, and told four times.
    assert_fits_everywhere(|| command(&all), "AUC");
}

#[test]
fn a_bar_is_drawn_on_terminals_that_can_redraw_a_line() {
    let engines = scene().join("engines");
    let video = scene().join("scene.mp4");
    for (term, is_drawn) in [("xterm", true), ("dumb", false)] {
        let mut command = command(&["scan", text(&video), "--engines", text(&engines)]);
        command.env("TERM", term).env("NO_COLOR", "1");
        let (said, code) = on_terminal(command, 60);
        assert_eq!(code, 0, "{said}");
        assert_eq!(said.contains('\u{1b}'), is_drawn, "{term}: {said:?}");
        // Moves of the cursor, and no colours.
        let has_colors = said.split("\u{1b}[").skip(1).any(|code| {
            code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
        });
        assert!(!has_colors, "{term}: {said:?}");
    }
}

#[test]
fn help_and_errors_fit_their_terminals() {
    for args in [&["--help"][..], &["scan", "--help"], &["models", "import", "--help"]] {
        for columns in [60, 80, 200] {
            let (said, code) = on_terminal(command(args), columns);
            assert_eq!(code, 0);
            assert_narrow(&plain(&said), columns);
        }
    }
}

#[test]
fn colours_are_used_where_they_are_wanted_and_are_never_the_only_sign() {
    const RED: &str = "\u{1b}[1m\u{1b}[31mfake\u{1b}[0m";
    const GREEN: &str = "\u{1b}[32mreal\u{1b}[0m";
    let video = scene().join("scene.mp4");
    let has_escape = |text: &str| text.contains('\u{1b}');
    // On a terminal, by environment and option.
    let coloured = on_terminal(scan(&video), 100).0;
    assert!(coloured.contains(RED) && coloured.contains(GREEN), "{coloured}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
        let mut command = scan(&video);
        command.env(name, value);
        let said = on_terminal(command, 100).0;
        assert!(!has_escape(&said), "{name}: {said}");
        assert_eq!(said, plain(&coloured), "{name}: the same words");
    }
    let mut command = scan(&video);
    command.arg("--color=never");
    assert!(!has_escape(&on_terminal(command, 100).0));
    // NO_COLOR is weaker than the option.
    let mut command = scan(&video);
    command.args(["--color", "always"]).env("NO_COLOR", "1");
    assert!(has_escape(&on_terminal(command, 100).0));
    // In a pipe.
    let piped = |name: &str, value: &str, args: &[&str]| {
        let mut command = scan(&video);
        command.args(args).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env(name, value);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(!has_escape(&piped("TERM", "xterm", &[])));
    assert!(has_escape(&piped("CLICOLOR_FORCE", "1", &[])));
    assert!(!has_escape(&piped("CLICOLOR_FORCE", "1", &["--color=never"])));
    assert!(has_escape(&piped("TERM", "dumb", &["--color=always"])));
}

#[test]
fn help_errors_and_the_log_have_the_colours_that_the_terminal_wants() {
    let has_escape = |text: &str| text.contains('\u{1b}');
    let mut log = command(&["scan", "/nowhere.mp4"]);
    log.env("GST_DEBUG", "GST_REGISTRY:4");
    for (what, args, code) in [
        ("help", &["--help"][..], 0),
        ("help of a command", &["scan", "--help"], 0),
        ("usage", &["scan", "--gone"], 2),
        ("failure", &["scan", "/nowhere.mp4"], 3),
    ] {
        let run = |color: &str| {
            let mut command = command(args);
            command.args(["--color", color]);
            let (said, found) = on_terminal(command, 100);
            assert_eq!(found, code, "{what}: {said}");
            said
        };
        assert!(has_escape(&run("auto")), "{what}");
        assert!(!has_escape(&run("never")), "{what}: {}", run("never"));
        let piped = m2sd(args);
        let piped = [piped.stdout, piped.stderr].concat();
        assert!(!has_escape(&String::from_utf8(piped).unwrap()), "{what}");
    }
    let said = log.output().unwrap().stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("GST_REGISTRY") && !has_escape(&said), "{said}");
    // An argument does not become a colour.
    let (said, _) = on_terminal(command(&["scan", "--gone\u{1b}[31m"]), 100);
    assert!(said.contains("--gone") && !has_escape(&said), "{said:?}");
    let wrong = m2sd(&["--color", "green", "scan", "x.mp4"]);
    assert_code(&wrong, 2);
}

#[test]
fn several_inputs_are_told_as_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("odd \u{1b}[31m\n名前👍.mp4");
    std::fs::copy(scene().join("scene.mp4"), &odd).unwrap();
    let mut command = scan(&odd);
    command.arg(scene().join("scene.mp4"));
    let (said, code) = on_terminal(command, 60);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("\u{1b}[31mfake\u{1b}[0m").count(), 2, "{said}");
    let said = plain(&said);
    assert!(said.contains("\\u{1b}[31m\\n名前👍.mp4"), "{said}");
    let (told, summary) = said.split_once("2 of 2 inputs").expect(&said);
    assert_fits(summary, 60);
    assert!(told.lines().filter(|line| !line.starts_with('/')).all(|line| line.width() <= 60));
    let mut command = scan(&odd);
    command.arg(scene().join("scene.mp4"));
    let piped = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(!piped.contains('\u{1b}'), "{piped}");
}
