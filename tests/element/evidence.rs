//! When a face is called fake or real, and what is said where it is not.

use gst::prelude::*;
use gstm2sd::core::modelinfo::{MeasuredPoint, ModelInfo, Rate, SufficiencyKeys};

use super::picture::{FoundFace, Picture, found_one, one_face};
use super::scripted::scripted_with;
use super::support::{Outcome, Rig, T, filter, single_frames};

/// A logit for every clip, in their order.
fn logits(all: impl IntoIterator<Item = f32>) -> impl FnMut() -> f32 {
    let mut all: std::collections::VecDeque<_> = all.into_iter().collect();
    move || all.pop_front().unwrap_or(0.0)
}

/// Pictures of one face, through a classifier that answers these logits, one for each `T` frames.
fn scored(
    mode: &str,
    answers: Vec<f32>,
    change: impl FnOnce(&mut ModelInfo),
    set: impl FnOnce(&gst::Element),
) -> Outcome {
    let clips = answers.len();
    let mut next = logits(answers);
    let (element, _dir, _pool) = scripted_with(move |_| Ok(next()), change);
    element.set_property_from_str("mode", mode);
    element.set_property("clip-stride", T as u32);
    set(&element);
    let mut rig = Rig::new(element);
    if mode == "live" {
        rig.element.set_property("max-latency", 10_000_000_000u64);
        rig.element.set_property("detect-interval", 1u32);
        rig.await_engines(&Picture::new(160, 120, &[]));
    }
    rig.caps(&one_face(90).rgb_info());
    let mut left = Vec::new();
    for _ in 0..clips {
        rig.push_rgb(&vec![one_face(90); T]);
        if mode == "live" {
            left.extend((0..T).map(|_| rig.pull()));
            // The classifier keeps up, as it does where frames come at their pace.
            rig.await_stat("clips-waiting", 0);
        }
    }
    let mut outcome = rig.finish();
    outcome.buffers.splice(0..0, left);
    outcome
}

fn nothing(_: &gst::Element) {}

/// The needs of a trained classifier, whatever the drawn face looks like.
fn needs_three_clips(info: &mut ModelInfo) {
    info.sufficiency.clips = Some(3);
    info.sufficiency.seconds = Some(0.5);
    info.sufficiency.spread = None;
}

fn faces(outcome: &Outcome) -> Vec<FoundFace> {
    let faces = outcome.buffers.iter().filter(|buffer| {
        buffer.iter_meta::<gst_video::VideoRegionOfInterestMeta>().next().is_some()
    });
    faces.map(|buffer| found_one(buffer)).collect()
}

/// Whatever is said, no number beside it says something else.
fn assert_agreement(faces: &[FoundFace], threshold: f64) {
    for face in faces {
        let (label, confidence) = (face.label(), face.m2sd.get::<f64>("confidence").unwrap());
        let score = face.evidence();
        match label.as_str() {
            "fake" => assert!(score.unwrap() > threshold && confidence > 0.5, "{face:?}"),
            "real" => assert!(score.unwrap() < threshold && confidence > 0.5, "{face:?}"),
            _ => assert_eq!(confidence, 0.0, "{face:?}"),
        }
    }
}

fn words(faces: &[FoundFace]) -> Vec<String> {
    let mut words: Vec<String> = faces.iter().map(FoundFace::label).collect();
    words.dedup();
    words
}

#[test]
fn a_verdict_takes_clips_that_share_no_frame_in_live_and_complete_streams() {
    for mode in ["complete", "live"] {
        // Clips of 4 frames last 0.16 s; an observation lasts half a second, three of them.
        let outcome = scored(mode, vec![4.0; 16], needs_three_clips, nothing);
        let faces = faces(&outcome);
        assert_agreement(&faces, 0.5);
        assert_eq!(words(&faces), ["insufficient", "fake"], "{mode}");
        let first = faces.iter().position(|face| face.label() == "fake").unwrap();
        let few = faces.iter().filter(|face| face.reason().as_deref() == Some("few-clips"));
        assert!(few.count() > 20 && (28..=52).contains(&first), "{mode}: {first}");
        let verdicts = outcome.named("m2sd-verdict");
        assert_eq!(verdicts.len(), 1, "{mode}");
        assert_eq!(verdicts[0].get::<&str>("label-before"), Ok("insufficient"));
        assert_eq!(verdicts[0].get::<&str>("threshold-source"), Ok("published"));
        let end = outcome.named("m2sd-track-end");
        assert_eq!(end[0].get::<&str>("label"), Ok("fake"), "{mode}");
        assert!(end[0].get::<f64>("score").unwrap() > 0.5);
    }
}

#[test]
fn scores_about_the_threshold_are_uncertain_and_stay_so() {
    for mode in ["complete", "live"] {
        let jitter = (0..60).map(|n| if n % 2 == 0 { 1.5 } else { -1.5 }).collect();
        let outcome = scored(mode, jitter, needs_three_clips, nothing);
        let faces = faces(&outcome);
        assert_agreement(&faces, 0.5);
        assert_eq!(words(&faces), ["insufficient", "uncertain"], "{mode}");
        assert_eq!(outcome.named("m2sd-verdict").len(), 1, "{mode}");
    }
}

#[test]
fn a_forged_stretch_is_told_and_its_end_too() {
    let answers = [vec![-4.0; 24], vec![4.0; 24], vec![-4.0; 24]].concat();
    let outcome = scored("complete", answers, needs_three_clips, nothing);
    let faces = faces(&outcome);
    assert_agreement(&faces, 0.5);
    let told: Vec<_> = words(&faces).into_iter().filter(|word| word != "uncertain").collect();
    assert_eq!(told, ["insufficient", "real", "fake", "real"]);
    // Two clips beyond the evidence needed: three observations of half a second, 13 frames each.
    let first = faces.iter().position(|face| face.label() == "fake").unwrap();
    assert!(first < 24 * T + 5 * 16, "frame {first}");
}

#[test]
fn a_face_too_small_for_the_classifier_counts_for_nothing_and_says_so() {
    let needs = |info: &mut ModelInfo| info.sufficiency.eye_distance_px = Some(60.0);
    let outcome = scored("complete", vec![4.0; 10], needs, nothing);
    let faces = faces(&outcome);
    assert_eq!(words(&faces), ["insufficient"]);
    for face in &faces {
        assert_eq!(face.reason().as_deref(), Some("too-small"));
        let text: String = face.m2sd.get("reason-text").unwrap();
        assert!(text.starts_with("too small: ") && text.ends_with(", 60 needed"), "{text}");
        // Its own score is told all the same.
        assert!(face.score().unwrap() > 0.9);
        let failed: gst::Array = face.quality.as_ref().unwrap().get("failed").unwrap();
        assert_eq!(
            failed.iter().map(|name| name.get::<&str>().unwrap()).collect::<Vec<_>>(),
            ["too-small"]
        );
    }
    let clips = outcome.named("m2sd-clip");
    assert_eq!(clips.len(), 10);
    assert_eq!(clips[0].get::<bool>("sufficient"), Ok(false));
    assert_eq!(clips[0].get::<&str>("reason"), Ok("too-small"));
    assert!(clips[0].get::<gst::Structure>("quality").unwrap().has_field("sharpness"));
    assert!(outcome.named("m2sd-verdict").is_empty());
}

#[test]
fn a_classifier_without_an_operating_point_gives_scores_and_no_verdict() {
    let without = |info: &mut ModelInfo| info.threshold = None;
    let outcome = scored("complete", vec![4.0; 4], without, nothing);
    for face in faces(&outcome) {
        assert_eq!(face.label(), "uncertain");
        assert_eq!(face.reason().as_deref(), Some("no-operating-point"));
        assert!(face.score().unwrap() > 0.9 && !face.m2sd.has_field("threshold"));
        assert_eq!(face.m2sd.get::<bool>("calibrated"), Ok(false));
    }
    // The user's own makes it one.
    let own = |element: &gst::Element| element.set_property("threshold", 0.2);
    let outcome = scored("complete", vec![4.0; 4], without, own);
    let last = faces(&outcome).pop().unwrap();
    assert_eq!(last.label(), "fake");
    assert_eq!(last.m2sd.get::<&str>("threshold-source"), Ok("user"));
}

#[test]
fn an_operating_point_is_chosen_by_name_and_a_wrong_name_is_an_error() {
    let measured = |info: &mut ModelInfo| {
        let rate = Rate { value: 0.01, low: 0.0, high: 0.05 };
        let point = |name: &str, threshold| MeasuredPoint {
            name: name.into(),
            threshold,
            fpr: rate,
            tpr: rate,
        };
        info.points = vec![point("fpr-1e-2", 0.9), point("eer", 0.6)];
    };
    let chosen = |name: Option<&str>| {
        let outcome = scored("complete", vec![8.0; 4], measured, |element| {
            element.set_property("operating-point", name);
        });
        let m2sd = faces(&outcome).pop().unwrap().m2sd;
        (m2sd.get::<f64>("threshold").unwrap(), m2sd.get::<String>("threshold-source").unwrap())
    };
    assert_eq!(chosen(None), (0.9, "measured".to_owned()));
    assert_eq!(chosen(Some("eer")), (0.6, "measured".to_owned()));
    assert_eq!(chosen(Some("published")), (0.5, "published".to_owned()));

    let (element, _dir, _pool) = scripted_with(|_| Ok(0.0), measured);
    element.set_property("operating-point", "fpr-1e-9");
    let rig = Rig::new(filter(single_frames()));
    element.set_bus(Some(&rig.bus));
    assert!(element.set_state(gst::State::Ready).is_err());
    let error = rig.await_error();
    assert!(error.contains("it has fpr-1e-2, eer, published"), "{error}");
}

#[test]
fn a_single_frame_never_gets_a_verdict_of_a_classifier_that_needs_more() {
    let needs = |info: &mut ModelInfo| {
        info.sufficiency = SufficiencyKeys {
            sharpness: Some(0.0),
            eye_distance_px: Some(0.0),
            ..SufficiencyKeys::default()
        };
    };
    let outcome = scored("complete", vec![9.0], needs, nothing);
    let faces = faces(&outcome);
    assert_eq!(words(&faces), ["insufficient"]);
}
