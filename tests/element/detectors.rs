//! Detectors of every family, and of one size: faces are where they are drawn, whatever the shape
//! of the frame.

use std::path::Path;

use gst_video::VideoFormat;
use gstm2sd::core::modelinfo::{DetectorFamily, ModelInfo};
use gstm2sd::models::synth::{ClipShape, DetectorShape, Synth, write};
use tempfile::TempDir;

use super::picture::{Picture, face, found};
use super::support::{Rig, T, filter};

const FAMILIES: [DetectorFamily; 3] =
    [DetectorFamily::RetinaFace, DetectorFamily::YuNet, DetectorFamily::Scrfd];

/// A folder with a detector of this shape, and a classifier of small clips.
fn engines(shape: DetectorShape) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let clip = ClipShape { frames: T, size_px: 32, ..ClipShape::default() };
    for network in [Synth::DetectorOf(shape), Synth::Classifier(clip)] {
        write(&network, dir.path()).unwrap();
    }
    dir
}

/// Changes what the sidecar of the folder's detector says.
fn tell(dir: &Path, change: impl FnOnce(&mut ModelInfo)) {
    let model = dir.join("analytic_detector.onnx");
    let mut info = ModelInfo::beside(&model).unwrap();
    change(&mut info);
    let sidecar = info.to_sidecar().unwrap();
    std::fs::write(dir.join("analytic_detector.onnx.modelinfo"), sidecar).unwrap();
}

/// Frames of 16:9, of two screens side by side, of a telephone, and of no round size.
fn pictures() -> [Picture; 4] {
    let picture = |w, h, faces: &[_]| Picture::new(w, h, faces);
    [
        picture(640, 360, &[face(40, 30, 90, 150), face(400, 200, 120, 60)]),
        picture(1280, 360, &[face(100, 40, 120, 150), face(1000, 150, 160, 60)]),
        picture(360, 640, &[face(40, 30, 90, 150), face(200, 500, 120, 60)]),
        picture(641, 359, &[face(33, 21, 91, 150), face(501, 200, 121, 60)]),
    ]
}

/// Plays a clip of the picture; each face must be where it is drawn, and as red as it is.
fn assert_seen(dir: &Path, picture: &Picture, px: u32, what: &str) {
    let mut rig = Rig::new(filter(dir));
    let info = picture.info(VideoFormat::Rgb);
    rig.caps(&info);
    for _ in 0..T {
        rig.push(picture, &info);
    }
    for buffer in rig.finish().buffers {
        let faces = found(&buffer);
        let size = (picture.width, picture.height);
        assert_eq!(faces.len(), picture.faces.len(), "{what} {size:?}: {faces:?}");
        for (face, drawn) in faces.iter().zip(&picture.faces) {
            let far = face.distance_px(drawn);
            assert!(far <= px, "{what} {size:?}: {:?} is {far} px off", face.rect);
            let error = (face.score().unwrap() - f64::from(drawn.red) / 255.0).abs();
            assert!(error < 0.03, "{what} {size:?}: the score is {error} off");
        }
    }
}

#[test]
fn every_family_finds_faces_in_frames_of_any_shape() {
    for family in FAMILIES {
        let dir = engines(DetectorShape { family, fixed_px: None });
        for picture in pictures() {
            assert_seen(dir.path(), &picture, 2, &format!("{family:?}"));
        }
        // What the sidecar does not say, the outputs do.
        tell(dir.path(), |info| info.family = None);
        assert_seen(dir.path(), &pictures()[3], 2, &format!("{family:?}, untold"));
    }
}

/// A square input would show faces of a frame of 32:9 more than three times as high as wide.
#[test]
fn detectors_of_one_size_see_faces_in_their_shape() {
    for family in FAMILIES {
        for fixed in [[640, 640], [320, 320], [640, 384]] {
            let dir = engines(DetectorShape { family, fixed_px: Some(fixed) });
            for picture in pictures() {
                let [w, h] = [picture.width, picture.height].map(f64::from);
                let shrunk = (w / fixed[0] as f64).max(h / fixed[1] as f64);
                // A pixel of the input is so many of the frame.
                let px = 2 + shrunk.ceil() as u32;
                assert_seen(dir.path(), &picture, px, &format!("{family:?} {fixed:?}"));
            }
        }
    }
}

#[test]
fn a_family_that_the_file_is_not_of_is_told() {
    let dir = engines(DetectorShape { family: DetectorFamily::Scrfd, fixed_px: None });
    tell(dir.path(), |info| info.family = Some(DetectorFamily::YuNet));
    let mut rig = Rig::new(filter(dir.path()));
    let picture = &pictures()[0];
    rig.caps(&picture.rgb_info());
    rig.push(picture, &picture.rgb_info());
    let error = rig.await_error();
    assert!(error.contains("does not fit as detector"), "{error}");
    assert!(error.contains("family=yunet") && error.contains("448 f32[?,1]"), "{error}");
}

#[test]
fn anchors_that_the_file_is_not_of_are_told() {
    let dir = engines(DetectorShape::default());
    let anchors = vec![vec![10.0, 16.0, 24.0], vec![32.0, 64.0]];
    tell(dir.path(), |info| {
        info.anchors = Some(gstm2sd::core::modelinfo::AnchorSides(anchors));
    });
    let mut rig = Rig::new(filter(dir.path()));
    let picture = &pictures()[0];
    rig.caps(&picture.rgb_info());
    rig.push(picture, &picture.rgb_info());
    // A network that fails is loaded again; frames go on.
    let timeout = gst::ClockTime::from_seconds(30);
    let warning = rig.bus.timed_pop_filtered(timeout, &[gst::MessageType::Warning]).unwrap();
    let gst::MessageView::Warning(warning) = warning.view() else { panic!() };
    let text = warning.error().to_string();
    assert!(text.contains("anchors=10,16,24;32,64"), "{text}");
}
