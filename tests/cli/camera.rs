//! `m2sd synth-video --picture`: a camera over a picture.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

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
    let [video, json] = ["camera.mkv", "scores.jsonl"].map(|name| dir.path().join(name));
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
    // It pans up to the face, is near before the cut, and ends where it sees all of the width.
    assert!(face(0).is_none());
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
