//! `m2sd key`, `seal` and `verify` as a user runs them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use serde_json::Value;

use crate::{command, m2sd, scene, stderr, text};

/// Without models, a display or a home but this one.
fn run(home: &Path, args: &[&str]) -> Output {
    let mut command = command(args);
    command.env_clear().env("HOME", home).env("PATH", "");
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn results(dir: &Path) -> String {
    let folder = dir.join("results");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("clip.jsonl"), "{\"frame\":0}\n{\"frame\":1}\n{\"frame\":2}\n").unwrap();
    fs::write(folder.join("frame.png"), [0x89, b'P', 0, 1]).unwrap();
    text(&folder).to_owned()
}

#[test]
fn a_folder_is_sealed_and_verified_with_a_key_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path(), results(dir.path()));
    let m2sd = |args: &[&str]| run(home, args);

    let none = m2sd(&["seal", &folder]);
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
    assert!(stderr(&none).contains("m2sd key new"), "{}", stderr(&none));
    let unsealed = m2sd(&["verify", &folder]);
    assert_eq!(unsealed.status.code(), Some(11), "{}", stderr(&unsealed));

    let made = m2sd(&["key", "new"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let key = home.join(".config/m2sd/seal-key.pem");
    let public = home.join(".config/m2sd/seal-key.pem.pub");
    let again = m2sd(&["key", "new"]);
    assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
    assert!(stderr(&again).contains("never overwritten"), "{}", stderr(&again));
    let shown = stdout(&m2sd(&["key", "show"]));
    let print = shown.lines().nth(1).unwrap();
    assert_eq!(shown, stdout(&m2sd(&["key", "show", text(&public)])));
    assert!(stdout(&made).contains(print));

    let sealed = m2sd(&["seal", &folder]);
    assert!(sealed.status.success(), "{}", stderr(&sealed));
    assert!(stdout(&sealed).contains("2 files, 3 records"), "{}", stdout(&sealed));
    let again = m2sd(&["seal", &folder]);
    assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    assert!(m2sd(&["seal", &folder, "--force", "--key", text(&key)]).status.success());

    let unknown = m2sd(&["verify", &folder]);
    assert_eq!(unknown.status.code(), Some(12), "{}", stderr(&unknown));
    assert!(stdout(&unknown).contains("nobody vouched for"), "{}", stdout(&unknown));
    for named in [text(&public), print] {
        let verified = m2sd(&["verify", &folder, "--key", named]);
        assert!(verified.status.success(), "{}", stderr(&verified));
        assert!(stdout(&verified).contains("the time: there is no time stamp"));
    }
    let other = dir.path().join("other.pem");
    assert!(m2sd(&["key", "new", "--out", text(&other)]).status.success());
    let other = format!("{}.pub", text(&other));
    let wrong = m2sd(&["verify", &folder, "--key", &other]);
    assert_eq!(wrong.status.code(), Some(12), "{}", stderr(&wrong));
    let list = dir.path().join("trusted");
    let lines = format!("{}{}", fs::read_to_string(&other).unwrap(), shown.lines().next().unwrap());
    fs::write(&list, format!("{lines} the desk\n")).unwrap();
    let listed = m2sd(&["verify", &folder, "--trust", text(&list)]);
    assert!(listed.status.success(), "{}", stderr(&listed));
    assert!(stdout(&listed).contains("the desk"), "{}", stdout(&listed));
}

#[test]
fn what_was_changed_is_named_in_words_and_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path(), results(dir.path()));
    assert!(run(home, &["key", "new"]).status.success());
    assert!(run(home, &["seal", &folder]).status.success());
    let records = Path::new(&folder).join("clip.jsonl");
    fs::write(&records, "{\"frame\":0}\n{\"frame\":7}\n{\"frame\":2}\n").unwrap();
    fs::remove_file(Path::new(&folder).join("frame.png")).unwrap();

    let told = run(home, &["verify", &folder]);
    assert_eq!(told.status.code(), Some(10), "{}", stderr(&told));
    let words = stdout(&told);
    assert!(words.contains("clip.jsonl was changed") && words.contains("line 2"), "{words}");
    assert!(words.contains("frame.png is missing"), "{words}");

    let told = run(home, &["verify", &folder, "--json"]);
    assert_eq!(told.status.code(), Some(10));
    let object: Value = serde_json::from_str(&stdout(&told)).unwrap();
    assert_eq!(object["findings"][0]["what"], "changed");
    assert_eq!(object["findings"][0]["record"]["line"], 2);
    assert_eq!(object["findings"][1]["what"], "missing");
    assert_eq!(object["seal"]["trust"]["kind"], "unknown");

    fs::write(Path::new(&folder).join("seal.json"), "{}").unwrap();
    let told = run(home, &["verify", &folder, "--json"]);
    assert_eq!(told.status.code(), Some(10));
    let object: Value = serde_json::from_str(&stdout(&told)).unwrap();
    assert_eq!(object["findings"][0]["what"], "seal");
}

/// The drawn scene with content credentials.
fn signed_scene() -> Vec<u8> {
    let signer = c2pa::EphemeralSigner::new("newsroom.example").unwrap();
    let definition = serde_json::json!({
        "claim_generator_info": [{ "name": "test camera", "version": "2.1" }],
        "assertions": [{ "label": "c2pa.actions", "data": { "actions": [{
            "action": "c2pa.created",
            "digitalSourceType":
                "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        }] } }]
    });
    let mut builder = c2pa::Builder::default().with_definition(definition).unwrap();
    let mut out = std::io::Cursor::new(Vec::new());
    let mut scene = fs::File::open(scene().join("scene.mp4")).unwrap();
    builder.sign(&signer, "video/mp4", &mut scene, &mut out).unwrap();
    out.into_inner()
}

#[test]
fn content_credentials_of_a_video_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let provenance = |content: &[u8], json: bool| {
        let path = dir.path().join("clip.mp4");
        fs::write(&path, content).unwrap();
        let args = ["provenance", text(&path), "--json"];
        run(dir.path(), &args[..if json { 3 } else { 2 }])
    };
    let whole = signed_scene();
    let told = provenance(&whole, false);
    assert!(told.status.success(), "{}", stderr(&told));
    let words = stdout(&told);
    for expected in ["valid", "newsroom.example", "test camera 2.1", "trainedAlgorithmicMedia"] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let object: Value = serde_json::from_str(&stdout(&provenance(&whole, true))).unwrap();
    assert_eq!(object["state"], "valid");
    assert_eq!(object["actions"][0]["source-type"], "trainedAlgorithmicMedia");

    // A byte of the pictures.
    let mut tampered = whole.clone();
    let at = tampered.windows(4).rposition(|window| window == b"mdat").unwrap();
    tampered[at + 100] ^= 1;
    let told = provenance(&tampered, false);
    assert_eq!(told.status.code(), Some(10), "{}", stderr(&told));
    assert!(stdout(&told).contains("NOT VALID"), "{}", stdout(&told));

    let bare = provenance(&fs::read(scene().join("scene.mp4")).unwrap(), false);
    assert!(bare.status.success());
    assert!(stdout(&bare).contains("says nothing of the file"), "{}", stdout(&bare));
}

/// A scan of the drawn scene into a folder.
fn scanned(dir: &Path) -> String {
    let (video, engines) = (scene().join("scene.mp4"), scene().join("engines"));
    let results = dir.join("results");
    let args = ["scan", text(&video), "--out", text(&results), "--engines", text(&engines)];
    let quick = ["--no-video", "--clip-stride", "16", "--quiet", "--provider", "cpu"];
    let scan = crate::m2sd(&[&args[..], &quick[..]].concat());
    assert!(scan.status.success(), "{}", stderr(&scan));
    text(&results).to_owned()
}

/// Whether a line comes after a scan was interrupted at 1.2 s: its frames, the clips that end later, its footer.
fn is_late(line: &str) -> bool {
    let record: Value = serde_json::from_str(line).unwrap();
    let time = record["time"].as_f64().or(record["end"].as_f64());
    record["type"] == "footer" || time.is_some_and(|time| time > 1.2)
}

#[test]
fn a_scan_is_reproduced_to_the_last_bit() {
    let dir = tempfile::tempdir().unwrap();
    let results = scanned(dir.path());
    let engines = scene().join("engines");
    let key = dir.path().join("key.pem");
    assert!(crate::m2sd(&["key", "new", "--out", text(&key)]).status.success());
    assert!(crate::m2sd(&["seal", &results, "--key", text(&key)]).status.success());
    let reproduce = |more: &[&str]| {
        let args = ["reproduce", &results, "--engines", text(&engines), "--json"];
        crate::m2sd(&[&args[..], more].concat())
    };
    let same = reproduce(&[]);
    assert!(same.status.success(), "{}\n{}", stderr(&same), stdout(&same));
    let object: Value = serde_json::from_str(&stdout(&same)).unwrap();
    assert_eq!(object["bounds"]["score"], 0.0, "{object}");
    assert!(object["records"].as_u64().unwrap() > 60, "{object}");
    assert_eq!(object["records"], object["equal"], "{object}");
    // It leaves what it reproduces as it was.
    let public = format!("{}.pub", text(&key));
    assert!(crate::m2sd(&["verify", &results, "--key", &public]).status.success());

    // OpenVINO rounds elsewhere.
    let elsewhere = reproduce(&["--provider", "openvino"]);
    assert!(elsewhere.status.success(), "{}\n{}", stderr(&elsewhere), stdout(&elsewhere));
    let object: Value = serde_json::from_str(&stdout(&elsewhere)).unwrap();
    assert!(object["bounds"]["score"].as_f64().unwrap() > 0.0, "{object}");
    assert!(object["environment"].to_string().contains("openvino"), "{object}");

    // Another score of a face is told.
    let path = Path::new(&results).join("scores.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let (line, _) = whole.lines().enumerate().find(|(_, line)| line.contains("\"clip\"")).unwrap();
    let mut lines: Vec<_> = whole.lines().map(str::to_owned).collect();
    let mut clip: Value = serde_json::from_str(&lines[line]).unwrap();
    clip["score"] = (clip["score"].as_f64().unwrap() + 1e-9).into();
    lines[line] = clip.to_string();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let other = reproduce(&[]);
    assert_eq!(other.status.code(), Some(10), "{}", stderr(&other));
    let object: Value = serde_json::from_str(&stdout(&other)).unwrap();
    assert_eq!(object["differences"][0]["line"], line + 1, "{object}");
    assert_eq!(object["differences"][0]["track"], clip["track"]);

    // What header and footer claim is told, too.
    for (was, claimed, told) in [
        ("\"threshold\":0.5", "\"threshold\":0.95", "judging.threshold was 0.95 and is 0.5"),
        ("\"calibrated\":false", "\"calibrated\":true", "judging.calibrated"),
        ("\"state\":\"absent\"", "\"state\":\"trusted\"", "input.provenance.state"),
        ("\"clips-scored\":", "\"clips-scored\":1", "clips-scored was"),
    ] {
        assert!(whole.contains(was), "{was}");
        fs::write(&path, whole.replacen(was, claimed, 1)).unwrap();
        let forged = reproduce(&[]);
        assert_eq!(forged.status.code(), Some(10), "{claimed}: {}", stderr(&forged));
        assert!(stdout(&forged).contains(told), "{claimed}: {}", stdout(&forged));
    }
    // One that was interrupted is sound as far as it goes.
    let half: Vec<_> = whole.lines().filter(|line| !is_late(line)).collect();
    fs::write(&path, half.join("\n") + "\n").unwrap();
    let as_far = reproduce(&[]);
    assert!(as_far.status.success(), "{}\n{}", stderr(&as_far), stdout(&as_far));

    let wrong = dir.path().join("wrong.mp4");
    fs::write(&wrong, "no video").unwrap();
    let refused = reproduce(&["--input", text(&wrong)]);
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("not the file that was scanned"), "{}", stderr(&refused));
}

#[test]
fn a_scan_tells_content_credentials_apart_from_its_scores() {
    let dir = tempfile::tempdir().unwrap();
    let engines = scene().join("engines");
    let video = dir.path().join("signed.mp4");
    let records = dir.path().join("scores.jsonl");
    fs::write(&video, signed_scene()).unwrap();
    let scan = |trust: &[&str]| {
        let args = ["scan", text(&video), "--json", text(&records), "--engines", text(&engines)];
        let quick = ["--clip-stride", "16", "--quiet", "--provider", "cpu", "--force"];
        crate::m2sd(&[&args[..], &quick[..], trust].concat())
    };
    let done = scan(&[]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(stderr(&done).contains("no part of the scores: valid"), "{}", stderr(&done));
    assert!(stderr(&done).contains("newsroom.example"), "{}", stderr(&done));
    let header = crate::records(&fs::read_to_string(&records).unwrap()).remove(0);
    let found = &header["input"]["provenance"];
    assert_eq!(found["state"], "valid", "{header}");
    assert_eq!(found["signer"]["trusted"], Value::Null);
    let wrong = scan(&["--trust", text(&video)]);
    assert_eq!(wrong.status.code(), Some(3), "{}", stderr(&wrong));
    assert!(stderr(&wrong).contains("a PEM file"), "{}", stderr(&wrong));
}

#[test]
fn files_without_content_credentials_are_said_to_have_none() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [("empty.mp4", vec![]), ("zeros.mp4", vec![0; 20_000]), ("zeros.png", vec![0; 4])]
    {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let run = m2sd(&["provenance", text(&file), "--json"]);
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(said.contains("\"absent\""), "{name}: {said} {}", stderr(&run));
    }
    // Nobody waits for whoever may write into a pipe.
    let pipe = dir.path().join("pipe.mp4");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run = m2sd(&["provenance", text(&pipe)]);
    assert!(stderr(&run).contains("it is no file"), "{}", stderr(&run));
}

#[test]
fn a_name_of_two_lines_forges_no_line_of_what_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let results = scanned(dir.path());
    let key = dir.path().join("key.pem");
    assert!(m2sd(&["key", "new", "--out", text(&key)]).status.success());
    assert!(m2sd(&["seal", &results, "--key", text(&key)]).status.success());
    let forged = "b\nsigned by SHA256:FAKE, the key that you named";
    fs::write(Path::new(&results).join(forged), "").unwrap();
    let run = m2sd(&["verify", &results]);
    assert_eq!(run.status.code(), Some(10), "{}", stderr(&run));
    let said = stdout(&run);
    assert!(said.contains("SHA256:FAKE"), "the file is told: {said}");
    assert!(!said.lines().any(|line| line.starts_with("signed by SHA256:FAKE")), "{said}");
}
