//! `m2sd synth-video --picture`: a camera over a picture.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use gst::prelude::*;
use gstm2sd::models::synth::scene::Face;

use crate::{m2sd, of_type, records, scene, stderr, text};

const WIDTH_PX: usize = 800;

/// A square picture with a drawn face where portraits have theirs.
fn portrait(dir: &Path) -> PathBuf {
    let mut rgb = vec![90; WIDTH_PX * WIDTH_PX * 3];
    Face { left_px: 300, top_px: 150, side_px: 110, red: 230 }.draw(&mut rgb, WIDTH_PX);
    let path = dir.join("portrait.png");
    let file = BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut encoder = png::Encoder::new(file, WIDTH_PX as u32, WIDTH_PX as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&rgb).unwrap();
    path
}

#[test]
fn a_face_is_followed_through_pan_and_zoom_up_to_the_cut() {
    let dir = tempfile::tempdir().unwrap();
    let [video, json] = ["camera.mp4", "scores.jsonl"].map(|name| dir.path().join(name));
    let picture = portrait(dir.path());
    let args = ["synth-video", "--picture", text(&picture), "--frames", "120", "--out"];
    let made = m2sd(&[&args[..], &[text(&video)]].concat());
    assert!(made.status.success(), "{}", stderr(&made));
    let engines = scene().join("engines");
    let scan = ["scan", text(&video), "--engines", text(&engines), "--no-video", "--quiet"];
    let scanned = m2sd(&[&scan[..], &["--classifier", "none", "--json", text(&json)]].concat());
    assert!(scanned.status.success(), "{}", stderr(&scanned));

    let all = records(&std::fs::read_to_string(json).unwrap());
    let frames = of_type(&all, "frame");
    assert_eq!(frames.len(), 120);
    let face = |frame: usize| frames[frame]["faces"].as_array().unwrap().first();
    let side_px = |frame: usize| face(frame).unwrap()["box"][2].as_f64().unwrap();
    // It begins on the face, is near before the cut, and ends where it sees all of the width.
    assert!((0..25).all(|frame| face(frame).is_some()));
    assert!(side_px(59) > 1.9 * side_px(25), "{} after {} px", side_px(59), side_px(25));
    assert!((side_px(119) - 110.0 * 640.0 / WIDTH_PX as f64).abs() < 3.0, "{} px", side_px(119));
    let track = |frame: usize| face(frame).unwrap()["track"].as_u64();
    for (shot, first) in [(25..60, 25), (60..120, 60)] {
        for frame in shot {
            assert_eq!(track(frame), track(first), "frame {frame}");
            assert_eq!(face(frame).unwrap()["label"], "unscored");
        }
    }
    assert_ne!(track(25), track(60), "one track across the cut");
}

/// The containers' first bytes, and what players without support of 4:4:4 need.
#[test]
fn videos_are_4_2_0_and_are_what_their_names_say() {
    let dir = tempfile::tempdir().unwrap();
    let picture = portrait(dir.path());
    gst::init().unwrap();
    for (name, magic, at) in [("a.mp4", &b"ftyp"[..], 4), ("a.mkv", &[0x1a, 0x45, 0xdf, 0xa3], 0)] {
        let out = dir.path().join(name);
        for more in [&["--picture", text(&picture)][..], &[]] {
            let args = ["synth-video", "--frames", "3", "--out", text(&out)];
            let made = m2sd(&[&args[..], more].concat());
            assert!(made.status.success(), "{}", stderr(&made));
            assert_eq!(std::fs::read(&out).unwrap()[at..][..4], *magic, "{name}");
            assert_eq!(decoded_format(&out), "I420", "{name}");
        }
    }
}

/// The format of the first frame as the decoder gives it.
fn decoded_format(video: &Path) -> String {
    let launch = "filesrc name=source ! decodebin ! fakesink name=sink";
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("source").unwrap().set_property("location", video);
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    let pad = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
    let caps = pad.current_caps().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    caps.structure(0).unwrap().get::<String>("format").unwrap()
}

#[test]
fn what_is_no_picture_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let [out, note] = ["camera.mkv", "note.png"].map(|name| dir.path().join(name));
    std::fs::write(&note, "no picture").unwrap();
    let picture = portrait(dir.path());
    let missing = dir.path().join("missing.png");
    for (picture, out, code) in [
        (&missing, &out, 3),
        (&note, &out, 3),
        (&dir.path().into(), &out, 3),
        (&picture, &picture, 2),
    ] {
        let before = std::fs::read(picture).ok();
        let made = m2sd(&["synth-video", "--picture", text(picture), "--out", text(out)]);
        assert_eq!(made.status.code(), Some(code), "{picture:?}: {}", stderr(&made));
        assert!(stderr(&made).contains(text(picture)), "{}", stderr(&made));
        assert_eq!(std::fs::read(picture).ok(), before);
        assert!(!out.exists() || out == picture);
    }
}
