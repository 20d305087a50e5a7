//! The figures of merit beside those of scikit-learn; `figures.py` tells how they were made.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use gstm2sd::measure::metrics::{Bootstrap, Figure, across_groups, figures};
use gstm2sd::measure::{NOT_DEGRADED, Sample, Scores, Table, wilson};
use serde_json::Value;

fn planted() -> Scores {
    Table::read(&include_bytes!("scores.csv")[..]).unwrap().scores("", NOT_DEGRADED)
}

fn expected() -> Value {
    serde_json::from_str(include_str!("figures.json")).unwrap()
}

#[track_caller]
fn assert_figures(level: &str, sample: &Sample) {
    let expected = expected();
    let threshold = expected["threshold"].as_f64();
    let found = figures(sample, threshold, Bootstrap { replicates: 50, seed: 1 });
    let of_level = expected[level].as_object().unwrap();
    assert_eq!(found.each.len(), of_level.len());
    for (figure, measured) in &found.each {
        let value = of_level[figure.key()].as_f64().unwrap();
        let distance = (measured.value - value).abs();
        assert!(distance < 1e-9, "{level} {}: {} for {value}", figure.key(), measured.value);
        let (low, high) = (measured.low.unwrap(), measured.high.unwrap());
        assert!(low <= high && high - low < 0.8, "{level} {}: {low} to {high}", figure.key());
    }
}

#[test]
fn figures_are_those_of_scikit_learn() {
    let scores = planted();
    assert_eq!(scores.videos.len(), 40);
    assert_figures("clips", &scores.of_clips().unwrap());
    assert_figures("tracks", &scores.of_tracks().unwrap());
    assert_figures("videos", &scores.of_videos().unwrap());
}

#[test]
fn intervals_of_proportions_are_those_of_scipy() {
    for case in expected()["wilson"].as_array().unwrap() {
        let [successes, trials] = [0, 1].map(|n| u32::try_from(case[n].as_u64().unwrap()).unwrap());
        let rate = wilson(successes, trials);
        for (found, n) in [(rate.low, 2), (rate.high, 3)] {
            let value = case[n].as_f64().unwrap();
            assert!((found - value).abs() < 1e-9, "{successes} of {trials}: {rate:?}");
        }
    }
}

#[test]
fn groups_have_figures_of_their_own() {
    let videos = planted().of_videos().unwrap();
    let across = across_groups(&videos).unwrap();
    assert_eq!(across.pairs.len(), 4);
    let auc = |group: &str| {
        let of_group = videos.subset(|video| video.group == group).unwrap();
        Figure::Auc.of(&of_group.tally(), None).unwrap()
    };
    assert!((across.own - f64::midpoint(auc("phone"), auc("studio"))).abs() < 1e-12);
    assert!((across.pooled - Figure::Auc.of(&videos.tally(), None).unwrap()).abs() < 1e-12);
}
