use super::*;
use crate::core::evidence::{Insufficiency, OperatingPoint};
use crate::core::modelinfo::Training;

const TRACK: TrackId = TrackId(1);
const SPAN: Span = Span { start_ns: 0, end_ns: 10 };

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn trained() -> Judge {
    Judge::Classifier(OperatingPoint { threshold: p(0.5), training: Training::Trained })
}

fn board(rule: FrameRule) -> VerdictBoard {
    VerdictBoard::new(rule, trained())
}

/// Opens and closes frames `0..n` of one track, with a clip of a frame on every `stride`-th.
fn single_frames(board: &mut VerdictBoard, n: u64, stride: usize) -> Vec<ExpectedClip> {
    let mut clips = Vec::new();
    for frame in 0..n {
        board.open(TRACK, frame);
        if frame.is_multiple_of(stride as u64) {
            clips.push(board.expect(TRACK, vec![frame], SPAN, frame).unwrap());
        }
        board.close(TRACK, frame);
    }
    clips
}

fn scores(board: &mut VerdictBoard, n: u64) -> Vec<(f64, u32, Label)> {
    let judged = (0..n).map(|frame| board.judge(TRACK, frame));
    let score = |j: Judgement| (j.score.unwrap().fake.get(), j.score.unwrap().clips, j.label);
    judged.map(score).collect()
}

#[test]
fn a_frame_between_clips_takes_the_clip_before_it_in_time() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 8, 3);
    // The last clip comes back first: a frame before it does not show it.
    board.settle(&clips[2], Some(p(0.9)));
    assert!(!board.is_settled(TRACK, 0) && !board.is_settled(TRACK, 4));
    board.settle(&clips[0], Some(p(0.1)));
    assert!(board.is_settled(TRACK, 2) && !board.is_settled(TRACK, 4));
    board.settle(&clips[1], None);
    assert!(board.is_settled(TRACK, 4) && board.is_settled(TRACK, 7));
    let (real, fake) = ((0.1, 1, Label::Real), (0.9, 2, Label::Fake));
    // Clip 1, frame 3, failed: the one before it speaks.
    assert_eq!(scores(&mut board, 6), [real; 6]);
    let last: Vec<_> = [6, 7].map(|frame| board.judge(TRACK, frame).label).to_vec();
    assert_eq!(last, [fake.2; 2]);
}

#[test]
fn what_a_frame_shows_does_not_depend_on_when_clips_come_back() {
    let mut orders: Vec<Vec<usize>> = vec![vec![0, 1, 2, 3, 4], vec![4, 3, 2, 1, 0]];
    orders.push(vec![2, 4, 0, 3, 1]);
    let shown: Vec<_> = orders
        .into_iter()
        .map(|order| {
            let mut board = board(FrameRule::Own);
            let clips = single_frames(&mut board, 20, 4);
            for clip in order {
                board.settle(&clips[clip], Some(p(0.15 * (clip + 1) as f64)));
            }
            scores(&mut board, 20)
        })
        .collect();
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0], shown[2]);
    assert_eq!(shown[0][19], (0.75, 5, Label::Fake));
}

#[test]
fn in_live_mode_the_newest_clip_by_time_counts() {
    let mut board = board(FrameRule::Newest);
    let clips = single_frames(&mut board, 4, 1);
    assert!(board.is_settled(TRACK, 3), "a live frame waits for nothing");
    assert_eq!(board.judge(TRACK, 0), Judgement::without_score(Label::NO_CLIP));
    board.settle(&clips[2], Some(p(0.9)));
    board.settle(&clips[1], Some(p(0.1)));
    let judgement = board.judge(TRACK, 1);
    assert_eq!((judgement.score.unwrap().fake, judgement.score.unwrap().clips), (p(0.9), 2));
    assert_eq!(board.judge(TRACK, 2).before, None, "the label has not changed again");
    assert_eq!(board.under_way(), 2);
}

#[test]
fn nothing_of_frames_that_left_or_tracks_that_ended_stays() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 1000, 1);
    clips.iter().for_each(|clip| board.settle(clip, Some(p(0.4))));
    scores(&mut board, 1000);
    let state = &board.tracks[&TRACK];
    assert_eq!(state.frames.len(), 0);
    assert!(state.clips.len() <= 2, "{} clips", state.clips.len());
    board.forget_track(TRACK);
    assert!(board.tracks.is_empty());
    // A clip that comes back later changes nothing.
    board.settle(&clips[0], Some(p(0.4)));
    assert!(board.tracks.is_empty() && board.is_settled(TRACK, 0));
}

#[test]
fn a_cleared_board_ignores_the_clips_of_before() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 1, 1);
    board.clear();
    board.settle(&clips[0], Some(p(0.9)));
    assert_eq!(
        (board.under_way(), board.judge(TRACK, 0)),
        (0, Judgement::without_score(Label::NO_CLIP))
    );
}

#[test]
fn a_score_that_stays_counts_once_for_the_verdict() {
    let mut board = board(FrameRule::Newest);
    let clips = single_frames(&mut board, 2, 1);
    board.settle(&clips[0], Some(p(0.9)));
    assert_eq!(board.judge(TRACK, 0).label, Label::Fake);
    board.settle(&clips[1], Some(p(0.5)));
    // The one close score is on screen for longer than the verdict's patience.
    for frame in 1..100 {
        assert_eq!(board.judge(TRACK, frame).label, Label::Fake);
    }
}

#[test]
fn what_is_due_before_a_frame_has_come_back_in_any_order() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 10, 4);
    let due: Vec<_> = clips.iter().map(|clip| clip.due).collect();
    assert_eq!(due, [0, 4, 8]);
    board.settle(&clips[1], None);
    assert!(!board.are_settled_up_to(0));
    board.settle(&clips[0], None);
    assert!(board.are_settled_up_to(7) && !board.are_settled_up_to(8));
    board.settle(&clips[2], None);
    assert!(board.are_settled_up_to(FrameNumber::MAX));
}

#[test]
fn without_a_classifier_no_face_has_a_score_and_every_frame_is_settled() {
    for rule in [FrameRule::Newest, FrameRule::Own] {
        let mut board = VerdictBoard::new(rule, Judge::Nobody);
        let unscored = Judgement::without_score(Label::Unscored);
        assert!(board.is_settled(TRACK, 0) && board.are_settled_up_to(0));
        assert_eq!((board.judge(TRACK, 0), board.judge_stray()), (unscored, unscored));
        board.clear();
        assert_eq!(board.judge(TRACK, 1), unscored);
        assert_eq!(board.forget_track(TRACK), Some(Label::Unscored));
    }
}

#[test]
fn scores_of_an_untrained_classifier_are_shown_and_change_no_label() {
    let point = OperatingPoint { threshold: p(0.5), training: Training::Untrained };
    let mut board = VerdictBoard::new(FrameRule::Own, Judge::Classifier(point));
    let clips = single_frames(&mut board, 2, 1);
    board.settle(&clips[0], Some(p(0.9)));
    board.settle(&clips[1], Some(p(0.1)));
    for frame in [0, 1] {
        let Judgement { label, score, before, .. } = board.judge(TRACK, frame);
        assert_eq!(label, Label::Insufficient(Insufficiency::Untrained));
        assert!(score.is_some());
        assert_eq!(before, None, "told as insufficient before, and now");
    }
}

#[test]
fn a_track_that_ends_had_a_label_unless_it_was_forgotten() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 1, 1);
    board.settle(&clips[0], Some(p(0.9)));
    board.judge(TRACK, 0);
    assert_eq!(board.forget_track(TRACK), Some(Label::Fake));
    assert_eq!(board.forget_track(TRACK), None);
    board.open(TRACK, 1);
    board.clear();
    assert_eq!(board.forget_track(TRACK), None);
}
