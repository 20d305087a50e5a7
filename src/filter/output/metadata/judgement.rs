//! A judgement and a face's quality, in the words of metadata and messages.

use super::classifier_name::ClassifierName;
use crate::core::evidence::{Insufficiency, Judgement};
use crate::core::quality::FaceQuality;

/// Writes what is said of a face, and by which numbers.
pub fn write_into(structure: &mut gst::StructureRef, judgement: &Judgement) {
    structure.set("label", judgement.label.as_str());
    structure.set("confidence", judgement.confidence);
    if let Some(reason) = judgement.label.reason() {
        structure.set("reason", reason);
    }
    if let Some(shortfall) = judgement.shortfall {
        structure.set("reason-text", shortfall.to_string());
    }
    if let Some(score) = judgement.score {
        structure.set("score", score.fake.get());
    }
    if let Some(score) = judgement.frame_score {
        structure.set("frame-score", score.fake.get());
        structure.set("frame-clips", score.clips);
    }
    if let Some(llr) = judgement.llr {
        structure.set("llr", llr);
    }
}

/// The structure `quality`: the numbers, and the names of what falls short for this classifier.
pub fn quality(face: &FaceQuality, classifier: Option<&ClassifierName>) -> gst::Structure {
    let mut structure = gst::Structure::new_empty("quality");
    for (name, number) in face.named() {
        structure.set(name, f64::from(number));
    }
    let needs = classifier.map(|classifier| classifier.criteria.sufficiency);
    let failed = needs.into_iter().flat_map(|needs| needs.shortfalls(face));
    let failed = failed.map(|shortfall| Insufficiency::as_str(shortfall.what));
    structure.set("failed", gst::Array::new(failed));
    structure
}
