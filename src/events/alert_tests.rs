use super::*;

const PLACE: FaceBox = FaceBox { x: 100.0, y: 50.0, width: 80.0, height: 100.0 };
const ELSEWHERE: FaceBox = FaceBox { x: 400.0, y: 50.0, width: 80.0, height: 100.0 };

fn at(seconds: i64) -> UtcTime {
    UtcTime(jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap())
}

fn classifier() -> Classifier {
    Classifier { model_name: "m2sd".into(), threshold: Some(0.5), ..Classifier::default() }
}

/// A verdict whose clips end at 30.
fn verdict(track: u64, label: &str, face: FaceBox) -> Body {
    Body::Verdict(Box::new(Verdict {
        track,
        label_before: "insufficient".into(),
        judgement: Judgement { label: label.into(), end: Some(30), ..Judgement::default() },
        face,
        classifier: Some(classifier()),
    }))
}

fn scored(track: u64, start: u64, score: f64) -> Clip {
    Clip {
        track,
        start,
        end: start + 10,
        frames: 16,
        face: PLACE,
        score,
        fused_score: None,
        llr: None,
        sufficient: Some(true),
        reason: None,
        reason_text: None,
        quality: None,
        logit_fake: 0.0,
        logit_real: 0.0,
        provider: "cpu".into(),
        precision: "auto".into(),
        provider_ms: 1.0,
        audio_level_db: None,
        audio_coverage: None,
        audio_gaps: None,
        classifier: classifier(),
    }
}

fn clip(track: u64, start: u64, score: f64) -> Body {
    Body::Clip(Box::new(scored(track, start, score)))
}

fn track_end(track: u64) -> Body {
    Body::TrackEnd(TrackEnd {
        track,
        reason: "left".into(),
        first_seen: None,
        last_seen: None,
        label: None,
        label_reason: None,
        score: None,
        llr: None,
        clips: None,
    })
}

/// How many alerts the bodies make, one second apart.
fn alerts(rule: &mut AlertRule, from: i64, bodies: &[Body]) -> Vec<u64> {
    let times = (from..).map(at);
    let made = bodies.iter().zip(times).filter_map(|(body, time)| rule.take(body, Some(31), time));
    made.map(|alert| alert.track).collect()
}

#[test]
fn a_verdict_that_holds_is_alerted_once() {
    let fake = || verdict(7, "fake", PLACE);
    let real = || verdict(7, "real", PLACE);
    let other_judge = {
        let mut clip = scored(7, 30, 0.9);
        clip.classifier.model_name = "other".into();
        Body::Clip(Box::new(clip))
    };
    let not_enough = {
        let clip = Clip { sufficient: Some(false), ..scored(7, 30, 0.9) };
        Body::Clip(Box::new(clip))
    };
    let fused = |score| {
        let clip = Clip { fused_score: Some(score), ..scored(7, 30, 1.0 - score) };
        Body::Clip(Box::new(clip))
    };
    for (bodies, expected) in [
        (vec![fake()], 0),
        (vec![fake(), clip(7, 30, 0.9)], 1),
        (vec![fake(), clip(7, 30, 0.9), clip(7, 40, 0.9), track_end(7)], 1),
        // It shares frames with the verdict's, is on the other side, of another face, or no evidence.
        (vec![fake(), clip(7, 29, 0.9)], 0),
        (vec![fake(), clip(7, 30, 0.4)], 0),
        (vec![fake(), clip(8, 30, 0.9)], 0),
        (vec![fake(), not_enough], 0),
        (vec![fake(), other_judge], 0),
        (vec![fake(), fused(0.9)], 1),
        (vec![fake(), fused(0.2)], 0),
        // It is taken back.
        (vec![fake(), real(), clip(7, 30, 0.9), track_end(7)], 0),
        // The face goes before it could be seen again.
        (vec![fake(), track_end(7)], 1),
        (vec![real(), track_end(7)], 0),
        (vec![clip(7, 30, 0.9), track_end(7)], 0),
    ] {
        let made = alerts(&mut AlertRule::default(), 0, &bodies);
        assert_eq!(made.len(), expected, "{bodies:?}");
    }
}

#[test]
fn what_stands_when_the_stream_ends_is_alerted() {
    let mut rule = AlertRule::default();
    assert_eq!(
        alerts(&mut rule, 0, &[verdict(1, "fake", PLACE), verdict(2, "real", PLACE)]),
        [0u64; 0]
    );
    let made = rule.stream_ended(at(2));
    assert_eq!(made.iter().map(|alert| (alert.track, alert.since)).collect::<Vec<_>>(), [(1, 31)]);
    assert!(rule.stream_ended(at(3)).is_empty());
}

#[test]
fn the_same_face_under_another_number_is_no_other_alert() {
    let seen = |track, face| [verdict(track, "fake", face), clip(track, 30, 0.9)];
    // The clips' faces are all at one place: only the verdict's box is taken without one.
    let gone = |track, face| [verdict(track, "fake", face), track_end(track)];
    let mut rule = AlertRule::default();
    assert_eq!(alerts(&mut rule, 0, &seen(1, PLACE)), [1]);
    assert_eq!(alerts(&mut rule, 20, &[track_end(1)]), [0u64; 0]);
    assert_eq!(alerts(&mut rule, 30, &gone(2, PLACE)), [0u64; 0]);
    assert_eq!(alerts(&mut rule, 40, &gone(3, ELSEWHERE)), [3], "another face");
    // It was seen again at 31: the minute counts from there.
    assert_eq!(alerts(&mut rule, 88, &gone(4, PLACE)), [0u64; 0]);
    assert_eq!(alerts(&mut rule, 200, &gone(5, PLACE)), [5], "a minute has passed");

    // Another worker knows what this one has alerted.
    let mut next = AlertRule::new(DEFAULT_REPEAT_AFTER, rule.alerted().to_vec());
    assert_eq!(alerts(&mut next, 220, &gone(0, PLACE)), [0u64; 0]);
    let text = serde_json::to_string(next.alerted()).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Alerted>>(&text).unwrap(), next.alerted());
}

#[test]
fn an_alerted_face_is_remembered_as_long_as_its_clips_come() {
    let mut rule = AlertRule::default();
    assert_eq!(alerts(&mut rule, 0, &[verdict(1, "fake", PLACE), clip(1, 30, 0.9)]), [1]);
    for seconds in (10..600).step_by(10) {
        assert_eq!(rule.take(&clip(1, 40, 0.9), None, at(seconds)), None);
    }
    // As after a crash: no end was told.
    let mut next = AlertRule::new(DEFAULT_REPEAT_AFTER, rule.alerted().to_vec());
    assert_eq!(alerts(&mut next, 620, &[verdict(0, "fake", PLACE), track_end(0)]), [0u64; 0]);
}

/// Nobody knows how far a face has moved while no stream came, but how many there were.
#[test]
fn after_a_gap_as_many_faces_as_before_are_the_same_ones() {
    let gone = |track, face| [verdict(track, "fake", face), track_end(track)];
    let far = FaceBox { x: 900.0, ..PLACE };
    let mut before = AlertRule::default();
    assert_eq!(alerts(&mut before, 0, &gone(1, PLACE)), [1]);
    for mut next in [
        // Another worker, or this process after a restart.
        AlertRule::new(DEFAULT_REPEAT_AFTER, before.alerted().to_vec()),
        // The same one, connected to again.
        {
            let mut same = before.clone();
            assert!(same.stream_ended(at(2)).is_empty());
            same
        },
    ] {
        assert_eq!(alerts(&mut next, 10, &gone(0, ELSEWHERE)), [0u64; 0], "it has moved");
        assert_eq!(alerts(&mut next, 20, &gone(1, ELSEWHERE)), [0u64; 0], "it is still there");
        assert_eq!(alerts(&mut next, 20, &gone(2, far)), [2], "there was one only");
    }
    // In a stream that goes on it is another face.
    assert_eq!(alerts(&mut before, 10, &gone(2, ELSEWHERE)), [2]);
    // What lies back too far is not the same.
    let mut late = AlertRule::new(DEFAULT_REPEAT_AFTER, before.alerted().to_vec());
    assert_eq!(alerts(&mut late, 200, &gone(0, PLACE)), [0]);
}
