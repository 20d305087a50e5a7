//! Without a classifier faces are followed and not judged; with one that nobody vouches for they
//! have scores and no verdicts.

use std::path::Path;

use gst::prelude::*;
use gst_video::prelude::*;
use gstm2sd::models::synth::{ClipShape, Synth, write};

use super::picture::{FRAME_DURATION, Picture, face, found, found_one, one_face, one_face_each};
use super::support::{Outcome, Rig, T, filter, short_clips, stat};

fn without_classifier(mode: &str) -> gst::Element {
    let element = filter(short_clips());
    element.set_property("classifier", "none");
    element.set_property_from_str("mode", mode);
    element
}

/// Two faces, of which one leaves half way.
fn pictures() -> Vec<Picture> {
    let (stays, leaves) = (face(40, 24, 48, 204), face(200, 24, 48, 30));
    let both = vec![Picture::new(320, 120, &[stays, leaves]); T + 2];
    let one = vec![Picture::new(320, 120, &[stays]); T + 2];
    [both, one].concat()
}

/// No score, no clip, no verdict: on frames and on the bus.
fn assert_unscored(outcome: &Outcome) {
    for buffer in &outcome.buffers {
        for face in found(buffer) {
            assert_eq!(
                (face.label().as_str(), face.m2sd.get::<i32>("label-id")),
                ("unscored", Ok(4))
            );
            assert_eq!(face.m2sd.get::<f64>("confidence"), Ok(0.0));
            assert_eq!((face.score(), face.clips()), (None, 0));
            for absent in ["reason", "model-name", "trained", "training", "clip-start"] {
                assert!(!face.m2sd.has_field(absent), "{absent} of {:?}", face.m2sd);
            }
            assert!(face.track.is_some());
        }
    }
    for absent in ["m2sd-clip", "m2sd-verdict"] {
        assert!(outcome.named(absent).is_empty(), "{:?}", outcome.messages);
    }
    let ends = outcome.named("m2sd-track-end");
    let told: Vec<_> = ends
        .iter()
        .map(|end| (end.get::<&str>("reason").unwrap(), end.get::<&str>("label").unwrap()))
        .collect();
    assert_eq!(told, [("left", "unscored"), ("end-of-stream", "unscored")]);
}

fn count(stages: &gst::Structure, stage: &str) -> u64 {
    stages.get::<gst::Structure>(stage).unwrap().get("count").unwrap()
}

#[test]
fn faces_are_followed_and_not_judged() {
    for mode in ["complete", "live"] {
        let element = without_classifier(mode);
        element.set_property("detect-interval", 1u32);
        if mode == "live" {
            element.set_property("max-latency", 10_000_000_000u64);
        }
        let mut rig = Rig::new(element);
        let pictures = pictures();
        rig.caps(&pictures[0].rgb_info());
        if mode == "live" {
            // Frames pass until the detector is there.
            while stat::<u64>(&rig.element, "frames-analysed") == 0 {
                rig.push_rgb(&[Picture::new(320, 120, &[])]);
                rig.pull();
            }
        }
        rig.push_rgb(&pictures);
        let outcome = rig.finish();
        assert_eq!(outcome.buffers.len(), pictures.len(), "{mode}");
        assert!(found(&outcome.buffers[0]).len() == 2, "{mode}");
        assert_unscored(&outcome);
        for count in ["clips-scored", "clips-failed", "clips-skipped", "clips-waiting"] {
            assert_eq!(stat::<u64>(&rig.element, count), 0, "{mode} {count}");
        }
        assert_eq!(stat::<String>(&rig.element, "provider"), "");
        let stages: gst::Structure = stat(&rig.element, "stages");
        for idle in ["warp", "classify"] {
            assert_eq!(count(&stages, idle), 0, "{mode}: {idle}");
        }
        // A face is looked at once for each detection.
        assert!(count(&stages, "crop") <= count(&stages, "detect"), "{mode}");
        assert!(count(&stages, "detect") > 0);
    }
}

#[test]
fn a_frame_waits_for_its_detection_and_for_no_clip() {
    let mut rig = Rig::new(without_classifier("complete"));
    rig.caps(&one_face(90).rgb_info());
    let latency = |rig: &Rig| {
        let mut query = gst::query::Latency::new();
        assert!(rig.element.static_pad("src").unwrap().query(&mut query));
        query.result().1
    };
    // Before and after a frame, which has the models looked at.
    let budget = gst::ClockTime::from_mseconds(100);
    assert_eq!(latency(&rig), budget);
    rig.push_rgb(&one_face_each(&[90]));
    assert_eq!(found_one(&rig.pull()).label(), "unscored");
    assert_eq!(latency(&rig), budget);
    // Another element downstream, as a tee or a selector has it.
    let srcpad = rig.element.static_pad("src").unwrap();
    srcpad.send_event(gst::event::Reconfigure::new());
    rig.push_rgb(&one_face_each(&[90]));
    let second = rig.pull();
    assert_eq!(
        (second.pts(), found_one(&second).label().as_str()),
        (Some(FRAME_DURATION), "unscored")
    );
}

#[test]
fn a_flush_leaves_faces_unscored() {
    let mut rig = Rig::new(without_classifier("complete"));
    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&one_face_each(&[90]));
    rig.pull();
    assert!(rig.harness.push_event(gst::event::FlushStart::new()));
    assert!(rig.harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(rig.harness.push_event(gst::event::Segment::new(&segment)));
    rig.push_rgb(&one_face_each(&[90; 2]));
    let outcome = rig.finish();
    let labels: Vec<_> = outcome.buffers.iter().map(|buffer| found_one(buffer).label()).collect();
    assert_eq!(labels, ["unscored"; 2]);
    let ends = outcome.named("m2sd-track-end");
    let told: Vec<_> = ends.iter().map(|end| end.get::<&str>("label").unwrap()).collect();
    assert_eq!(told, ["unscored"; 2]);
}

#[test]
fn the_box_is_grey() {
    let element = without_classifier("complete");
    element.set_property("draw", true);
    let mut rig = Rig::new(element);
    let picture = one_face(90);
    rig.caps(&picture.rgb_info());
    rig.push_rgb(&[picture]);
    let frame = rig.pull();
    let face = found_one(&frame);
    let (x, y) = (face.rect.0 as usize, (face.rect.1 + face.rect.3 / 2) as usize);
    let info = one_face(90).rgb_info();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(&frame, &info).unwrap();
    let pixel = &frame.plane_data(0).unwrap()[y * frame.plane_stride()[0] as usize + 3 * x..][..3];
    assert_eq!(pixel, [179; 3]);
}

#[test]
fn sound_passes_beside_faces_that_nobody_judges() {
    let mut rig = Rig::new(without_classifier("complete"));
    let sink = rig.element.request_pad_simple("audio_sink").unwrap();
    let source = gst::Pad::builder(gst::PadDirection::Src).name("sound").build();
    source.link(&sink).unwrap();
    source.set_active(true).unwrap();
    let heard = gst_check::Harness::with_element(&rig.element, None, Some("audio_src"));
    let info = gst_audio::AudioInfo::builder(gst_audio::AUDIO_FORMAT_S16, 16000, 1).build();
    source.push_event(gst::event::StreamStart::new("sound"));
    source.push_event(gst::event::Caps::new(&info.unwrap().to_caps().unwrap()));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    source.push_event(gst::event::Segment::new(&segment));
    let mut sound = gst::Buffer::from_mut_slice(vec![0u8; 3200]);
    sound.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    sound.get_mut().unwrap().set_duration(gst::ClockTime::from_mseconds(100));
    source.push(sound).unwrap();

    rig.caps(&one_face(90).rgb_info());
    rig.push_rgb(&one_face_each(&[90; 2]));
    assert_eq!(found_one(&rig.pull()).label(), "unscored");
    let mut heard = heard;
    assert_eq!(heard.pull().unwrap().size(), 3200);
    source.push_event(gst::event::Eos::new());
    rig.finish();
    drop(heard);
}

#[test]
fn a_classifier_may_be_taken_away_and_given_back_between_runs() {
    let element = filter(short_clips());
    for (classifier, label, latency_frames) in
        [("none", "unscored", 0), ("analytic_classifier", "fake", T - 1), ("none", "unscored", 0)]
    {
        element.set_property("classifier", classifier);
        let mut rig = Rig::new(element.clone());
        rig.caps(&one_face(204).rgb_info());
        rig.push_rgb(&one_face_each(&[204; T]));
        // As with any property that says what is loaded: it counts from the next start.
        element.set_property("classifier", if classifier == "none" { "" } else { "none" });
        rig.push_rgb(&one_face_each(&[204; 1]));
        let mut query = gst::query::Latency::new();
        assert!(element.static_pad("src").unwrap().query(&mut query));
        let expected = gst::ClockTime::from_mseconds(100) + FRAME_DURATION * latency_frames as u64;
        assert_eq!(query.result().1, expected, "{classifier}");
        let outcome = rig.finish();
        assert_eq!(outcome.buffers.len(), T + 1);
        assert!(outcome.buffers.iter().all(|buffer| found_one(buffer).label() == label));
        drop(rig);
        element.set_state(gst::State::Null).unwrap();
    }
}

/// The analytic networks, with what their sidecars say replaced.
fn networks_trained(dir: &Path, training: [&str; 2]) {
    let shape = ClipShape { frames: T, size_px: 32, ..ClipShape::default() };
    for (network, training) in [Synth::Detector, Synth::Classifier(shape)].iter().zip(training) {
        let model = write(network, dir).unwrap();
        let sidecar =
            dir.join(format!("{}.modelinfo", model.file_name().unwrap().to_str().unwrap()));
        let text = std::fs::read_to_string(&sidecar).unwrap();
        assert!(text.contains("training=analytic"), "{text}");
        std::fs::write(&sidecar, text.replace("training=analytic", training)).unwrap();
    }
}

#[test]
fn no_verdict_is_told_where_nobody_vouches_for_the_classifier() {
    let analytic = "training=analytic";
    for (training, told, reason) in [
        ([analytic, "trained=false"], "untrained", Some("untrained")),
        ([analytic, "training=unknown"], "unknown", Some("unknown-training")),
        // Faces that are not drawn ones, to whoever reads the sidecars.
        (["training=trained", analytic], "untrained", Some("untrained")),
        ([analytic, "training=trained"], "trained", None),
        ([analytic, analytic], "analytic", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        networks_trained(dir.path(), training);
        let mut rig = Rig::new(filter(dir.path()));
        rig.caps(&one_face(204).rgb_info());
        rig.push_rgb(&one_face_each(&[204; T]));
        let outcome = rig.finish();
        let face = found_one(&outcome.buffers[0]);
        let label = if reason.is_some() { "insufficient" } else { "fake" };
        assert_eq!(face.label(), label, "{training:?}");
        assert!((face.score().unwrap() - 0.8).abs() < 0.01, "the score is told");
        assert_eq!(face.m2sd.get::<&str>("reason").ok(), reason);
        assert_eq!(face.m2sd.get::<&str>("training"), Ok(told));
        assert_eq!(face.m2sd.get::<f64>("confidence").unwrap() == 0.0, reason.is_some());
        let verdicts = outcome.named("m2sd-verdict");
        assert_eq!(verdicts.is_empty(), reason.is_some(), "{verdicts:?}");
        assert_eq!(outcome.named("m2sd-clip").len(), 1);
        let end = outcome.named("m2sd-track-end")[0].get::<String>("label").unwrap();
        assert_eq!(end, label);
    }
}
