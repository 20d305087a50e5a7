//! GstAnalytics metadata: attached by the element, read back behind a conversion. Needs GStreamer
//! 1.24.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::path::Path;
use std::sync::LazyLock;

use gst::ClockTime;
use gst_analytics::prelude::*;
use gst_analytics::{
    AnalyticsClassificationMtd, AnalyticsODMtd, AnalyticsRelationMeta, AnalyticsTrackingMtd,
    RelTypes,
};
use gst_check::Harness;
use gstm2sd::models::synth::scene::{self, Face};
use gstm2sd::models::synth::{self, ClipShape, Synth};
use tempfile::TempDir;

const WIDTH_PX: usize = 320;
const HEIGHT_PX: usize = 240;
const CAPS: &str = "video/x-raw,format=RGB,width=320,height=240,framerate=25/1";
const FRAME: ClockTime = ClockTime::from_mseconds(40);
const FAKE: Face = Face { left_px: 40, top_px: 24, side_px: 64, red: 204 };

/// Analytic networks, with clips of four frames.
static ENGINES: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let shape = ClipShape { frames: 4, size_px: 32, ..ClipShape::default() };
    for network in [Synth::Detector, Synth::Classifier(shape)] {
        synth::write(&network, dir.path()).unwrap();
    }
    dir
});

fn init() -> &'static Path {
    gst::init().unwrap();
    gstm2sd::plugin_register_static().unwrap();
    ENGINES.path()
}

/// The element, and behind it whatever `then` says.
fn harness(then: &str) -> Harness {
    let engines = init().display();
    let mut harness = Harness::new_parse(&format!(
        "m2sdfilter mode=complete provider=cpu threads=1 max-faces=30 engines-dir={engines} {then}"
    ));
    harness.set_src_caps_str(CAPS);
    harness
}

/// Frame `number` of a 25 Hz stream.
fn frame(number: u64, faces: &[Face]) -> gst::Buffer {
    let mut rgb = vec![128; 3 * WIDTH_PX * HEIGHT_PX];
    faces.iter().for_each(|face| face.draw(&mut rgb, WIDTH_PX));
    let mut buffer = gst::Buffer::from_mut_slice(rgb);
    let buffer_mut = buffer.get_mut().unwrap();
    buffer_mut.set_pts(FRAME * number);
    buffer_mut.set_duration(FRAME);
    buffer
}

/// Pushes the frames and ends the stream; returns what comes out.
fn run(harness: &mut Harness, frames: impl IntoIterator<Item = gst::Buffer>) -> Vec<gst::Buffer> {
    for frame in frames {
        harness.push(frame).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    std::iter::from_fn(|| harness.pull_until_eos().unwrap()).collect()
}

/// A face as GstAnalytics tells of it.
#[derive(Debug, PartialEq)]
struct Told {
    kind: &'static str,
    rect_px: [i32; 4],
    confidence: f32,
    classes: Vec<(&'static str, f32)>,
    /// Number, first and last seen, lost.
    track: Option<(u64, ClockTime, ClockTime, bool)>,
}

/// The faces of a frame, each with all its relations.
fn told(buffer: &gst::BufferRef) -> Vec<Told> {
    let metas = buffer.iter_meta::<AnalyticsRelationMeta>().count();
    let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return Vec::new() };
    assert_eq!(metas, 1);
    let tell = |object: gst_analytics::AnalyticsMtdRef<'_, AnalyticsODMtd>| {
        let related = RelTypes::RELATE_TO;
        let class = meta.iter_direct_related::<AnalyticsClassificationMtd>(object.id(), related);
        let class: Vec<_> = class.collect();
        let [class] = &class[..] else { panic!("{} classifications", class.len()) };
        let both = RelTypes::CONTAIN | RelTypes::RELATE_TO;
        assert_eq!(meta.relation(object.id(), class.id()), both);
        assert_eq!(meta.relation(class.id(), object.id()), RelTypes::IS_PART_OF);

        let track = meta.iter_direct_related::<AnalyticsTrackingMtd>(object.id(), related);
        let track: Vec<_> = track.collect();
        assert!(track.len() <= 1);
        for track in &track {
            assert_eq!(meta.relation(object.id(), track.id()), RelTypes::RELATE_TO);
        }
        let location = object.location().unwrap();
        Told {
            kind: object.obj_type().unwrap().as_str().as_str(),
            rect_px: [location.x, location.y, location.w, location.h],
            confidence: location.loc_conf_lvl,
            classes: class
                .iterate()
                .map(|(label, level)| (label.as_str().as_str(), level))
                .collect(),
            track: track.first().map(|track| track.info()),
        }
    };
    let kind = glib::Quark::from_str("face");
    meta.iter::<AnalyticsODMtd>().filter(|o| o.obj_type() == Some(kind)).map(tell).collect()
}

fn rect_px(face: &Face) -> [i32; 4] {
    [face.left_px, face.top_px, face.side_px as i32, face.side_px as i32]
}

fn assert_close(found: &[(&str, f32)], expected: &[(&str, f32)]) {
    let close = |(a, b): (&(&str, f32), &(&str, f32))| a.0 == b.0 && (a.1 - b.1).abs() < 1e-3;
    let same = found.len() == expected.len() && found.iter().zip(expected).all(close);
    assert!(same, "{found:?} is not {expected:?}");
}

#[test]
fn a_fake_face_is_told_behind_a_conversion() {
    let mut harness = harness("! videoconvert ! capsfilter caps=video/x-raw,format=I420");
    let face = |k: u64| Face { left_px: 40 + 2 * k as i32, ..FAKE };
    let frames = run(&mut harness, (0..9).map(|k| frame(k, &[face(k)])));
    assert_eq!(frames.len(), 9);
    let fake = scene::fake_probability(FAKE.red);
    for (k, buffer) in (0..).zip(&frames) {
        let faces = told(buffer);
        let [told] = &faces[..] else { panic!("{faces:?}") };
        assert_eq!((told.kind, told.rect_px), ("face", rect_px(&face(k))));
        assert!((told.confidence - 1.0).abs() < 1e-3, "{told:?}");
        assert_close(&told.classes, &[("fake", fake), ("real", 1.0 - fake)]);
        assert_eq!(told.track, Some((0, ClockTime::ZERO, FRAME * k, false)));
    }
}

#[test]
fn the_label_comes_first_whatever_the_threshold() {
    let mut harness = harness("threshold=0.9");
    let buffers = run(&mut harness, (0..5).map(|k| frame(k, &[FAKE])));
    // How far a verdict is from the threshold, as a probability.
    let odds = |p: f32| (p / (1.0 - p)).ln();
    let distance = odds(0.9) - odds(scene::fake_probability(FAKE.red));
    let real = 1.0 / (1.0 + (-distance).exp());
    for buffer in &buffers {
        assert_close(&told(buffer)[0].classes, &[("real", real), ("fake", 1.0 - real)]);
    }
}

#[test]
fn an_uncertain_face_has_both_probabilities_too() {
    let face = Face { red: 128, ..FAKE };
    let buffers = run(&mut harness(""), (0..4).map(|k| frame(k, &[face])));
    let fake = scene::fake_probability(face.red);
    let expected = [("uncertain", 0.0), ("fake", fake), ("real", 1.0 - fake)];
    assert_close(&told(&buffers[3])[0].classes, &expected);
}

#[test]
fn a_face_seen_too_briefly_is_insufficient() {
    let buffers = run(&mut harness(""), (0..2).map(|k| frame(k, &[FAKE])));
    assert_eq!(buffers.len(), 2);
    for buffer in &buffers {
        assert_eq!(told(buffer)[0].classes, [("insufficient", 0.0)]);
    }
}

#[test]
fn without_a_classifier_a_face_is_followed_and_unscored() {
    let buffers = run(&mut harness("classifier=none"), (0..3).map(|k| frame(k, &[FAKE])));
    assert_eq!(buffers.len(), 3);
    for (k, buffer) in (0..).zip(&buffers) {
        let face = &told(buffer)[0];
        assert_eq!(face.classes, [("unscored", 0.0)]);
        assert_eq!(face.track, Some((0, ClockTime::ZERO, FRAME * k, false)));
    }
}

/// Whoever takes the likeliest class must not take a score that means nothing for a verdict.
#[test]
fn an_untrained_classifier_tells_no_probabilities() {
    init();
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(ENGINES.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let sidecar = dir.path().join("analytic_classifier.onnx.modelinfo");
    let text = std::fs::read_to_string(&sidecar).unwrap();
    std::fs::write(&sidecar, text.replace("training=analytic", "training=untrained")).unwrap();
    let classifier = dir.path().join("analytic_classifier.onnx");
    let mut harness = harness(&format!("classifier={}", classifier.display()));
    let buffers = run(&mut harness, (0..4).map(|k| frame(k, &[FAKE])));
    assert_eq!(told(&buffers[3])[0].classes, [("insufficient", 0.0)]);
}

#[test]
fn entries_of_upstream_stay() {
    let car = glib::Quark::from_str("car");
    let mut input = frame(0, &[FAKE]);
    let mut meta = AnalyticsRelationMeta::add(input.get_mut().unwrap());
    let object = meta.add_od_mtd(car, 1, 2, 3, 4, 0.5).unwrap().id();
    let class = meta.add_one_cls_mtd(0.25, glib::Quark::from_str("red")).unwrap().id();
    meta.set_relation(RelTypes::CONTAIN, object, class).unwrap();

    let buffers = run(&mut harness(""), [input]);
    let [buffer] = &buffers[..] else { panic!("{buffers:?}") };
    assert_eq!(told(buffer).len(), 1);
    let meta = buffer.meta::<AnalyticsRelationMeta>().unwrap();
    assert_eq!(meta.len(), 2 + 3);
    let kept = meta.mtd::<AnalyticsODMtd>(object).unwrap();
    assert_eq!((kept.obj_type(), kept.location().unwrap().h), (Some(car), 4));
    assert_eq!(meta.relation(object, class), RelTypes::CONTAIN);
}

#[test]
fn many_faces_fit() {
    let place = |k: i32| Face { left_px: 20 + 60 * (k % 5), top_px: 10 + 55 * (k / 5), ..FAKE };
    let faces: Vec<_> = (0..20).map(|k| Face { side_px: 32, ..place(k) }).collect();
    let buffers = run(
        &mut harness("! videoconvert ! capsfilter caps=video/x-raw,format=RGBA"),
        [frame(0, &faces)],
    );
    let mut found: Vec<_> = told(&buffers[0]).into_iter().map(|face| face.rect_px).collect();
    let mut expected: Vec<_> = faces.iter().map(rect_px).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_face_is_a_new_track_after_a_flush() {
    let mut harness = harness("");
    for k in 0..4 {
        harness.push(frame(k, &[FAKE])).unwrap();
    }
    assert_eq!(
        told(&harness.pull().unwrap())[0].track,
        Some((0, ClockTime::ZERO, ClockTime::ZERO, false))
    );
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    while harness.try_pull().is_some() {}
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<ClockTime>::new()));

    let later = Face { left_px: 200, ..FAKE };
    let buffers = run(&mut harness, (10..14).map(|k| frame(k, &[later])));
    let tracks: Vec<_> = buffers.iter().map(|buffer| told(buffer)[0].track).collect();
    let expected = |k| Some((1, FRAME * 10, FRAME * k, false));
    assert_eq!(tracks, (10..14).map(expected).collect::<Vec<_>>());
}

#[test]
fn without_timestamps_there_is_no_tracking() {
    let mut input = frame(0, &[FAKE]);
    input.get_mut().unwrap().set_pts(None);
    let buffers = run(&mut harness(""), [input]);
    let faces = told(&buffers[0]);
    assert_eq!(faces.len(), 1);
    assert_eq!((faces[0].rect_px, faces[0].track), (rect_px(&FAKE), None));
}

#[test]
fn a_frame_without_faces_has_no_relations() {
    let buffers = run(&mut harness(""), [frame(0, &[])]);
    assert!(buffers[0].meta::<AnalyticsRelationMeta>().is_none());
}
