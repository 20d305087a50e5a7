use super::*;
use crate::core::evidence::criteria::{OperatingPoint, PointSource};
use crate::core::evidence::sufficiency::Sufficiency;
use crate::core::modelinfo::{SufficiencyKeys, Template, Training};

/// 16 frames at 25 frames/s.
const CLIP_NS: u64 = 640_000_000;

fn p(value: f64) -> Probability {
    Probability::new(value).unwrap()
}

fn criteria(threshold: f64) -> Criteria {
    let point = OperatingPoint { threshold: p(threshold), source: PointSource::User };
    Criteria {
        training: Training::Trained,
        point: Some(point),
        sufficiency: Sufficiency::new(&SufficiencyKeys::default(), 224, &Template::M2SD),
        llr: None,
    }
}

fn clip(fake: f64, start_ns: u64) -> ScoredClip {
    let span = Span { start_ns, end_ns: start_ns + CLIP_NS };
    ScoredClip { fake: p(fake), span, quality: None }
}

fn face(eye_distance_px: f32) -> FaceQuality {
    FaceQuality { eye_distance_px, ..FaceQuality::good() }
}

/// Clips that begin so often, of these scores, and what is said after each.
fn said(criteria: Criteria, scores: impl IntoIterator<Item = f64>, step_ns: u64) -> Vec<Label> {
    let mut evidence = TrackEvidence::new(Arc::new(criteria.clone()));
    let threshold = criteria.point.map(|point| point.threshold);
    let mut add = |(n, score)| {
        evidence.add(&clip(score, n as u64 * step_ns));
        let told = (evidence.label(), evidence.score().map(|score| score.fake));
        let (Some(threshold), Some(number)) = (threshold, told.1) else { return told.0 };
        match told.0 {
            Label::Fake => assert!(number > threshold, "{told:?}"),
            Label::Real => assert!(number < threshold, "{told:?}"),
            label => assert_eq!(label, Label::Uncertain(Doubt::Close)),
        }
        told.0
    };
    scores.into_iter().enumerate().map(&mut add).collect()
}

struct Random(u64);

impl Random {
    /// 0..1.
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The most changes within a minute.
fn changes_in_a_minute(labels: &[Label], step_ns: u64) -> usize {
    let told = |label: &Label| !matches!(label, Label::Insufficient(_));
    let pairs = labels.iter().zip(&labels[1..]).enumerate();
    let at: Vec<u64> = pairs
        .filter(|(_, (a, b))| a != b && told(a) && told(b))
        .map(|(n, _)| n as u64 * step_ns)
        .collect();
    let within = |from: &u64| at.iter().filter(|t| (*from..*from + MEMORY_NS).contains(*t)).count();
    at.iter().map(within).max().unwrap_or(0)
}

/// Changes between one label of a verdict and something else.
fn changes(labels: &[Label]) -> usize {
    let told = labels.iter().filter(|label| !matches!(label, Label::Insufficient(_)));
    told.clone().zip(told.skip(1)).filter(|(a, b)| a != b).count()
}

#[test]
fn a_verdict_needs_clips_that_share_no_frame_and_time() {
    // One clip after every frame: those that share a frame with the first are one observation with it.
    let labels = said(criteria(0.5), [0.97; 50], CLIP_NS / 16);
    let few = Label::Insufficient(Insufficiency::FewClips);
    assert_eq!(labels[..47], [few; 47]);
    assert_eq!(labels[47..], [Label::Fake; 3]);
    // Clips of 0.64 s every 0.5 s: three of them cover 1.64 s, two do not suffice.
    let mut needs_time = criteria(0.5);
    needs_time.sufficiency.seconds = 5.0;
    let labels = said(needs_time, [0.97; 8], CLIP_NS);
    let short = Label::Insufficient(Insufficiency::TooShort);
    assert_eq!(labels, [few, few, short, short, short, short, short, Label::Fake]);
}

#[test]
fn jitter_about_the_threshold_changes_the_label_at_most_once_a_minute() {
    // Of scores from 0.2 to 0.4, 0.05 to 0.75 and 0.01 to 0.97: log odds about that of 0.3.
    let (mut worst, mut all) = ([0; 4], 0);
    for seed in 0..20 {
        for (amplitude, stride) in [(0.4, 16), (1.5, 16), (3.5, 16), (1.5, 8), (3.5, 8), (3.5, 1)] {
            let (mut random, step_ns) = (Random(seed), CLIP_NS * stride / 16);
            let middle = p(0.3).bounded_logit();
            let jitter = |_| middle + amplitude * (2.0 * random.next() - 1.0);
            let scores =
                (0..3 * MEMORY_NS / step_ns).map(jitter).map(|x| Probability::of_logit(x).get());
            let labels = said(criteria(0.3), scores, step_ns);
            worst[changes_in_a_minute(&labels, step_ns).min(3)] += 1;
            all += changes(&labels);
        }
    }
    // In three minutes of pure chance, a verdict may come and go once.
    assert!(worst[0] >= 95 && worst[3] == 0, "runs by their most changes in a minute: {worst:?}");
    assert!(all < 3 * 120 / 4, "{all} changes in 360 minutes");
    // From one extreme to the other, every time.
    let scores = (0..600).map(|n| if n % 2 == 0 { 0.05 } else { 0.7 });
    assert_eq!(changes(&said(criteria(0.3), scores, CLIP_NS)), 0);
}

#[test]
fn a_switch_is_told_within_two_clips_of_the_evidence_needed() {
    for (before, threshold, real, fake) in
        [(3, 0.3, 0.05, 0.95), (10, 0.3, 0.05, 0.95), (200, 0.3, 0.05, 0.95), (60, 0.01, 1e-4, 0.4)]
    {
        let needed =
            Sufficiency::new(&SufficiencyKeys::default(), 224, &Template::M2SD).clips as usize;
        for (first, then, label) in [(real, fake, Label::Fake), (fake, real, Label::Real)] {
            let scores = [vec![first; before], vec![then; 30]].concat();
            let labels = said(criteria(threshold), scores, CLIP_NS);
            let told = labels.iter().skip(before).position(|found| *found == label).unwrap() + 1;
            assert!(told <= needed + 2, "{before} of {first}, then {then}: {told}");
            assert_eq!(changes(&labels[before + told..]), 0);
        }
    }
}

#[test]
fn scores_that_contradict_one_another_take_longer_and_close_ones_too() {
    let until = |scores: Vec<f64>| {
        let labels = said(criteria(0.5), scores, CLIP_NS);
        labels.iter().position(|label| label.is_verdict()).map(|n| n + 1)
    };
    assert_eq!(until(vec![0.97; 40]), Some(3));
    let close = until(vec![0.65; 60]).unwrap();
    assert!((4..=20).contains(&close), "{close}");
    let wild: Vec<_> = (0..60).map(|n| if n % 3 == 0 { 0.2 } else { 0.95 }).collect();
    assert!(until(wild).unwrap() > 5);
}

#[test]
fn within_the_margin_nothing_is_said_however_much_there_is() {
    let close = Label::Uncertain(Doubt::Close);
    for (log_odds, label) in
        [(0.199, close), (0.201, Label::Fake), (-0.199, close), (-0.201, Label::Real)]
    {
        let score = Probability::of_logit(log_odds).get();
        let labels = said(criteria(0.5), [score; 300], CLIP_NS);
        assert_eq!(labels.last(), Some(&label), "{log_odds}");
    }
}

#[test]
fn a_face_that_cannot_be_judged_counts_for_nothing() {
    let mut evidence = TrackEvidence::new(Arc::new(criteria(0.5)));
    let add = |evidence: &mut TrackEvidence, n: u64, eyes: f32| {
        evidence.add(&ScoredClip { quality: Some(face(eyes)), ..clip(0.99, n * CLIP_NS) });
        (evidence.label(), evidence.score().map(|score| score.clips))
    };
    let small = Label::Insufficient(Insufficiency::TooSmall);
    for n in 0..10 {
        assert_eq!(add(&mut evidence, n, 24.0), (small, None));
    }
    let shortfall = evidence.shortfall().unwrap().to_string();
    assert_eq!(shortfall, "too small: 24 px between the eyes, 36 needed");
    // It comes nearer: what was before does not count.
    for n in 10..12 {
        let (label, _) = add(&mut evidence, n, 60.0);
        assert_eq!(label, Label::Insufficient(Insufficiency::FewClips));
    }
    assert_eq!(add(&mut evidence, 12, 60.0), (Label::Fake, Some(3)));
    // The verdict outlives that the face goes, for five seconds.
    let after: Vec<_> = (13..25).map(|n| add(&mut evidence, n, 24.0)).collect();
    let held = after.iter().take_while(|found| **found == (Label::Fake, Some(3))).count();
    assert!((6..=8).contains(&held), "{after:?}");
    assert_eq!(after[11], (small, None));
}

#[test]
fn without_a_threshold_or_training_scores_say_nothing() {
    let mut without = criteria(0.5);
    without.point = None;
    let labels = said(without, [0.99; 5], CLIP_NS);
    assert_eq!(labels[4], Label::Uncertain(Doubt::NoOperatingPoint));
    for (training, reason) in [
        (Training::Untrained, Insufficiency::Untrained),
        (Training::Unknown, Insufficiency::UnknownTraining),
    ] {
        let labels = said(Criteria { training, ..criteria(0.5) }, [0.99; 5], CLIP_NS);
        assert_eq!(labels, [Label::Insufficient(reason); 5]);
    }
}

#[test]
fn what_is_kept_does_not_grow() {
    let mut evidence = TrackEvidence::new(Arc::new(criteria(0.5)));
    for n in 0..10_000 {
        evidence.add(&clip(0.95, n * CLIP_NS));
    }
    assert_eq!((evidence.observations.len(), evidence.label()), (64, Label::Fake));
    assert!(evidence.score().unwrap().clips as usize <= MOST);
}

#[test]
fn what_is_told_is_not_cut_short_though_what_counts_is() {
    let mut evidence = TrackEvidence::new(Arc::new(criteria(0.9999)));
    (0..4).for_each(|n| evidence.add(&clip(0.01, n * CLIP_NS)));
    let told = evidence.score().unwrap().fake.get();
    assert_eq!(evidence.label(), Label::Real);
    assert!((told - 0.01).abs() < 1e-6, "{told}");
    // One saturated clip decides nothing against three others, and the number does not say so either.
    let mut evidence = TrackEvidence::new(Arc::new(criteria(0.5)));
    let fakes = [0.05, 1.0, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05];
    fakes.iter().zip(0..).for_each(|(fake, n)| evidence.add(&clip(*fake, n * CLIP_NS)));
    assert_eq!(evidence.label(), Label::Uncertain(Doubt::Close));
}

#[test]
fn an_observation_lasts_for_half_a_second_and_counts_for_nine_log_odds_at_most() {
    let short = |start_ns: u64| ScoredClip {
        span: Span { start_ns, end_ns: start_ns + 200_000_000 },
        ..clip(0.9, 0)
    };
    for (start_ns, observations) in [(499_999_999, 1), (500_000_000, 2)] {
        let mut evidence = TrackEvidence::new(Arc::new(criteria(0.5)));
        [0, start_ns].iter().for_each(|start| evidence.add(&short(*start)));
        assert_eq!(evidence.observations.len(), observations, "{start_ns}");
    }
    let one = |distance| Observation::new(distance, short(0).span);
    assert_eq!([one(8.9), one(50.0), one(-50.0)].map(|one| one.distance()), [8.9, 9.0, -9.0]);
}

/// Worked out by hand from docs/method.md: n equal observations have a spread of √(4 / (4 + n − 2)).
#[test]
fn so_many_standard_errors_decide_and_contradict() {
    let label = |scores: &[f64]| {
        let scores = scores.iter().map(|distance| Probability::of_logit(*distance).get());
        said(criteria(0.5), scores, CLIP_NS).last().copied()
    };
    let close = Label::Uncertain(Doubt::Close);
    // 3.5 of them: 3.5 · √(4/6) / √4 = 1.429.
    assert_eq!(label(&[1.42; 4]), Some(close));
    assert_eq!(label(&[1.44; 4]), Some(Label::Fake));
    // Three that contradict ten, 4.5 of them: 4.5 · √(4/15) / √3 = 1.342.
    let switched = |distance: f64| label(&[vec![-3.0; 10], vec![distance; 3]].concat());
    assert_eq!(switched(1.33), Some(Label::Real));
    assert_eq!(switched(1.35), Some(Label::Fake));
}

#[test]
fn a_verdict_that_was_left_is_remembered_for_a_minute() {
    for (end_ns, remembered) in [(60_000_000_000, 1), (60_000_000_001, 0)] {
        let mut evidence = TrackEvidence::new(Arc::new(criteria(0.5)));
        evidence.left_ns.push_back(0);
        evidence.add(&clip(0.9, end_ns - CLIP_NS));
        assert_eq!(evidence.left_ns.len(), remembered, "{end_ns}");
    }
}

#[test]
fn a_verdict_outlives_a_face_that_cannot_be_seen_by_five_seconds() {
    for (gap_ns, holds) in [(4_999_999_999, true), (5_000_000_000, false)] {
        let mut evidence = TrackEvidence::new(Arc::new(criteria(0.5)));
        (0..3).for_each(|n| evidence.add(&clip(0.99, n * CLIP_NS)));
        let small = ScoredClip { quality: Some(face(24.0)), ..clip(0.99, 2 * CLIP_NS + gap_ns) };
        evidence.add(&small);
        assert_eq!(evidence.label() == Label::Fake, holds, "{gap_ns}");
    }
}
