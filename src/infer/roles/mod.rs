//! The three roles a network can have, and what its inputs and outputs must look like for each.
//! Where engines come from is the factory's affair.

mod aligner;
mod answer;
mod classifier;
mod clips;
mod detector;
mod detector_outputs;
mod layout;
mod signature;
mod spec;

pub use self::aligner::Aligner;
pub use self::answer::{Answer, ClipScore};
pub use self::classifier::Classifier;
pub use self::clips::{Clip, ClipStager, StagedClips};
pub use self::detector::Detector;
pub use self::spec::{AudioSpec, ClassifierSpec};
