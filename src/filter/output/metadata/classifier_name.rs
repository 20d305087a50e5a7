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

    /// What metadata and messages say of it, each name with what stands between its words.
    pub fn write_into(&self, structure: &mut gst::StructureRef, names: Naming) {
        let criteria = &self.criteria;
        structure.set(names.join("model", "name"), self.name.as_str());
        structure.set("trained", self.training().is_trained());
        structure.set("training", self.training().as_str());
        structure.set("calibrated", criteria.llr.is_some());
        if let Some(point) = &criteria.point {
            structure.set("threshold", point.threshold.get());
            structure.set(names.join("operating", "point"), point.source.name());
            structure.set(names.join("threshold", "source"), point.source.as_str());
        }
    }
}

/// How names of several words are written.
#[derive(Clone, Copy, Debug)]
pub enum Naming {
    /// `model_name`, in the structure `m2sd` on frames.
    Underscores,
    /// `model-name`, in messages.
    Dashes,
}

impl Naming {
    pub fn join(self, first: &str, second: &str) -> String {
        let between = match self {
            Self::Underscores => '_',
            Self::Dashes => '-',
        };
        format!("{first}{between}{second}")
    }
}
