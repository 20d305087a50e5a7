//! `models.lock` under several processes, as `m2sd models import` in two terminals.

use std::path::Path;
use std::process::Command;

use gstm2sd::models::lock::{Lock, Record};

const PROCESSES: usize = 4;
const RECORDS: usize = 25;

/// Runs in the children.
#[test]
#[ignore = "the child of another test"]
fn writer() {
    let (dir, name) = (std::env::var("LOCK_DIR").unwrap(), std::env::var("LOCK_NAME").unwrap());
    for n in 0..RECORDS {
        let record = Record { sha256: n.to_string(), from: name.clone(), etag: None };
        Lock::record(Path::new(&dir), &format!("{name}-{n}.onnx"), record).unwrap();
    }
}

#[test]
fn no_record_is_lost_to_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let writer = |name: usize| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lock::writer", "--ignored"])
            .env("LOCK_DIR", dir.path())
            .env("LOCK_NAME", name.to_string())
            .spawn()
            .unwrap()
    };
    let writers: Vec<_> = (0..PROCESSES).map(writer).collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    assert_eq!(Lock::read(dir.path()).unwrap().files().count(), PROCESSES * RECORDS);
}
