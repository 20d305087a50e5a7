//! What reading a hostile file costs: each case is a process of its own, whose peak is its own.

use std::fs::File;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use gstm2sd::models::checkpoint::Checkpoint;
use gstm2sd::models::import::{ImportOptions, import};

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

/// Runs in the child.
#[test]
#[ignore = "the child of another test"]
fn importer() {
    let folder = std::env::var("MEMORY_FILE").unwrap();
    let before = peak_bytes();
    let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
    let report = import(Path::new(&folder), &Path::new(&folder).join("out"), &options);
    let bytes = report.map(|report| std::fs::metadata(report.model).unwrap().len());
    println!("\nOPENED {bytes:?} PEAK {}", peak_bytes() - before);
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
    child("memory::reader", path.path())
}

/// What a child says, and what it cost.
fn child(test: &str, file: &Path) -> (u64, String) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("MEMORY_FILE", file)
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

/// A folder with a GenD of this size; its weights are zeros that take no place on the disk.
fn gend(folder: &Path, width: usize, blocks: usize) {
    let hidden = 4 * width;
    let tower = "feature_extractor.vision_model";
    let mut shapes = vec![
        (format!("{tower}.embeddings.class_embedding"), vec![width]),
        (format!("{tower}.embeddings.patch_embedding.weight"), vec![width, 3, 14, 14]),
        (format!("{tower}.embeddings.position_embedding.weight"), vec![257, width]),
        ("model.linear.weight".to_owned(), vec![2, width]),
        ("model.linear.bias".to_owned(), vec![2]),
    ];
    let mut add = |name: String, weight: &[usize]| {
        shapes.push((format!("{name}.weight"), weight.to_vec()));
        shapes.push((format!("{name}.bias"), vec![weight[0]]));
    };
    for norm in ["pre_layrnorm", "post_layernorm"] {
        add(format!("{tower}.{norm}"), &[width]);
    }
    for block in 0..blocks {
        let name = |part: &str| format!("{tower}.encoder.layers.{block}.{part}");
        for norm in ["layer_norm1", "layer_norm2"] {
            add(name(norm), &[width]);
        }
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            add(name(&format!("self_attn.{part}")), &[width, width]);
        }
        add(name("mlp.fc1"), &[hidden, width]);
        add(name("mlp.fc2"), &[width, hidden]);
    }
    let mut end = 0;
    let entries = shapes.iter().map(|(name, shape)| {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        format!(r#""{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{start},{end}]}}"#)
    });
    let header = format!("{{{}}}", entries.collect::<Vec<_>>().join(","));
    let mut file = File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    std::fs::write(folder.join("config.json"), r#"{"head": "LinearNorm"}"#).unwrap();
}

fn importing(width: usize, blocks: usize) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    gend(folder.path(), width, blocks);
    let (peak, model) = child("memory::importer", folder.path());
    let bytes = model.strip_prefix("Ok(").and_then(|text| text.strip_suffix(')')).expect(&model);
    (peak, bytes.parse().unwrap())
}

#[test]
fn importing_a_network_holds_some_of_its_tensors_only() {
    let (peak, bytes) = importing(256, 12);
    assert!(bytes > 38_000_000, "{bytes}");
    assert!(peak < 12 << 20, "{peak} bytes of memory for a network of {bytes}");
}

#[test]
#[ignore = "writes 3.6 GB: the published size, ViT-L/14"]
fn importing_the_published_gend_takes_less_memory_than_it_has() {
    let (peak, bytes) = importing(1024, 24);
    println!("{peak} bytes of memory for a network of {bytes}");
    assert!(bytes > 1_200_000_000, "{bytes}");
    assert!(peak < 200 << 20, "{peak} bytes of memory for a network of {bytes}");
}
