use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::core::detect::Face;
use crate::core::evidence::{Criteria, Probability};
use crate::core::modelinfo::Training;
use crate::filter::output::metadata::classifier_name::ClassifierName;

const TRACK: TrackId = TrackId(1);
const SPAN: Span = Span { start_ns: 0, end_ns: 10 };

fn report(score: f64) -> ClipReport {
    ClipReport {
        track: TRACK,
        fake: Probability::new(score).unwrap(),
        outputs: [0.0, 0.0],
        span: SPAN,
        bbox: crate::core::geometry::BBox::new(0.0, 0.0, 1.0, 1.0).unwrap(),
        fused: None,
        took: std::time::Duration::ZERO,
        provider: "cpu",
        precision: "auto",
        classifier: Arc::new(ClassifierName {
            name: String::new(),
            sha256: None,
            criteria: Criteria::of_a_clip(0.5, Training::Trained),
        }),
        frames: 1,
        quality: None,
        loudness: None,
    }
}

fn frame(number: FrameNumber) -> Output {
    let bbox = crate::core::geometry::BBox::new(0.0, 0.0, 1.0, 1.0).unwrap();
    let face = Face { bbox, score: 0.9, points: Default::default() };
    let faces = [FrameFace { track: Some(TRACK), face, landmarks: None, quality: None }];
    Output::Frame(Frame {
        number,
        buffer: gst::Buffer::new(),
        faces: faces.into(),
        unanalysed: None,
        arrived: Instant::now(),
    })
}

fn queue() -> OutputQueue {
    gst::init().unwrap();
    let queue = OutputQueue::default();
    queue.open();
    let judge = Judge::Classifier(Criteria::of_a_clip(0.5, Training::Trained));
    queue.configure(Delivery::Complete, 8, judge);
    queue
}

/// A frame with a clip of its own, closed and pushed.
fn push(queue: &OutputQueue, number: FrameNumber) -> ExpectedClip {
    let generation = queue.generation();
    queue.face_seen(generation, TRACK, number);
    let clip = queue.clip_submitted(generation, TRACK, vec![number], SPAN, number, None).unwrap();
    queue.frame_closed(generation, TRACK, number);
    assert!(queue.push(generation, frame(number)).is_ok());
    clip
}

#[test]
fn a_clip_of_before_a_flush_changes_nothing_after_it() {
    let queue = queue();
    let before = queue.generation();
    let stale = push(&queue, 0);
    queue.flush();
    queue.open();
    // It has the stale one's number.
    let clip = push(&queue, 0);
    queue.clip_settled(before, &stale, Some(report(0.9).fake), vec![report(0.9)]);
    assert_eq!(queue.depths(), (1, 1), "still waiting for its own clip");
    assert!(queue.clip_submitted(before, TRACK, vec![0], SPAN, 0, None).is_none());
    assert!(queue.push(before, frame(1)).is_err());
    queue.clip_settled(queue.generation(), &clip, Some(report(0.1).fake), vec![report(0.1)]);
    let Some(Ready::Clip(told)) = queue.pop() else { panic!("the clip is told of first") };
    assert_eq!(told.fake.get(), 0.1);
    let Some(Ready::Frame(judged)) = queue.pop() else { panic!("then its frame leaves") };
    assert_eq!(judged.judgements[0].frame_score.unwrap().fake.get(), 0.1);
}

#[test]
fn clips_are_told_of_in_the_order_of_their_announcement() {
    let queue = queue();
    let clips: Vec<_> = (0..3).map(|number| push(&queue, number)).collect();
    let generation = queue.generation();
    for (clip, score) in clips.iter().zip([0.1, 0.2, 0.3]).rev() {
        queue.clip_settled(generation, clip, Some(report(score).fake), vec![report(score)]);
    }
    let said = (0..6).map(|_| match queue.pop() {
        Some(Ready::Clip(clip)) => format!("clip {}", clip.fake.get()),
        Some(Ready::Frame(judged)) => format!("frame {}", judged.frame.number),
        _ => "something else".to_owned(),
    });
    let expected = ["clip 0.1", "frame 0", "clip 0.2", "frame 1", "clip 0.3", "frame 2"];
    assert_eq!(said.collect::<Vec<_>>(), expected);
}
