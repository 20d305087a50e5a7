//! The sample clip as a live stream, and turned as a phone stores it.

use std::path::Path;

use crate::pipeline::{Analysis, SeenFrame, analyse, analyse_live};
use crate::support::shared_dir;

const VIDEO: &str = "media/poetry_jam_360p.mp4";
/// A face is in the same place.
const SAME_PLACE: f64 = 0.4;

fn source(turn: &str) -> String {
    format!("filesrc name=source ! qtdemux ! h264parse ! avdec_h264 ! videoconvert{turn}")
}

fn complete(dir: &Path, properties: &str, turn: &str) -> Analysis {
    let properties = format!("classifier=m2sd_tiny clip-stride=100 {properties}");
    analyse(dir, &dir.join(VIDEO), &source(turn), &properties)
}

/// Whether every face of `frame` is where `others` has one.
fn is_within(frame: &SeenFrame, others: &SeenFrame) -> bool {
    let has = |face: &gstm2sd::core::detect::Face| {
        others.detections().iter().any(|other| face.bbox.iou(&other.bbox) > SAME_PLACE)
    };
    frame.detections().iter().all(has)
}

#[test]
fn golden_live_boxes_are_where_complete_has_them() {
    let dir = shared_dir();
    let reference = complete(&dir, "", "");
    let live = analyse_live(&dir, &dir.join(VIDEO), &source(""), "classifier=m2sd_tiny");
    assert_eq!(live.frames.len(), reference.frames.len());
    let pairs = || live.frames.iter().zip(&reference.frames);
    let right = pairs().filter(|(live, reference)| is_within(live, reference)).count();
    let total = live.frames.len();
    assert!(right * 100 >= total * 95, "the boxes of {right} of {total} frames are right");
    let boxes = |frames: &[SeenFrame]| frames.iter().map(|f| f.faces.len()).sum::<usize>();
    let (found, expected) = (boxes(&live.frames), boxes(&reference.frames));
    assert!(found * 10 >= expected * 9, "{found} of {expected} boxes");
    assert!(live.clips.len() > 5, "{} clips", live.clips.len());
}

#[test]
fn golden_turned_video_has_the_faces_of_the_upright_one() {
    let dir = shared_dir();
    let upright = complete(&dir, "detect-interval=5", "");
    // As stored by a phone held upright: a quarter turn counter-clockwise, and the tag says so.
    let turn = " ! videoflip video-direction=90l ! taginject tags=image-orientation=rotate-90";
    let turned = complete(&dir, "detect-interval=5", turn);
    let faces = |found: &Analysis| found.frames.iter().map(|f| f.faces.len()).sum::<usize>();
    let (found, expected) = (faces(&turned), faces(&upright));
    assert!(found.abs_diff(expected) * 50 <= expected, "{found} faces, not {expected}");
    // The control: nobody says that it is turned.
    let sideways = complete(&dir, "detect-interval=5 orientation=rotate-0", turn);
    assert!(faces(&sideways) * 2 < expected, "{} faces found sideways", faces(&sideways));
}
