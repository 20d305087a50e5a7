//! The classifier, as metadata and messages tell of it.

use std::sync::Arc;

use crate::core::evidence::Criteria;
use crate::core::modelinfo::Training;

/// Who scores, and by what the scores are judged.
#[derive(Clone, Debug)]
pub struct ClassifierName {
    pub name: String,
    pub criteria: Arc<Criteria>,
}

impl ClassifierName {
    /// As it counts for the faces of this run: if it allows no verdicts, a score means nothing.
    pub fn training(&self) -> Training {
        self.criteria.training
    }

    /// What metadata and messages say of it.
    pub fn write_into(&self, structure: &mut gst::StructureRef, names: &Naming) {
        let criteria = &self.criteria;
        structure.set(names.model_name, self.name.as_str());
        structure.set("trained", self.training().is_trained());
        structure.set("training", self.training().as_str());
        structure.set("calibrated", criteria.llr.is_some());
        if let Some(point) = &criteria.point {
            structure.set("threshold", point.threshold.get());
            structure.set(names.operating_point, point.source.name());
            structure.set(names.threshold_source, point.source.as_str());
        }
    }
}

/// How names of several words are written.
#[derive(Debug)]
pub struct Naming {
    model_name: &'static str,
    operating_point: &'static str,
    threshold_source: &'static str,
    pub reason_text: &'static str,
    pub frame_score: &'static str,
    pub frame_clips: &'static str,
}

/// In the structure `m2sd` on frames.
pub const UNDERSCORES: Naming = Naming {
    model_name: "model_name",
    operating_point: "operating_point",
    threshold_source: "threshold_source",
    reason_text: "reason_text",
    frame_score: "frame_score",
    frame_clips: "frame_clips",
};

/// In messages.
pub const DASHES: Naming = Naming {
    model_name: "model-name",
    operating_point: "operating-point",
    threshold_source: "threshold-source",
    reason_text: "reason-text",
    frame_score: "frame-score",
    frame_clips: "frame-clips",
};
