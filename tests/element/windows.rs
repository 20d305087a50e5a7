//! Which clips are scored, and which frames carry their scores.

use std::path::Path;

use gst::prelude::*;

use super::picture::{
    FRAME_DURATION, Picture, assert_scores, clip_score, expected_scores, face, found_one,
    one_face_each, reflected, sliding,
};
use super::support::{Outcome, Rig, T, filter, published_clips, short_clips, stat};

/// Scores are computed in single precision.
const EXACT: f64 = 1e-4;

fn complete(pictures: &[Picture], element: gst::Element) -> (Rig, Outcome) {
    let mut rig = Rig::new(element);
    rig.caps(&pictures[0].rgb_info());
    rig.push_rgb(pictures);
    let outcome = rig.finish();
    (rig, outcome)
}

/// The element in live mode; faces are looked for on every frame.
fn live(engines_dir: &Path) -> gst::Element {
    let element = filter(engines_dir);
    element.set_property_from_str("mode", "live");
    element.set_property("detect-interval", 1u32);
    element
}

fn clip_scores(outcome: &Outcome) -> Vec<f64> {
    outcome.named("m2sd-clip").iter().map(|m| m.get::<f64>("score").unwrap()).collect()
}

fn assert_clips(found: &[f64], reds: &[u8], clips: &[Vec<usize>]) {
    assert_eq!(found.len(), clips.len());
    for (found, clip) in found.iter().zip(clips) {
        let expected = clip_score(reds, clip);
        assert!((found - expected).abs() < EXACT, "{clip:?}: {found}, not {expected}");
    }
}

#[test]
fn a_frame_has_the_mean_of_all_clips_that_hold_it() {
    let reds = [10, 250, 30, 200, 90, 170, 60, 220, 130];
    let (_rig, outcome) = complete(&one_face_each(&reds), filter(short_clips()));
    let clips = sliding(reds.len(), T, 1);
    assert_clips(&clip_scores(&outcome), &reds, &clips);
    assert_scores(&outcome.buffers, &expected_scores(&reds, &clips), EXACT);
}

#[test]
fn clip_stride_leaves_clips_out_but_no_frame() {
    let reds: Vec<u8> = (0..11).map(|i| 20 + 20 * i).collect();
    for stride in [2, 3, 4, 7] {
        let element = filter(short_clips());
        element.set_property("clip-stride", stride as u32);
        let (_rig, outcome) = complete(&one_face_each(&reds), element);
        let mut clips = sliding(reds.len(), T, stride);
        if clips.last().unwrap().last() != Some(&(reds.len() - 1)) {
            // The end is covered all the same.
            clips.push((reds.len() - T..reds.len()).collect());
        }
        assert_clips(&clip_scores(&outcome), &reds, &clips);
        assert_eq!(outcome.buffers.len(), reds.len());
        for buffer in &outcome.buffers {
            // Also where the stride leaves a frame without a clip of its own.
            assert!(found_one(buffer).score().is_some(), "stride {stride}");
        }
    }
}

#[test]
fn a_track_shorter_than_a_clip_is_mirrored_at_eos() {
    for n in [3, 7, 15] {
        let reds: Vec<u8> = (0..n).map(|i| 30 + 13 * i as u8).collect();
        let (_rig, outcome) = complete(&one_face_each(&reds), filter(published_clips()));
        let clips = reflected(n, 16);
        assert_clips(&clip_scores(&outcome), &reds, &clips);
        assert_scores(&outcome.buffers, &expected_scores(&reds, &clips), EXACT);
    }
}

#[test]
fn fewer_than_three_frames_are_insufficient() {
    for n in [1, 2] {
        let reds = vec![90; n];
        let (_rig, outcome) = complete(&one_face_each(&reds), filter(published_clips()));
        assert!(outcome.named("m2sd-clip").is_empty(), "{:?}", outcome.messages);
        assert!(outcome.named("m2sd-verdict").is_empty(), "{:?}", outcome.messages);
        assert_scores(&outcome.buffers, &vec![None; n], EXACT);
    }
}

#[test]
fn in_live_mode_a_partial_window_is_scored_at_eos_for_the_bus() {
    for (n, clips) in [(2, 0), (5, 5 + 16 - 1)] {
        let element = live(published_clips());
        element.set_property("clip-stride", 1u32);
        let mut rig = Rig::new(element);
        rig.await_engines(&Picture::new(160, 120, &[]));
        for picture in one_face_each(&vec![90; n]) {
            rig.push_rgb(&[picture]);
            assert!(rig.pull().pts().is_some());
        }
        let scored = clip_scores(&rig.finish());
        let skipped: u64 = stat(&rig.element, "clips-skipped");
        assert_eq!(scored.len() as u64 + skipped, clips, "{n} frames");
        assert_eq!(scored.is_empty(), clips == 0, "{n} frames");
        assert!(scored.iter().all(|score| (score - 90.0 / 255.0).abs() < EXACT));
    }
}

#[test]
fn a_caps_change_ends_windows_and_tracks() {
    let before: Vec<_> =
        [40; 6].map(|red| Picture::new(160, 120, &[face(40, 30, 48, red)])).to_vec();
    let after = Picture::new(322, 182, &[face(100, 62, 80, 220)]);
    let after_info = after.info(gst_video::VideoFormat::I420);
    // More than once: the classifier may be behind the detector by more or less.
    for _ in 0..5 {
        let mut rig = Rig::new(filter(short_clips()));
        rig.caps(&before[0].rgb_info());
        rig.push_rgb(&before);
        rig.caps(&after_info);
        for _ in 0..6 {
            rig.push(&after, &after_info);
        }
        let outcome = rig.finish();
        assert_eq!(outcome.buffers.len(), 12);

        let tracks: Vec<_> =
            outcome.buffers.iter().map(|buffer| found_one(buffer).track.unwrap()).collect();
        assert!(tracks[..6].iter().all(|track| *track == tracks[0]), "{tracks:?}");
        assert!(tracks[6..].iter().all(|track| *track == tracks[6]), "{tracks:?}");
        assert_ne!(tracks[0], tracks[6], "another track has another number");

        let change = (FRAME_DURATION * 6).nseconds();
        for clip in outcome.named("m2sd-clip") {
            let (start, end): (u64, u64) = (clip.get("start").unwrap(), clip.get("end").unwrap());
            assert!(end <= change || start >= change, "{clip} holds frames of both sizes");
        }
        let expected = |red: u8| expected_scores(&[red; 6], &sliding(6, T, 1));
        assert_scores(&outcome.buffers[..6], &expected(40), EXACT);
        assert_scores(&outcome.buffers[6..], &expected(220), 0.02);
    }
}

#[test]
fn a_cut_ends_the_window() {
    let reds = [40, 40, 40, 40, 40, 200, 200, 200, 200, 200];
    let mut pictures = one_face_each(&reds);
    pictures[5..].iter_mut().for_each(|picture| picture.faces[0].left_px += 60);
    let (_rig, outcome) = complete(&pictures, filter(short_clips()));
    let halves = |red| expected_scores(&[red; 5], &sliding(5, T, 1));
    assert_scores(&outcome.buffers[..5], &halves(40), EXACT);
    assert_scores(&outcome.buffers[5..], &halves(200), EXACT);
    let track = |frame: usize| found_one(&outcome.buffers[frame]).track;
    assert_ne!(track(4), track(5));
}

#[test]
fn between_detections_a_box_holds() {
    let element = filter(short_clips());
    element.set_property("detect-interval", 3u32);
    let moving: Vec<_> =
        (0..8).map(|i| Picture::new(160, 120, &[face(20 + 2 * i, 30, 48, 90)])).collect();
    let (rig, outcome) = complete(&moving, element);
    for (number, buffer) in outcome.buffers.iter().enumerate() {
        let detected = &moving[number - number % 3].faces[0];
        assert_eq!(found_one(buffer).distance_px(detected), 0, "frame {number}");
    }
    assert_eq!(stat::<u64>(&rig.element, "frames-analysed"), 3);
}

#[test]
fn complete_mode_holds_a_frame_until_its_last_clip_and_live_mode_does_not() {
    let pictures = one_face_each(&[90; 10]);
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(&pictures[0].rgb_info());
    rig.push_rgb(&pictures[..T - 1]);
    rig.await_stat("frames-waiting", T as u64 - 1);
    rig.await_stat("frames-analysed", T as u64 - 1);
    assert_eq!(stat::<u64>(&rig.element, "frames-out"), 0);
    rig.push_rgb(&pictures[T - 1..T]);
    assert_eq!(found_one(&rig.pull()).clips(), 1);
    rig.finish();

    let mut rig = Rig::new(live(short_clips()));
    rig.await_engines(&Picture::new(160, 120, &[]));
    for (number, picture) in pictures.iter().enumerate() {
        rig.push_rgb(std::slice::from_ref(picture));
        let face = found_one(&rig.pull());
        if number < T - 1 {
            assert_eq!((face.score(), face.label().as_str()), (None, "insufficient"));
        }
    }
    rig.finish();
    // With all clips scored, the next frame of the track carries the newest.
    let scored: u64 = stat(&rig.element, "clips-scored");
    let skipped: u64 = stat(&rig.element, "clips-skipped");
    // One every half clip.
    assert_eq!(scored + skipped, sliding(pictures.len(), T, T / 2).len() as u64);
    assert!(scored > 0);
}

#[test]
fn in_live_mode_a_frame_carries_the_newest_score() {
    let mut rig = Rig::new(live(short_clips()));
    rig.await_engines(&Picture::new(160, 120, &[]));
    for picture in one_face_each(&[90; T]) {
        rig.push_rgb(&[picture]);
        rig.pull();
    }
    rig.await_stat("clips-scored", 1);
    rig.await_stat("clips-waiting", 0);
    rig.push_rgb(&one_face_each(&[250]));
    let face = found_one(&rig.pull());
    assert!((face.score().unwrap() - 90.0 / 255.0).abs() < EXACT);
    assert_eq!((face.clips(), face.label().as_str()), (1, "real"));
    let end: u64 = face.m2sd.get("clip-end").unwrap();
    assert_eq!(end, (FRAME_DURATION * (rig.next - 1)).nseconds());
}
