use super::*;
use crate::core::evidence::Probability;
use crate::core::modelinfo::SufficiencyKeys;
use crate::measure::{Clip, QualityNumber, Video};

/// Normally distributed, by Box and Muller.
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// Videos of one clip whose scores are far too sure and shifted: log odds of 4 x + 3, where x is
/// normal about -1 for reals and 1 for fakes, so that its ratio's logarithm is 2 x.
fn overconfident(count: usize, seed: u64) -> Scores {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut scores = Scores::default();
    for n in 0..count {
        let class = Class::BOTH[n % 2];
        let x = normal(&mut random) + if class == Class::Fake { 1.0 } else { -1.0 };
        let score = Probability::new(1.0 / (1.0 + (-(4.0 * x + 3.0)).exp())).unwrap();
        scores.videos.push(Video { file: format!("{n:05}"), class, group: String::new() });
        scores.clips.push(Clip {
            video: n,
            track: 0,
            score,
            reason: String::new(),
            quality: [None; 7],
        });
    }
    scores
}

#[test]
fn calibration_lowers_cllr_on_the_other_half() {
    for seed in 0..10 {
        let costs = fit(&overconfident(200, seed), seed).unwrap().costs;
        assert!(costs.platt < costs.before && costs.isotonic < costs.before, "{costs:?}");
        assert!(costs.least < costs.platt.min(costs.isotonic), "{costs:?}");
    }
}

#[test]
fn the_ratio_that_was_planted_is_found() {
    let scores = overconfident(20_000, 3);
    let tally = scores.of_clips().unwrap().tally_of_videos();
    // 2 x, where the log odds are 4 x + 3.
    let planted = |log_odds: f64| (log_odds - 3.0) / 2.0;
    let platt = platt(&tally).unwrap();
    let isotonic = isotonic(&tally);
    for at in [-5.0, 0.0, 3.0, 8.0] {
        assert!((platt.llr(at) - planted(at)).abs() < 0.1, "{platt:?} at {at}");
        assert!((isotonic.llr(at) - planted(at)).abs() < 0.4, "{} at {at}", isotonic.llr(at));
    }
}

#[test]
fn the_proportion_of_fakes_is_taken_out() {
    // Nine of ten reals are left out.
    let mut scores = overconfident(40_000, 5);
    scores.clips.retain(|clip| clip.video % 20 == 0 || clip.video % 2 == 1);
    let tally = scores.of_clips().unwrap().tally_of_videos();
    let platt = platt(&tally).unwrap();
    assert!((platt.llr(3.0)).abs() < 0.1, "{platt:?}");
    assert!(isotonic(&tally).llr(3.0).abs() < 0.5);
}

#[test]
fn ends_are_bounded_by_the_number_of_videos() {
    let apart: Vec<_> =
        (0..40).map(|n| (Class::BOTH[n / 20], "", if n < 20 { 0.001 } else { 0.999 })).collect();
    let tally = crate::measure::sample::tests::sample(&apart).unwrap().tally_of_videos();
    let isotonic = isotonic(&tally);
    // One of 22 against 21 of 22.
    let most = 21f64.ln();
    let at_ends = [-99.0, 99.0].map(|x| isotonic.llr(x));
    assert!((at_ends[0] + most).abs() < 1e-9 && (at_ends[1] - most).abs() < 1e-9, "{isotonic:?}");
    let LlrMap::Platt { slope, .. } = platt(&tally).unwrap() else { panic!("{tally:?}") };
    assert!(slope > 0.0 && slope < 5.0, "{slope}");
}

#[test]
fn a_one_percent_point_stays_inside_its_interval() {
    let mut inside = 0;
    for seed in 0..40 {
        let fitted = fit(&overconfident(1600, seed), seed).unwrap();
        let point = fitted.points.iter().find(|point| point.name == "fpr-1e-2").unwrap();
        // What the threshold does to a hundred times as many others.
        let others = overconfident(20_000, 1000 + seed).of_videos().unwrap();
        let (fpr, tpr) = others.tally().rates_at(point.threshold);
        assert!(fpr < 0.03, "{fpr} for a promise of 0.01");
        let is_in = |rate: crate::core::modelinfo::Rate, value: f64| {
            rate.low <= value && value <= rate.high
        };
        inside += usize::from(is_in(point.fpr, fpr) && is_in(point.tpr, tpr));
    }
    // Each of the two is outside in one of twenty.
    assert!(inside >= 33, "{inside} of 40");
}

#[test]
fn what_cannot_be_promised_is_refused() {
    let fitted = fit(&overconfident(400, 1), 1).unwrap();
    let names: Vec<_> = fitted.points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!(names, ["fpr-1e-2", "eer"]);
    assert_eq!(fitted.refused, [Refused { name: "fpr-1e-3", reals: 100, needed: 999 }]);
    assert_eq!((fitted.fitted_on, fitted.measured_on), ([100, 100], [100, 100]));
    let few = fit(&overconfident(30, 1), 1).unwrap_err();
    assert!(few.to_string().contains("15 real videos"), "{few}");
    let mut inverted = overconfident(100, 1);
    for video in &mut inverted.videos {
        video.class = if video.class == Class::Real { Class::Fake } else { Class::Real };
    }
    assert!(matches!(fit(&inverted, 1), Err(FitError::Inverted { auc }) if auc < 0.2));
}

#[test]
fn halves_are_of_whole_videos_and_alike() {
    let mut scores = overconfident(120, 2);
    for (n, video) in scores.videos.iter_mut().enumerate() {
        video.group = ["a", "b", "c"][n % 3].to_owned();
    }
    let videos = scores.of_videos().unwrap();
    let halves = halve(&videos, 9).split(&videos).unwrap();
    for (group, class) in ["a", "b", "c"].into_iter().zip([Class::Real, Class::Fake, Class::Real]) {
        let of = |half: &Sample| {
            half.videos().iter().filter(|v| v.group == group && v.class == class).count()
        };
        assert_eq!(halves.each_ref().map(of), [10, 10]);
    }
    let files = |seed| -> Vec<bool> {
        let halves = halve(&videos, seed);
        videos.videos().iter().map(|video| halves.is_first(&video.file)).collect()
    };
    assert!(files(9) == files(9) && files(9) != files(10));
}

/// Faces below 40 px between the eyes get any score.
fn with_small_faces(seed: u64) -> Scores {
    let mut scores = overconfident(800, seed);
    let mut random = fastrand::Rng::with_seed(seed + 1);
    for clip in &mut scores.clips {
        let (eyes, pose) = (20.0 + 80.0 * random.f64(), 60.0 * random.f64());
        clip.quality[QualityNumber::EyeDistance as usize] = Some(eyes);
        clip.quality[QualityNumber::Pose as usize] = Some(pose);
        if eyes < 40.0 {
            clip.score = Probability::new(random.f64()).unwrap();
        }
    }
    scores
}

#[test]
fn a_limit_is_found_where_errors_begin_and_nowhere_else() {
    for seed in 0..5 {
        let limits = fit(&with_small_faces(seed), seed).unwrap().limits;
        let [Limit { number: QualityNumber::EyeDistance, side: Side::Below, value, .. }] =
            limits[..]
        else {
            panic!("{limits:?}")
        };
        assert!((value - 40.0).abs() < 4.0, "{value}");
        let before = SufficiencyKeys { clips: Some(3), ..SufficiencyKeys::default() };
        let keys = sufficiency(before, &limits);
        assert_eq!((keys.eye_distance_px, keys.clips, keys.pose_deg), (Some(value), Some(3), None));
    }
}
