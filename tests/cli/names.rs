//! Inputs by any name, and those that are not whole.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Output;

use super::eval::draw;
use super::running::assert_code;
use super::{command, m2sd, records, scene, stderr, text};

/// Runs in this folder, with the networks of the drawn scene where they are asked for.
fn run_in(dir: &Path, args: &[&OsStr]) -> Output {
    let mut run = command(&[]);
    run.args(args).current_dir(dir).env("M2SD_ENGINES", scene().join("engines"));
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join(".runtime");
    if std::env::var_os("M2SD_RUNTIME").is_none() && runtime.is_dir() {
        run.env("M2SD_RUNTIME", runtime);
    }
    run.output().unwrap()
}

fn os<'a>(args: &[&'a str]) -> Vec<&'a OsStr> {
    args.iter().map(|arg| OsStr::new(*arg)).collect()
}

fn name_of(results: &Path) -> String {
    let text = std::fs::read_to_string(results.join("scores.jsonl")).unwrap();
    records(&text)[0]["input"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_name_that_is_no_unicode_is_scanned_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    let odd = OsStr::from_bytes(b"odd \xff.png");
    std::fs::create_dir(at.join("in")).unwrap();
    draw(&at.join("in/plain.png"), Some(40));
    draw(&at.join("in").join(odd), Some(200));
    let run = run_in(&at, &os(&["scan", "in", "--out", "out"]));
    assert_code(&run, 0);
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("2 of 2 inputs were scanned to their end:"), "{said}");
    assert_eq!(name_of(&at.join("out/plain")), "in/plain.png", "the control");
    let folders = std::fs::read_dir(at.join("out")).unwrap().map(|entry| entry.unwrap().path());
    let results = folders.into_iter().find(|folder| !folder.ends_with("plain")).unwrap();
    // Each byte of the name can be had again, and it names the file as an input, too.
    let name = name_of(&results);
    assert_eq!(name, format!("file://{}/in/odd%20%FF.png", text(&at)));
    assert_code(&run_in(&at, &os(&["scan", &name, "--json", "-"])), 0);

    // What comes out is of use as that of any other.
    let key = at.join("key");
    assert_code(&m2sd(&["key", "new", "--out", text(&key)]), 0);
    let again = run_in(Path::new("/"), &os(&["reproduce", text(&results)]));
    assert_code(&again, 0);
    assert_code(&m2sd(&["report", text(&results)]), 0);
    let page = std::fs::read_to_string(results.join("report.html")).unwrap();
    assert!(page.contains("odd%20%FF.png"), "{page}");
    assert_code(&m2sd(&["seal", text(&results), "--key", text(&key)]), 0);
    let public = at.join("key.pub");
    assert_code(&m2sd(&["verify", text(&results), "--key", text(&public)]), 0);

    // Alone, and where there is none.
    let mut alone = os(&["scan", "--json", "alone.jsonl", "--"]);
    alone.push(odd);
    assert_code(&run_in(&at.join("in"), &alone), 0);
    let mut bench = os(&["bench", "--frames", "2", "--seconds", "1", "--json", "-", "--video"]);
    bench.push(odd);
    let run = run_in(&at.join("in"), &bench);
    assert_code(&run, 0);
    let figures: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(figures["settings"]["video"], name.as_str());
    let none = OsString::from(OsStr::from_bytes(b"none \xfe.png"));
    let run = run_in(&at, &[OsStr::new("scan"), &none]);
    assert_code(&run, 3);
    assert!(stderr(&run).contains("none%20%FE.png: it is neither a file"), "{}", stderr(&run));
}

#[test]
fn an_input_is_the_same_by_any_path_that_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    draw(&dir.path().join("clip.png"), Some(200));
    let scan = |input: &str| run_in(dir.path(), &os(&["scan", input, "--out", "out"]));
    assert_code(&scan("clip.png"), 0);
    std::fs::copy(dir.path().join("clip.png"), dir.path().join("copy.png")).unwrap();
    let whole = text(&dir.path().join("clip.png")).to_owned();
    let address = format!("file://{whole}");
    for input in ["clip.png", "./clip.png", &whole, &address, "copy.png"] {
        let run = scan(input);
        assert_code(&run, 0);
        assert!(stderr(&run).contains("These results were there"), "{input}: {}", stderr(&run));
        let is_told = stderr(&run).contains("(then \"clip.png\")");
        assert_eq!(is_told, input != "clip.png", "{}", stderr(&run));
    }
    assert_eq!(name_of(&dir.path().join("out")), "clip.png");
    // The control: other bytes of the same name.
    draw(&dir.path().join("clip.png"), Some(100));
    let run = scan("clip.png");
    assert_code(&run, 2);
    assert!(stderr(&run).contains("input.sha256 was"), "{}", stderr(&run));
}

#[test]
fn what_an_input_lacks_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(scene().join("scene.mp4")).unwrap();
    let scan = |args: &[&str]| {
        let run = run_in(dir.path(), &[&os(&["scan", "--quiet"])[..], &os(args)].concat());
        assert_code(&run, 3);
        stderr(&run)
    };
    let said = scan(&["-"]);
    assert!(said.contains("standard input is empty") && !said.contains("zeros"), "{said}");
    let folder = std::fs::File::open(dir.path()).unwrap();
    let run = command(&["scan", "-"]).stdin(folder).output().unwrap();
    assert_code(&run, 3);
    let said = stderr(&run);
    assert!(said.contains("standard input cannot be read: Is a directory"), "{said}");
    assert!(said.contains("scan - < clip.mp4") && !said.contains("TMPDIR"), "{said}");
    let index = whole.windows(4).rposition(|part| part == b"moov").unwrap() - 4;
    for (length, words) in [
        (whole.len() / 2, format!("byte {} of {index} or more: its box mdat", whole.len() / 2)),
        (index, format!("no index (moov) in its {index} bytes")),
        (index + 100, format!("byte {} of {} or more: its box moov", index + 100, whole.len())),
    ] {
        std::fs::write(dir.path().join("cut.mp4"), &whole[..length]).unwrap();
        let said = scan(&["cut.mp4"]);
        let is_told = said.contains(&words) && said.contains("untrunc");
        assert!(is_told && !said.contains("Convert it"), "{words}: {said}");
    }
    // The control: nothing is missing, but nobody reads it.
    let codec = whole.windows(4).position(|part| part == b"stsd").unwrap();
    let mut unread = whole.clone();
    unread[codec + 16..codec + 20].copy_from_slice(b"none");
    std::fs::write(dir.path().join("unread.mp4"), &unread).unwrap();
    let said = scan(&["unread.mp4"]);
    assert!(said.contains("Convert it") && !said.contains("untrunc"), "{said}");
    let path = dir.path().join("unread.mp4");
    let said = scan(&[&format!("file://{}", text(&path).replace("unread", "%75nread"))]);
    assert!(said.contains(&format!("ffmpeg -i {} -c", text(&path))), "{said}");
    for gone in ["file:///none-such/x.mp4", "file:///none-such.mp4"] {
        let said = scan(&[gone]);
        assert!(said.contains("there is no such file") && !said.contains("a URI"), "{said}");
    }
}
