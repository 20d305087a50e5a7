//! What a frame's metadata, the bus and the statistics say, to the last field.

use gst::prelude::*;
use gstm2sd::models::synth::scene::{Face, landmarks68};

use super::picture::{FRAME_DURATION, FoundFace, Picture, face, found, found_one, one_face_each};
use super::support::{Outcome, Rig, T, filter, short_clips, single_frames, stat};

fn fields(structure: &gst::StructureRef) -> Vec<(String, glib::Type)> {
    let mut fields: Vec<_> =
        structure.iter().map(|(name, value)| (name.to_string(), value.type_())).collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

fn types(of: &[(&str, glib::Type)]) -> Vec<(String, glib::Type)> {
    of.iter().map(|(name, type_)| (name.to_string(), *type_)).collect()
}

fn get(structure: &gst::StructureRef, name: &str) -> f64 {
    structure.get(name).unwrap_or_else(|e| panic!("{structure}: {e}"))
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
}

fn run(element: gst::Element, pictures: &[Picture]) -> (Rig, Outcome) {
    let mut rig = Rig::new(element);
    rig.caps(&pictures[0].rgb_info());
    rig.push_rgb(pictures);
    let outcome = rig.finish();
    (rig, outcome)
}

fn scene() -> (Face, Vec<Picture>) {
    let drawn = face(40, 24, 48, 204);
    (drawn, vec![Picture::new(160, 120, &[drawn]); T + 1])
}

const SCORE: f64 = 204.0 / 255.0;

#[test]
fn a_face_is_described_exactly() {
    let (_, pictures) = scene();
    let (_rig, outcome) = run(filter(short_clips()), &pictures);
    let face = found_one(&outcome.buffers[1]);
    assert_eq!(face.rect, (40, 24, 48, 48));

    let (double, int) = (f64::static_type(), i32::static_type());
    assert_eq!(face.detection.name(), "detection");
    let detection = [
        ("confidence", double),
        ("label_id", int),
        ("x_max", double),
        ("x_min", double),
        ("y_max", double),
        ("y_min", double),
    ];
    assert_eq!(fields(&face.detection), types(&detection));
    for (name, expected) in [
        ("x_min", 40.0 / 160.0),
        ("x_max", 88.0 / 160.0),
        ("y_min", 24.0 / 120.0),
        ("y_max", 72.0 / 120.0),
        ("confidence", 1.0),
    ] {
        assert_near(get(&face.detection, name), expected);
    }
    assert_eq!(face.track, Some(0));
    assert_judgement(&face);
}

/// Of frame 1 of the scene: in both of its clips.
fn assert_judgement(face: &FoundFace) {
    let (double, int, string) = (f64::static_type(), i32::static_type(), String::static_type());
    let (time, count) = (u64::static_type(), u32::static_type());
    let m2sd = [
        ("calibrated", bool::static_type()),
        ("clip-end", time),
        ("clip-start", time),
        ("clips", count),
        ("confidence", double),
        ("frame-clips", count),
        ("frame-score", double),
        ("label", string),
        ("label-id", int),
        ("model-name", string),
        ("model-sha256", string),
        ("operating-point", string),
        ("score", double),
        ("threshold", double),
        ("threshold-source", string),
        ("trained", bool::static_type()),
        ("training", String::static_type()),
    ];
    assert_eq!(face.m2sd.name(), "m2sd");
    assert_eq!(fields(&face.m2sd), types(&m2sd));
    assert_eq!((face.label().as_str(), face.m2sd.get::<i32>("label-id")), ("fake", Ok(0)));
    assert_near(get(&face.m2sd, "score"), SCORE);
    assert_near(get(&face.m2sd, "frame-score"), SCORE);
    // The threshold is at one half, where the confidence is the score.
    assert_near(get(&face.m2sd, "confidence"), SCORE);
    assert_eq!(face.clips(), 2);
    let end = FRAME_DURATION * (T as u64 + 1);
    assert_eq!(face.m2sd.get::<u64>("clip-start"), Ok(0));
    assert_eq!(face.m2sd.get::<u64>("clip-end"), Ok(end.nseconds()));
    assert_eq!(face.m2sd.get::<&str>("model-name"), Ok("analytic_classifier"));
    assert_eq!(face.m2sd.get::<bool>("trained"), Ok(false));
}

#[test]
fn landmarks_are_five_or_68_fractions_of_the_frame() {
    let (drawn, pictures) = scene();
    let (_rig, outcome) = run(filter(short_clips()), &pictures);
    let five = found_one(&outcome.buffers[0]).landmarks;
    let expected = drawn.points_px();
    assert_eq!(five.len(), 10);
    for (found, [x, y]) in five.chunks(2).zip(expected) {
        assert_near(found[0], f64::from(x) / 160.0);
        assert_near(found[1], f64::from(y) / 120.0);
    }

    let element = filter(short_clips());
    element.set_property("aligner", "analytic_aligner");
    let (_rig, outcome) = run(element, &pictures);
    let all = found_one(&outcome.buffers[0]).landmarks;
    assert_eq!(all.len(), 2 * 68);
    for (found, [x, y]) in all.chunks(2).zip(landmarks68()) {
        // The crop is 1.2 times the box, in whole pixels: up to one off.
        let place =
            |v: f32, start: i32| (f64::from(v) - 0.5) * 1.2 * 48.0 + 24.0 + f64::from(start);
        assert!((found[0] * 160.0 - place(x, 40)).abs() < 1.5, "{found:?}");
        assert!((found[1] * 120.0 - place(y, 24)).abs() < 1.5, "{found:?}");
    }
}

#[test]
fn a_real_and_an_unscored_face_are_described() {
    let (_rig, outcome) = run(filter(short_clips()), &one_face_each(&[51; T]));
    let real = found_one(&outcome.buffers[0]);
    assert_eq!((real.label().as_str(), real.m2sd.get("label-id")), ("real", Ok(1i32)));
    assert_near(get(&real.m2sd, "confidence"), 0.8);

    let (_rig, outcome) = run(filter(short_clips()), &one_face_each(&[51]));
    let unknown = found_one(&outcome.buffers[0]);
    assert_eq!(
        (unknown.label().as_str(), unknown.m2sd.get("label-id")),
        ("insufficient", Ok(3i32))
    );
    assert_eq!((get(&unknown.m2sd, "confidence"), unknown.clips()), (0.0, 0));
    for missing in ["score", "clip-start", "clip-end"] {
        assert!(!unknown.m2sd.has_field(missing), "{missing} of a face without a score");
    }
}

#[test]
fn points_from_the_aligner_give_the_same_clip_here() {
    let (_, pictures) = scene();
    let element = filter(short_clips());
    element.set_property("aligner", "analytic_aligner");
    element.set_property_from_str("landmark-source", "aligner");
    let (_rig, outcome) = run(element, &pictures);
    for buffer in &outcome.buffers {
        // The analytic aligner's eyes, nose and mouth are the detector's points, to a pixel.
        assert!((found_one(buffer).score().unwrap() - SCORE).abs() < 0.01);
    }
}

#[test]
fn clip_messages_say_all_about_a_window() {
    let (_, pictures) = scene();
    let (_rig, outcome) = run(filter(short_clips()), &pictures);
    let clips = outcome.named("m2sd-clip");
    assert_eq!(clips.len(), 2);
    let (double, time) = (f64::static_type(), u64::static_type());
    let expected = [
        ("calibrated", bool::static_type()),
        ("end", time),
        ("frames", u32::static_type()),
        ("height", double),
        ("logit-fake", double),
        ("logit-real", double),
        ("model-name", String::static_type()),
        ("model-sha256", String::static_type()),
        ("operating-point", String::static_type()),
        ("precision", String::static_type()),
        ("provider", String::static_type()),
        ("provider-ms", double),
        ("quality", gst::Structure::static_type()),
        ("score", double),
        ("start", time),
        ("sufficient", bool::static_type()),
        ("threshold", double),
        ("threshold-source", String::static_type()),
        ("track", time),
        ("trained", bool::static_type()),
        ("training", String::static_type()),
        ("width", double),
        ("x", double),
        ("y", double),
    ];
    for (number, clip) in clips.iter().enumerate() {
        assert_eq!(fields(clip), types(&expected));
        let start = FRAME_DURATION * number as u64;
        assert_eq!(clip.get("start"), Ok(start.nseconds()));
        assert_eq!(clip.get("end"), Ok((start + FRAME_DURATION * T as u64).nseconds()));
        assert_eq!((clip.get("track"), clip.get("frames")), (Ok(0u64), Ok(T as u32)));
        assert_near(get(clip, "score"), SCORE);
        assert_near(get(clip, "logit-fake"), SCORE.ln());
        assert_near(get(clip, "logit-real"), (1.0 - SCORE).ln());
        for (name, expected) in [("x", 40.0), ("y", 24.0), ("width", 48.0), ("height", 48.0)] {
            assert_near(get(clip, name), expected);
        }
        assert_eq!(clip.get("provider"), Ok("cpu"));
        assert_eq!(clip.get("precision"), Ok("fp32"));
        assert!(get(clip, "provider-ms") > 0.0);
    }
}

#[test]
fn a_verdict_is_posted_only_when_it_changes() {
    // Single scores on the other side, and stretches: half a second is 13 frames.
    let stretches = [vec![204; 20], vec![51], vec![204; 20], vec![51; 45], vec![204; 45]];
    let (_rig, outcome) = run(filter(single_frames()), &one_face_each(&stretches.concat()));
    let verdicts = outcome.named("m2sd-verdict");
    let told: Vec<&str> = verdicts.iter().map(|verdict| verdict.get("label").unwrap()).collect();
    let told: Vec<&str> = told.into_iter().filter(|label| *label != "uncertain").collect();
    assert_eq!(told, ["fake", "real", "fake"]);
    let mut before = "insufficient".to_owned();
    for verdict in verdicts {
        let label: String = verdict.get("label").unwrap();
        assert_eq!(verdict.get::<String>("label-before"), Ok(before));
        let time: u64 = verdict.get("running-time").unwrap();
        let frame = (time / FRAME_DURATION.nseconds()) as usize;
        let shown = found_one(&outcome.buffers[frame]);
        assert_eq!(shown.label(), label);
        assert_eq!(shown.evidence(), verdict.get("score").ok());
        assert_near(get(verdict, "frame-score"), shown.score().unwrap());
        assert!(verdict.get::<u64>("start").unwrap() <= time);
        assert_eq!(verdict.get("track"), Ok(0u64));
        assert_near(get(verdict, "x"), 40.0);
        if frame > 0 {
            assert_ne!(found_one(&outcome.buffers[frame - 1]).label(), label);
        }
        before = label;
    }
}

#[test]
fn the_threshold_property_decides() {
    for (threshold, label) in [(-1.0, "fake"), (0.9, "real"), (0.7, "fake")] {
        let element = filter(single_frames());
        element.set_property("threshold", threshold);
        let (_rig, outcome) = run(element, &one_face_each(&[204]));
        assert_eq!(found_one(&outcome.buffers[0]).label(), label, "{threshold}");
    }
}

#[test]
fn without_post_messages_the_bus_is_quiet() {
    let element = filter(short_clips());
    element.set_property("post-messages", false);
    let (_rig, outcome) = run(element, &one_face_each(&[204; T]));
    assert!(outcome.messages.is_empty(), "{:?}", outcome.messages);
    assert!(found_one(&outcome.buffers[0]).score().is_some());
}

#[test]
fn statistics_add_up() {
    let pictures = vec![Picture::new(320, 120, &[face(20, 30, 48, 90), face(200, 30, 48, 90)]); 9];
    let (rig, outcome) = run(filter(short_clips()), &pictures);
    assert_eq!(outcome.buffers.iter().map(|buffer| found(buffer).len()).sum::<usize>(), 18);
    for (name, expected) in [
        ("frames-in", 9),
        ("frames-out", 9),
        ("frames-analysed", 9),
        ("frames-waiting", 0),
        ("faces", 18),
        ("clips-scored", 12),
        ("clips-skipped", 0),
        ("clips-failed", 0),
        ("clips-waiting", 0),
    ] {
        assert_eq!(stat::<u64>(&rig.element, name), expected, "{name}");
    }
    for kind in ["detect", "classify", "latency"] {
        let [half, most] =
            ["p50", "p95"].map(|p| stat::<f64>(&rig.element, &format!("{kind}-{p}-ms")));
        assert!(0.0 < half && half <= most, "{kind}: {half}, {most}");
    }
    for who in ["provider", "detect-provider"] {
        assert_eq!(stat::<String>(&rig.element, who), "cpu");
    }
    for what in ["precision", "detect-precision"] {
        assert_eq!(stat::<String>(&rig.element, what), "fp32");
    }
}

#[test]
fn what_a_frame_brings_along_stays() {
    let picture = super::picture::one_face(90);
    let info = picture.rgb_info();
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(&info);
    let reference = gst::Caps::new_empty_simple("timestamp/x-test");
    for number in 0..T as u64 {
        let mut buffer = picture.buffer(&info, number);
        let buffer_ref = buffer.get_mut().unwrap();
        buffer_ref.set_dts(FRAME_DURATION * number);
        buffer_ref.set_offset(1000 + number);
        buffer_ref.set_offset_end(1001 + number);
        buffer_ref.set_flags(gst::BufferFlags::MARKER | gst::BufferFlags::DELTA_UNIT);
        let capture = gst::ClockTime::from_seconds(7 + number);
        gst::ReferenceTimestampMeta::add(buffer_ref, &reference, capture, None);
        let rect = (1, 2, 3, 4);
        gst_video::VideoRegionOfInterestMeta::add(buffer_ref, "car", rect);
        rig.harness.push(buffer).unwrap();
    }
    let outcome = rig.finish();
    assert_eq!(outcome.buffers.len(), T);
    for (number, buffer) in (0u64..).zip(&outcome.buffers) {
        assert_eq!(buffer.pts(), Some(FRAME_DURATION * number));
        assert_eq!(buffer.dts(), Some(FRAME_DURATION * number));
        assert_eq!(buffer.duration(), Some(FRAME_DURATION));
        assert_eq!((buffer.offset(), buffer.offset_end()), (1000 + number, 1001 + number));
        assert!(buffer.flags().contains(gst::BufferFlags::MARKER | gst::BufferFlags::DELTA_UNIT));
        let times: Vec<_> = buffer.iter_meta::<gst::ReferenceTimestampMeta>().collect();
        assert_eq!(times[0].timestamp(), gst::ClockTime::from_seconds(7 + number));
        let regions: Vec<_> = buffer
            .iter_meta::<gst_video::VideoRegionOfInterestMeta>()
            .map(|meta| meta.roi_type().to_owned())
            .collect();
        assert_eq!(regions, ["car", "face"]);
    }
}

/// Messages and events have the same names and the same numbers.
#[test]
fn messages_become_events_with_the_same_names() {
    let (_, pictures) = scene();
    let (_rig, outcome) = run(filter(short_clips()), &pictures);
    let mut kinds = std::collections::BTreeSet::new();
    for message in &outcome.messages {
        let told = gstm2sd::publish::translate(message).unwrap();
        let event = serde_json::to_value(&told.body).unwrap();
        let event = event.as_object().unwrap();
        kinds.insert(event["type"].as_str().unwrap().to_owned());
        let mut names: Vec<_> = event.keys().filter(|name| *name != "type").cloned().collect();
        names.sort();
        // The frame's time is the envelope's.
        let mut fields: Vec<_> = message.fields().map(|name| name.to_string()).collect();
        fields.retain(|name| name != "running-time");
        fields.sort();
        assert_eq!(names, fields, "{}", message.name());
        for name in &names {
            if let Ok(number) = message.get::<f64>(name) {
                assert_eq!(event[name], number, "{name}");
            }
            if let Ok(number) = message.get::<u64>(name) {
                assert_eq!(event[name], number, "{name}");
            }
        }
        if let Ok(quality) = message.get::<gst::Structure>("quality") {
            let mut fields: Vec<_> = quality.fields().map(|name| name.to_string()).collect();
            fields.sort();
            let quality = event["quality"].as_object().unwrap();
            let mut quality: Vec<_> = quality.keys().cloned().collect();
            quality.sort();
            assert_eq!(quality, fields);
        }
    }
    assert_eq!(kinds.iter().collect::<Vec<_>>(), ["clip", "track-end", "track-start", "verdict"]);
}
