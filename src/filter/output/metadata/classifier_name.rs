//! The classifier, as metadata and messages name it.

use crate::core::modelinfo::Training;

/// Who scores, as metadata and messages name it.
#[derive(Clone, Debug, Default)]
pub struct ClassifierName {
    pub name: String,
    /// Whether its weights were trained; if not, or if nobody says, a score means nothing.
    pub training: Training,
}
