//! The networks that cameras run, for those who watch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gst::prelude::*;

use super::status::ModelStatus;
use crate::core::modelinfo::{ModelInfo, Role};
use crate::filter::M2sdFilter;
use crate::models::known_sha256;

/// The networks of these elements, each once.
pub fn of(filters: &[M2sdFilter]) -> Vec<ModelStatus> {
    let mut found = BTreeMap::new();
    for filter in filters {
        let Ok(files) = filter.model_files() else { continue };
        let stats: gst::Structure = filter.property("stats");
        let text = |name: &str| stats.get::<String>(name).unwrap_or_default();
        let mut add = |role: Role, path: &Path, training: &str, prefix: &str| {
            let runs = [text(&format!("{prefix}provider")), text(&format!("{prefix}precision"))];
            found
                .entry((role.as_str(), path.to_owned()))
                .or_insert_with(|| status(role, path, training, runs));
        };
        add(Role::Detector, &files.detector, "", "detect-");
        if let Some(aligner) = &files.aligner {
            add(Role::Aligner, aligner, "", "detect-");
        }
        for classifier in &files.classifiers {
            add(Role::Classifier, &classifier.path, classifier.training.as_str(), "");
        }
    }
    found.into_values().collect()
}

fn status(role: Role, path: &Path, training: &str, runs: [String; 2]) -> ModelStatus {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let [provider, precision] = runs;
    let is_calibrated = || Some(ModelInfo::beside(path).ok()?.calibration.is_some());
    ModelStatus {
        role: role.to_string(),
        name,
        provider,
        precision,
        training: training.to_owned(),
        calibrated: if role == Role::Classifier { is_calibrated() } else { None },
        // The time that a large file takes is taken once.
        sha256: known_sha256(&PathBuf::from(path)).ok(),
        busy: None,
    }
}
