use super::*;
use crate::core::evidence::{Criteria, Doubt, Insufficiency, Probability};
use crate::core::modelinfo::Training;

const TRACK: TrackId = TrackId(1);
const SECOND: u64 = 1_000_000_000;

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn judge(training: Training) -> Judge {
    Judge::Classifier(Criteria::of_a_clip(0.5, training))
}

fn trained() -> Judge {
    judge(Training::Trained)
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
            let span = Span { start_ns: frame * SECOND, end_ns: (frame + 1) * SECOND };
            clips.push(board.expect(TRACK, vec![frame], span, frame, None).unwrap());
        }
        board.close(TRACK, frame);
    }
    clips
}

/// Of frames, the score of their own, and how many clips it is of.
fn scores(board: &mut VerdictBoard, n: u64) -> Vec<(f64, u32)> {
    let judged = (0..n).map(|frame| board.judge(TRACK, frame, None).frame_score.unwrap());
    judged.map(|score| (score.fake.get(), score.clips)).collect()
}

#[test]
fn a_frame_between_clips_takes_the_clip_before_it_in_time() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 8, 3);
    // The last clip comes back first: a frame before it does not show it.
    board.settle(&clips[2], Some(p(0.999)));
    assert!(!board.is_settled(TRACK, 0) && !board.is_settled(TRACK, 4));
    board.settle(&clips[0], Some(p(0.001)));
    assert!(board.is_settled(TRACK, 2) && !board.is_settled(TRACK, 4));
    board.settle(&clips[1], None);
    assert!(board.is_settled(TRACK, 4) && board.is_settled(TRACK, 7));
    // Clip 1, frame 3, failed: the one before it speaks.
    assert_eq!(scores(&mut board, 6), [(0.001, 1); 6]);
    let next = board.judge(TRACK, 6, None);
    assert_eq!(next.frame_score.map(|score| (score.fake, score.clips)), Some((p(0.999), 1)));
}

/// The last clip of a track, of frames that the stride left over: they were closed, wait for nothing, and
/// say the same whether it has come back when they leave or not.
#[test]
fn a_frame_that_was_closed_hears_of_no_clip_that_is_announced_later() {
    let shown = [false, true].map(|comes_first| {
        let mut board = board(FrameRule::Own);
        for clip in single_frames(&mut board, 6, 4) {
            board.settle(&clip, Some(p(0.9)));
        }
        let span = Span { start_ns: 5 * SECOND, end_ns: 6 * SECOND };
        let tail = board.expect(TRACK, vec![5], span, 6, None).unwrap();
        assert!(board.is_settled(TRACK, 5), "it may leave at any time");
        if comes_first {
            board.settle(&tail, Some(p(0.9)));
        }
        let judged: Vec<_> = (0..6).map(|frame| board.judge(TRACK, frame, None)).collect();
        if !comes_first {
            board.settle(&tail, Some(p(0.9)));
        }
        (judged, board.forget_track(TRACK))
    });
    assert_eq!(shown[0], shown[1]);
    let (judged, at_end) = &shown[0];
    assert_eq!(judged[5].score.unwrap().clips, 2);
    assert_eq!(at_end.as_ref().unwrap().score.unwrap().clips, 3);
}

#[test]
fn what_a_frame_shows_does_not_depend_on_when_clips_come_back() {
    let orders = [vec![0, 1, 2, 3, 4], vec![4, 3, 2, 1, 0], vec![2, 4, 0, 3, 1]];
    let shown = orders.map(|order| {
        let mut board = board(FrameRule::Own);
        let clips = single_frames(&mut board, 20, 4);
        for clip in order {
            board.settle(&clips[clip], Some(p(0.998 + 0.0004 * clip as f64)));
        }
        (0..20).map(|frame| board.judge(TRACK, frame, None)).collect::<Vec<_>>()
    });
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0], shown[2]);
    let last = &shown[0][19];
    assert_eq!((last.label, last.score.unwrap().clips), (Label::Fake, 5));
}

#[test]
fn live_and_complete_streams_judge_clips_by_one_rule() {
    let labels = [FrameRule::Own, FrameRule::Newest].map(|rule| {
        let mut board = board(rule);
        let clips = single_frames(&mut board, 12, 1);
        let fakes = [0.001; 6].into_iter().chain([0.999; 6]);
        clips.iter().zip(fakes).for_each(|(clip, fake)| board.settle(clip, Some(p(fake))));
        (0..12)
            .map(|frame| board.judge(TRACK, frame, None))
            .last()
            .map(|last| (last.label, last.score))
    });
    assert_eq!(labels[0], labels[1]);
    assert_eq!(labels[0].unwrap().0, Label::Fake);
}

#[test]
fn in_live_mode_the_newest_clip_by_time_counts() {
    let mut board = board(FrameRule::Newest);
    let clips = single_frames(&mut board, 4, 1);
    assert!(board.is_settled(TRACK, 3), "a live frame waits for nothing");
    assert_eq!(board.judge(TRACK, 0, None), Judgement::without_score(Label::NO_CLIP));
    board.settle(&clips[2], Some(p(0.9)));
    board.settle(&clips[1], Some(p(0.1)));
    let score = board.judge(TRACK, 1, None).frame_score.unwrap();
    assert_eq!((score.fake, score.clips), (p(0.9), 2));
    assert_eq!(board.judge(TRACK, 2, None).before, None, "the label has not changed again");
    assert_eq!(board.under_way(), 2);
}

#[test]
fn nothing_of_frames_that_left_or_tracks_that_ended_stays() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 1000, 1);
    clips.iter().for_each(|clip| board.settle(clip, Some(p(0.4))));
    scores(&mut board, 1000);
    let state = &board.tracks[&TRACK];
    assert_eq!((state.frames.len(), state.unheard.len()), (0, 0));
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
        (board.under_way(), board.judge(TRACK, 0, None)),
        (0, Judgement::without_score(Label::NO_CLIP))
    );
}

#[test]
fn a_score_that_stays_counts_once_for_the_verdict() {
    let mut board = board(FrameRule::Newest);
    let clips = single_frames(&mut board, 2, 1);
    board.settle(&clips[0], Some(p(0.9)));
    for frame in 0..100 {
        let judgement = board.judge(TRACK, frame, None);
        assert_eq!(
            judgement.label,
            Label::Uncertain(Doubt::Close),
            "one such clip does not suffice"
        );
        assert_eq!(judgement.score.map(|score| score.clips), Some(1));
    }
}

#[test]
fn a_label_says_the_number_beside_it_and_how_sure_it_is() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 4, 1);
    let fakes = [0.999, 0.999, 0.3, 0.999];
    clips.iter().zip(fakes).for_each(|(clip, fake)| board.settle(clip, Some(p(fake))));
    let judged: Vec<_> = (0..4).map(|frame| board.judge(TRACK, frame, None)).collect();
    // The third frame's own score is on the other side: what the label speaks of is not.
    for found in &judged {
        assert_eq!(found.label, Label::Fake);
        assert!(found.score.unwrap().fake > p(0.5) && found.confidence > 0.5, "{found:?}");
    }
    assert_eq!(judged[2].frame_score.unwrap().fake, p(0.3));
    assert_eq!(judged.iter().filter(|found| found.before.is_some()).count(), 1);
}

#[test]
fn a_face_that_is_seen_too_badly_is_told_so_before_its_first_clip() {
    let mut board = board(FrameRule::Own);
    let quality = FaceQuality { eye_distance_px: 24.0, ..FaceQuality::good() };
    let small = Label::Insufficient(Insufficiency::TooSmall);
    board.open(TRACK, 0);
    assert_eq!(board.judge(TRACK, 0, Some(&quality)).label, small);
    assert_eq!(board.judge_stray(Some(&quality)).label, small);
    assert_eq!(board.judge(TRACK, 0, None).label, Label::NO_CLIP);
    let untrained = VerdictBoard::new(FrameRule::Own, judge(Training::Untrained));
    assert_eq!(untrained.judge_stray(Some(&quality)).label, Label::NO_CLIP);
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
        assert_eq!((board.judge(TRACK, 0, None), board.judge_stray(None)), (unscored, unscored));
        board.clear();
        assert_eq!(board.judge(TRACK, 1, None), unscored);
        assert_eq!(board.forget_track(TRACK), Some(unscored));
    }
}

#[test]
fn scores_of_an_untrained_classifier_are_shown_and_change_no_label() {
    let mut board = VerdictBoard::new(FrameRule::Own, judge(Training::Untrained));
    let clips = single_frames(&mut board, 2, 1);
    board.settle(&clips[0], Some(p(0.9)));
    board.settle(&clips[1], Some(p(0.1)));
    for frame in [0, 1] {
        let Judgement { label, score, before, .. } = board.judge(TRACK, frame, None);
        assert_eq!(label, Label::Insufficient(Insufficiency::Untrained));
        assert!(score.is_some());
        assert_eq!(before, None, "told as insufficient before, and now");
    }
}

#[test]
fn a_track_that_ends_had_a_label_unless_it_was_forgotten() {
    let mut board = board(FrameRule::Own);
    let clips = single_frames(&mut board, 1, 1);
    board.settle(&clips[0], Some(p(0.999)));
    board.judge(TRACK, 0, None);
    let last = board.forget_track(TRACK).unwrap();
    assert_eq!((last.label, last.score.unwrap().clips), (Label::Fake, 1));
    assert_eq!(board.forget_track(TRACK), None);
    board.open(TRACK, 1);
    board.clear();
    assert_eq!(board.forget_track(TRACK), None);
}
