//! The classifier, as metadata and messages tell of it.

use std::sync::Arc;

use crate::core::evidence::Criteria;
use crate::core::modelinfo::Training;

/// Who scores, and by what the scores are judged.
#[derive(Clone, Debug)]
pub struct ClassifierName {
    pub name: String,
    /// The SHA-256 of its file; of several, separated by commas. `None` where a file cannot be read.
    pub sha256: Option<String>,
    pub criteria: Arc<Criteria>,
}

impl ClassifierName {
    /// As it counts for the faces of this run: if it allows no verdicts, a score means nothing.
    pub fn training(&self) -> Training {
        self.criteria.training
    }

    /// What metadata and messages say of it.
    pub fn write_into(&self, structure: &mut gst::StructureRef) {
        let criteria = &self.criteria;
        structure.set("model-name", self.name.as_str());
        if let Some(sha256) = &self.sha256 {
            structure.set("model-sha256", sha256.as_str());
        }
        structure.set("trained", self.training().is_trained());
        structure.set("training", self.training().as_str());
        structure.set("calibrated", criteria.llr.is_some());
        if let Some(point) = &criteria.point {
            structure.set("threshold", point.threshold.get());
            structure.set("operating-point", point.source.name());
            structure.set("threshold-source", point.source.as_str());
        }
    }
}
