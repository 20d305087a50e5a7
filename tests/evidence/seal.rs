//! A sealed folder, and everything that can be done to it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use gstm2sd::evidence::seal::{
    Difference, Finding, SEAL_FILE, SealError, SealRequest, SigningKey, Trust, Trusted, seal,
    verify,
};
use tempfile::TempDir;

const RECORDS: &str = "{\"type\":\"header\"}\n{\"frame\":0}\n{\"frame\":1}\n{\"frame\":2}\n{\"type\":\"footer\",\"end\":\"complete\"}\n";

/// Results as a scan leaves them, sealed by a key of its own.
fn sealed() -> (TempDir, Trusted) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("clip.jsonl"), RECORDS).unwrap();
    fs::write(dir.path().join("notes.txt"), "what the newsroom said\n").unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    fs::create_dir(dir.path().join("faces")).unwrap();
    fs::write(dir.path().join("faces/größe 1.bin"), [0, 255, 10, 13]).unwrap();
    let video: Vec<u8> = (0..700_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
    fs::write(dir.path().join("annotated.mp4"), video).unwrap();
    symlink("notes.txt", dir.path().join("link")).unwrap();
    let key = SigningKey::generate().unwrap();
    let sealed = seal(&SealRequest::new(dir.path(), &key)).unwrap();
    assert!(sealed.manifest.partial.is_empty(), "{:?}", sealed.manifest.partial);
    (dir, Trusted::named(key.public()))
}

fn findings(dir: &Path, trusted: &Trusted) -> Vec<Finding> {
    verify(dir, trusted).unwrap().findings
}

/// Those of one finding alone, which must be about this file.
fn only(dir: &Path, trusted: &Trusted, path: &str) -> Finding {
    let mut all = findings(dir, trusted);
    assert_eq!(all.len(), 1, "{path}: {all:?}");
    assert_eq!(all[0].path(), path, "{all:?}");
    all.remove(0)
}

#[test]
fn what_was_sealed_is_verified_and_whose_key_it_is() {
    let (dir, trusted) = sealed();
    let verified = verify(dir.path(), &trusted).unwrap();
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    let facts = verified.seal.unwrap();
    assert_eq!((facts.files, facts.records), (5, 5));
    assert_eq!(facts.trust, Trust::Named);
    let not_checked = verified.not_checked.join("\n");
    assert!(not_checked.contains("no time stamp"), "{not_checked}");

    let by_nobody = verify(dir.path(), &Trusted::nobody()).unwrap().seal.unwrap();
    assert_eq!(by_nobody.trust, Trust::Unknown);
    assert_eq!(by_nobody.fingerprint, facts.fingerprint);
    let other = Trusted::named(SigningKey::generate().unwrap().public());
    assert_eq!(verify(dir.path(), &other).unwrap().seal.unwrap().trust, Trust::Other);
    let by_print = Trusted::of_name(&facts.fingerprint).unwrap();
    assert_eq!(verify(dir.path(), &by_print).unwrap().seal.unwrap().trust, Trust::Named);
}

/// All places of a small file, and of a large one both ends and places between.
fn places(size: usize) -> Vec<usize> {
    if size <= 6000 {
        return (0..size).collect();
    }
    let mut random = fastrand::Rng::with_seed(7);
    let between = (0..20).map(|_| random.usize(0..size));
    [0, 1, size / 2, size - 2, size - 1].into_iter().chain(between).collect()
}

#[test]
fn a_byte_that_is_flipped_anywhere_is_named() {
    let (dir, trusted) = sealed();
    for path in ["clip.jsonl", "notes.txt", "faces/größe 1.bin", "annotated.mp4", SEAL_FILE] {
        let at = dir.path().join(path);
        let whole = fs::read(&at).unwrap();
        for place in places(whole.len()) {
            let mut bytes = whole.clone();
            // The lowest bit, and the one that turns upper case into lower.
            bytes[place] ^= if place % 2 == 0 { 1 } else { 0x20 };
            fs::write(&at, &bytes).unwrap();
            let finding = only(dir.path(), &trusted, path);
            match finding {
                Finding::Seal { .. } => assert_eq!(path, SEAL_FILE, "byte {place}"),
                Finding::Changed { record, .. } => {
                    assert_eq!(record.is_some(), path == "clip.jsonl", "byte {place}: {record:?}");
                    let line = 1 + whole[..place].iter().filter(|byte| **byte == b'\n').count();
                    if let Some(Difference::Changed { line: named }) = record {
                        assert_eq!(named, line, "byte {place}");
                    }
                }
                other => panic!("byte {place} of {path}: {other:?}"),
            }
        }
        fs::write(&at, &whole).unwrap();
    }
    assert!(findings(dir.path(), &trusted).is_empty());
}

#[test]
fn no_byte_of_the_seal_can_be_put_in_or_taken_out() {
    let (dir, trusted) = sealed();
    let at = dir.path().join(SEAL_FILE);
    let whole = fs::read(&at).unwrap();
    for place in 0..=whole.len() {
        for byte in [b' ', b'\n', b'A'] {
            let mut bytes = whole.clone();
            bytes.insert(place, byte);
            fs::write(&at, &bytes).unwrap();
            only(dir.path(), &trusted, SEAL_FILE);
        }
        fs::write(&at, &whole[..place]).unwrap();
        if place < whole.len() {
            only(dir.path(), &trusted, SEAL_FILE);
        }
    }
}

#[test]
fn the_record_that_was_changed_is_named() {
    let (dir, trusted) = sealed();
    let lines: Vec<_> = RECORDS.split_inclusive('\n').collect();
    let record = |lines: &[&str]| {
        fs::write(dir.path().join("clip.jsonl"), lines.concat()).unwrap();
        match only(dir.path(), &trusted, "clip.jsonl") {
            Finding::Changed { record, .. } => record.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let [a, b, c, d, e] = lines[..] else { panic!("{lines:?}") };
    assert_eq!(record(&[a, b, "{\"frame\":7}\n", d, e]), Difference::Changed { line: 3 });
    assert_eq!(record(&[a, b, d, e]), Difference::Removed { first: 3, last: 3 });
    assert_eq!(record(&[a, b, c]), Difference::Removed { first: 4, last: 5 });
    assert_eq!(record(&[a, b, c, c, d, e]), Difference::Inserted { first: 4, last: 4 });
    assert_eq!(record(&[a, b, d, c, e]), Difference::Moved { line: 3, sealed: 4 });
    assert_eq!(record(&[a, b, c, d, e, "more"]), Difference::Inserted { first: 6, last: 6 });
}

#[test]
fn whatever_else_is_done_to_a_file_is_told() {
    let (dir, trusted) = sealed();
    let at = |path: &str| dir.path().join(path);
    let notes = fs::read(at("notes.txt")).unwrap();

    fs::write(at("new"), "new").unwrap();
    assert_eq!(only(dir.path(), &trusted, "new"), Finding::Added { path: "new".into() });
    fs::remove_file(at("new")).unwrap();

    fs::rename(at("notes.txt"), at("other.txt")).unwrap();
    let was = Finding::Renamed { path: "other.txt".into(), was: "notes.txt".into() };
    assert_eq!(only(dir.path(), &trusted, "other.txt"), was);
    fs::remove_file(at("other.txt")).unwrap();
    assert_eq!(
        only(dir.path(), &trusted, "notes.txt"),
        Finding::Missing { path: "notes.txt".into() }
    );

    symlink("empty", at("notes.txt")).unwrap();
    assert!(only(dir.path(), &trusted, "notes.txt").to_string().contains("symbolic link"));
    fs::remove_file(at("notes.txt")).unwrap();
    assert!(Command::new("mkfifo").arg(at("notes.txt")).status().unwrap().success());
    assert!(only(dir.path(), &trusted, "notes.txt").to_string().contains("a pipe now"));
    fs::remove_file(at("notes.txt")).unwrap();
    fs::create_dir(at("notes.txt")).unwrap();
    only(dir.path(), &trusted, "notes.txt");
    fs::remove_dir(at("notes.txt")).unwrap();
    fs::write(at("notes.txt"), &notes).unwrap();

    fs::remove_file(at("link")).unwrap();
    only(dir.path(), &trusted, "link");
    symlink("elsewhere", at("link")).unwrap();
    assert!(only(dir.path(), &trusted, "link").to_string().contains("elsewhere"));
    fs::remove_file(at("link")).unwrap();
    symlink("notes.txt", at("link")).unwrap();

    // Two files that were exchanged.
    fs::rename(at("annotated.mp4"), at("x")).unwrap();
    fs::rename(at("empty"), at("annotated.mp4")).unwrap();
    fs::rename(at("x"), at("empty")).unwrap();
    let paths: Vec<_> =
        findings(dir.path(), &trusted).iter().map(|f| f.path().to_owned()).collect();
    assert_eq!(paths, ["annotated.mp4", "empty"]);
}

#[test]
fn a_seal_that_is_a_pipe_or_gone_keeps_nobody_waiting() {
    let (dir, trusted) = sealed();
    let at = dir.path().join(SEAL_FILE);
    fs::remove_file(&at).unwrap();
    assert!(matches!(verify(dir.path(), &trusted), Err(SealError::Unsealed { .. })));
    assert!(Command::new("mkfifo").arg(&at).status().unwrap().success());
    assert!(only(dir.path(), &trusted, SEAL_FILE).to_string().contains("pipe"));
    let key = SigningKey::generate().unwrap();
    let request = || SealRequest::new(dir.path(), &key).replacing(true);
    assert!(matches!(seal(&request()), Err(SealError::Foreign { .. })));
    fs::remove_file(&at).unwrap();
    fs::write(&at, "{ \"of\": \"another program\" }").unwrap();
    assert!(matches!(seal(&request()), Err(SealError::Foreign { .. })));
    assert!(matches!(verify(&dir.path().join("none"), &trusted), Err(SealError::NoFolder(_))));
}

#[test]
fn a_seal_is_replaced_only_when_asked_for_and_then_by_another_key_too() {
    let (dir, trusted) = sealed();
    let before = fs::read(dir.path().join(SEAL_FILE)).unwrap();
    let key = SigningKey::generate().unwrap();
    let refused = seal(&SealRequest::new(dir.path(), &key));
    assert!(matches!(refused, Err(SealError::Sealed(_))), "{refused:?}");
    assert_eq!(fs::read(dir.path().join(SEAL_FILE)).unwrap(), before);
    seal(&SealRequest::new(dir.path(), &key).replacing(true)).unwrap();
    let verified = verify(dir.path(), &trusted).unwrap();
    assert!(verified.findings.is_empty());
    // The content is sealed all the same, but by somebody else.
    assert_eq!(verified.seal.unwrap().trust, Trust::Other);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 7, "something was left behind");
}

#[test]
fn results_that_are_not_whole_are_sealed_as_such() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.jsonl"), "{\"type\":\"header\"}\n{\"frame\":0}\n{\"fra").unwrap();
    let ended = "{\"type\":\"header\"}\n{\"type\":\"footer\",\"end\":\"interrupted\"}\n";
    fs::write(dir.path().join("b.jsonl"), ended).unwrap();
    fs::write(dir.path().join("c.jsonl.part"), "{\"type\":\"header\"}\n").unwrap();
    fs::write(dir.path().join("video.mp4.part"), "half").unwrap();
    let key = SigningKey::generate().unwrap();
    let sealed = seal(&SealRequest::new(dir.path(), &key)).unwrap();
    let told = sealed.manifest.partial.join("\n");
    assert!(told.contains("a.jsonl has no footer"), "{told}");
    assert!(told.contains("b.jsonl says that the scan is interrupted"), "{told}");
    assert!(told.contains("c.jsonl.part has no footer"), "{told}");
    assert!(told.contains("video.mp4.part"), "{told}");
    let facts = verify(dir.path(), &Trusted::nobody()).unwrap().seal.unwrap();
    assert_eq!(facts.partial, sealed.manifest.partial);
}

#[test]
fn what_is_being_written_is_not_sealed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("below")).unwrap();
    for name in ["scores.jsonl.part", "annotated.mp4.part", "below/.lock"] {
        let path = dir.path().join(name);
        let file = fs::File::create(&path).unwrap();
        file.lock().unwrap();
        let key = SigningKey::generate().unwrap();
        let refused = seal(&SealRequest::new(dir.path(), &key));
        assert!(
            matches!(&refused, Err(SealError::Writing(found)) if *found == path),
            "{refused:?}"
        );
        assert!(!dir.path().join("seal.json").exists());
        // The control: left over from somebody who is gone.
        drop(file);
        assert!(seal(&SealRequest::new(dir.path(), &key)).is_ok(), "{name}");
        fs::remove_file(dir.path().join("seal.json")).unwrap();
    }
}

#[test]
fn what_cannot_be_sealed_is_refused_and_leaves_nothing() {
    let key = SigningKey::generate().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let refused = seal(&SealRequest::new(dir.path(), &key));
    assert!(matches!(refused, Err(SealError::Empty(_))), "{refused:?}");
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
    fs::write(dir.path().join(name), "").unwrap();
    let refused = seal(&SealRequest::new(dir.path(), &key));
    assert!(matches!(refused, Err(SealError::Name(_))), "{refused:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn openssh_verifies_a_seal() {
    let (dir, _) = sealed();
    let text = fs::read_to_string(dir.path().join(SEAL_FILE)).unwrap();
    let seal: serde_json::Value = serde_json::from_str(&text).unwrap();
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    let signed = &text[..text.find("  \"signature\": ").unwrap()];
    fs::write(at("signed"), signed).unwrap();
    fs::write(at("sig"), seal["signature"].as_str().unwrap()).unwrap();
    fs::write(at("signers"), format!("desk {}\n", seal["key"].as_str().unwrap())).unwrap();
    let check = |signed: &str| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "verify", "-I", "desk", "-n", "m2sd-seal", "-f"]).arg(at("signers"));
        command.arg("-s").arg(at("sig")).stdin(fs::File::open(at(signed)).unwrap());
        command.output().unwrap()
    };
    assert!(check("signed").status.success(), "{:?}", check("signed"));
    fs::write(at("forged"), signed.replace("\"size\": 23", "\"size\": 24")).unwrap();
    assert!(!check("forged").status.success());
}
