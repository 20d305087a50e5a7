//! The classifier, as metadata and messages name it.

use crate::core::modelinfo::Training;

/// Who scores, as metadata and messages name it.
#[derive(Clone, Debug)]
pub struct ClassifierName {
    pub name: String,
    /// As it counts for the faces of this run: if it allows no verdicts, a score means nothing.
    pub training: Training,
}
