//! Videos of phones that were held upright: frames lie on their side, and the file says so.

use std::path::Path;

use gst::prelude::*;
use serde_json::Value;

use super::running::assert_code;
use super::{m2sd, of_type, records, scene, text};

/// What a file says of how its frames are to be shown, by the first four numbers of the matrix in
/// its track header, and the direction in which frames must have been turned for that to be right.
/// The eighth way, along the other diagonal, is one that qtdemux 1.22 does not know.
const WAYS: [([i32; 4], &str); 7] = [
    ([1, 0, 0, 1], "identity"),
    ([0, 1, -1, 0], "90l"),
    ([-1, 0, 0, -1], "180"),
    ([0, -1, 1, 0], "90r"),
    ([-1, 0, 0, 1], "horiz"),
    ([1, 0, 0, -1], "vert"),
    ([0, 1, 1, 0], "ul-lr"),
];

/// Where the track headers of a file with one track begin: one, and copies that it does not use.
fn track_headers(file: &[u8]) -> Vec<usize> {
    let at = file.windows(4).enumerate().filter(|(_, name)| name == b"tkhd");
    at.map(|(at, _)| at + 4).collect()
}

/// Where a track header of version 0 has its matrix, and behind it width and height.
const MATRIX: usize = 40;
const SIZE: usize = MATRIX + 36;

fn number(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The scene with its frames turned, and a matrix that has them turned back.
fn turned(to: &Path, direction: &str, [a, b, c, d]: [i32; 4]) {
    gst::init().unwrap();
    let line = format!(
        "filesrc location={} ! decodebin ! videoconvert ! videoflip video-direction={direction} ! \
         videoconvert ! video/x-raw,format=I420 ! x264enc pass=quant quantizer=16 ! h264parse ! \
         mp4mux ! filesink location={}",
        text(&scene().join("scene.mp4")),
        text(to)
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(90), &ends);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    let mut file = std::fs::read(to).unwrap();
    let matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30];
    for header in track_headers(&file) {
        let bytes: Vec<u8> = matrix.iter().flat_map(|value| value.to_be_bytes()).collect();
        file[header + MATRIX..header + SIZE].copy_from_slice(&bytes);
    }
    std::fs::write(to, file).unwrap();
}

/// The boxes of a frame in the middle of the first third, which shows two faces.
fn boxes(records: &[Value]) -> Vec<[f64; 4]> {
    let frame = of_type(records, "frame")[10];
    let faces = frame["faces"].as_array().unwrap().iter();
    let mut boxes: Vec<_> =
        faces.map(|face| [0, 1, 2, 3].map(|place| face["box"][place].as_f64().unwrap())).collect();
    boxes.sort_by(|a, b| a[0].total_cmp(&b[0]));
    boxes
}

#[test]
fn faces_are_found_upright_and_the_annotated_video_is() {
    let dir = tempfile::tempdir().unwrap();
    let engines = scene().join("engines");
    let mut upright = None;
    for (matrix, direction) in WAYS {
        let video = dir.path().join(format!("{direction}.mp4"));
        turned(&video, direction, matrix);
        let results = dir.path().join(direction);
        let args = ["scan", text(&video), "--out", text(&results), "--engines", text(&engines)];
        assert_code(&m2sd(&[&args[..], &["--clip-stride", "16"]].concat()), 0);
        let records = records(&std::fs::read_to_string(results.join("scores.jsonl")).unwrap());
        let found = boxes(&records);
        assert_eq!(found.len(), 2, "{direction}");
        let expected = upright.get_or_insert_with(|| found.clone());
        let pairs = found.iter().flatten().zip(expected.iter().flatten());
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off <= 4.0, "{direction}: {found:?}, upright {expected:?}");

        let annotated = std::fs::read(results.join("annotated.mp4")).unwrap();
        let header = *track_headers(&annotated).last().unwrap();
        let size = [0, 4].map(|at| number(&annotated, header + SIZE + at) >> 16);
        assert_eq!(size, [640, 360], "{direction}");
        let shown = [0, 4, 12, 16].map(|at| number(&annotated, header + MATRIX + at) >> 16);
        assert_eq!(shown, [1, 0, 0, 1], "{direction}: it is not turned twice");
    }
}
