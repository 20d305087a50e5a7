//! What reading a hostile file costs: each case is a process of its own, whose peak is its own.

use std::io::Cursor;
use std::process::Command;

use gstm2sd::models::checkpoint::Checkpoint;

use crate::forge::Forge;

/// Runs in the child.
#[test]
#[ignore = "the child of another test"]
fn reader() {
    let file = std::fs::read(std::env::var("MEMORY_FILE").unwrap()).unwrap();
    let before = peak_bytes();
    let opened = Checkpoint::new(Cursor::new(file)).map(|c| c.ignored().len());
    println!("\nOPENED {opened:?} PEAK {}", peak_bytes() - before);
}

/// The most memory that this process has ever had.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// What opening a file costs, in bytes, and what was said.
fn cost(file: &[u8]) -> (u64, String) {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::reader", "--ignored", "--nocapture"])
        .env("MEMORY_FILE", path.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("OPENED ")).unwrap();
    let (opened, peak) = line.rsplit_once(" PEAK ").unwrap();
    (peak.parse().unwrap(), opened.to_owned())
}

/// A checkpoint whose dictionary has one key of a megabyte, set `times` times to a number.
fn repeated_key(times: usize) -> Vec<u8> {
    let key = "k".repeat(1 << 20);
    let mut entries = b"X".to_vec();
    entries.extend((key.len() as u32).to_le_bytes());
    entries.extend(key.as_bytes());
    entries.extend(b"q\0K\x01s");
    entries.extend(b"h\0K\x01s".repeat(times - 1));
    Forge { more_entries: entries, ..Forge::sound() }.zip()
}

#[test]
fn a_name_that_is_used_often_is_kept_once() {
    let (once, _) = cost(&repeated_key(1));
    let (often, opened) = cost(&repeated_key(2000));
    assert_eq!(opened, "Ok(1)");
    // Two gigabytes, where each use is a copy.
    assert!(often < once + (16 << 20), "{once} bytes for one use, {often} for 2000");
}

#[test]
fn memory_is_bounded_by_the_size_of_the_file() {
    // What is largest for its bytes: empty containers, and tuples of one.
    for opcode in [&b")"[..], b"]", b"}", b")\x85", b"\x8c\x00", b"N2"] {
        let file = opcode.repeat((1 << 20) / opcode.len());
        let mut pickle = b"\x80\x02}".to_vec();
        pickle.extend(file);
        let (peak, opened) = cost(&Forge { raw_pickle: Some(pickle), ..Forge::sound() }.zip());
        assert!(opened.starts_with("Err"), "{opened}");
        assert!(peak < 80 << 20, "{opcode:?}: {peak} bytes for one megabyte");
    }
}
