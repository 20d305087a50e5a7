//! The networks that cameras run, for those who watch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::status::ModelStatus;
use crate::core::modelinfo::{ModelInfo, Role};
use crate::filter::M2sdFilter;
use crate::infer::{CancelToken, busy_time, sha256_of};
use crate::models::ModelSource;

/// The time of which the share is told.
const MINUTE: Duration = Duration::from_secs(60);

/// How busy networks were: what was read of each, newest last. A leaf lock.
#[derive(Default)]
pub struct Busy(Mutex<BTreeMap<ModelSource, VecDeque<(Instant, Duration)>>>);

impl Busy {
    /// Notes how long the engines of a network have run; the part of the last minute, or of the time since
    /// that was first asked, for which they did. `None`: it was not asked before, or none is loaded.
    fn share(&self, model: &ModelSource, ran: Option<Duration>, now: Instant) -> Option<f64> {
        let ran = ran?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = all.entry(model.clone()).or_default();
        // One that is older than a minute is needed until another one is.
        while read.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= MINUTE) {
            read.pop_front();
        }
        let (since, before) = *read.front().unwrap_or(&(now, ran));
        if read.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= SECOND) {
            read.push_back((now, ran));
        }
        let passed = now.saturating_duration_since(since).as_secs_f64();
        let share = ran.saturating_sub(before).as_secs_f64() / passed;
        (passed > 0.0).then_some(share.min(1.0))
    }
}

/// Between two readings that are kept.
const SECOND: Duration = Duration::from_secs(1);

/// The networks of these elements, each once.
pub fn of(filters: &[M2sdFilter], busy: &Busy) -> Vec<ModelStatus> {
    let mut found = BTreeMap::new();
    for filter in filters {
        let Ok(files) = filter.model_files() else { continue };
        let stats: gst::Structure = filter.property("stats");
        let text = |name: &str| stats.get::<String>(name).unwrap_or_default();
        let mut add = |role: Role, model: &ModelSource, info: &ModelInfo, prefix: &str| {
            let runs = [text(&format!("{prefix}provider")), text(&format!("{prefix}precision"))];
            found
                .entry((role.as_str(), model.clone()))
                .or_insert_with(|| status(role, model, info, runs));
        };
        let none = ModelInfo::default();
        add(Role::Detector, &files.detector, &none, "detect-");
        if let Some(aligner) = &files.aligner {
            add(Role::Aligner, aligner, &none, "detect-");
        }
        for classifier in &files.classifiers {
            let info = ModelInfo { training: classifier.training, ..classifier.info.clone() };
            add(Role::Classifier, &classifier.source, &info, "");
        }
    }
    let with_share = |((_, model), mut status): ((_, ModelSource), ModelStatus)| {
        status.busy = busy.share(&model, busy_time(&model), Instant::now());
        status
    };
    found.into_iter().map(with_share).collect()
}

fn status(role: Role, model: &ModelSource, info: &ModelInfo, runs: [String; 2]) -> ModelStatus {
    let [provider, precision] = runs;
    let is_classifier = role == Role::Classifier;
    let training = if is_classifier { info.training.as_str() } else { "" };
    ModelStatus {
        role: role.to_string(),
        name: model.name(),
        provider,
        precision,
        training: training.to_owned(),
        calibrated: is_classifier.then(|| info.calibration.is_some()),
        // The time that a large file takes is taken once.
        sha256: sha256_of(model, &CancelToken::new()),
        busy: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_the_last_minute() {
        let (busy, begin) = (Busy::default(), Instant::now());
        let model = &ModelSource::from(std::path::Path::new("m"));
        let at = Duration::from_secs;
        assert_eq!(busy.share(model, None, begin), None);
        assert_eq!(busy.share(model, Some(at(5)), begin), None, "it has no time before");
        assert_eq!(busy.share(model, Some(at(10)), begin + at(10)), Some(0.5));
        // Idle from then on.
        for second in (20..200).step_by(10) {
            let share = busy.share(model, Some(at(10)), begin + at(second)).unwrap();
            let expected = if second <= 60 { 5.0 / second as f64 } else { 0.0 };
            assert!((share - expected).abs() < 1e-9, "{second}: {share}");
        }
        assert!(busy.0.lock().unwrap()[model].len() < 10);
        // Several engines of one file.
        assert_eq!(busy.share(model, Some(at(1000)), begin + at(210)), Some(1.0));
    }
}
