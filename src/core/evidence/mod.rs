//! From scores to what is said of a face (docs/method.md, "Scores" to "Verdicts").
//!
//! A clip's score is P(fake). A frame's score is the mean over the clips that contain it, kept for
//! each track; a clip that contains a frame twice (reflection) counts twice, as in the reference.
//!
//! Whether a score says anything is another matter, in this order: the classifier was trained
//! ([`Criteria`]); the face can be seen well enough ([`Sufficiency`]); there is a threshold
//! ([`OperatingPoint`]); and the clips so far agree ([`TrackEvidence`]). [`VerdictBoard`] says, frame
//! by frame, which label holds and by which number.

mod board;
mod criteria;
mod frame_scores;
mod fusion;
mod judgement;
mod label;
mod probability;
mod sufficiency;
mod summary;
mod track_clips;
mod track_evidence;

pub use board::{ClipId, ExpectedClip, FrameRule, VerdictBoard};
pub use criteria::{Criteria, Judge, NoSuchPoint, OperatingPoint, PointChoice, PointSource};
pub use frame_scores::Score;
pub use fusion::Fusion;
pub use judgement::Judgement;
pub use label::{Doubt, Insufficiency, Label};
pub use probability::{NotAProbability, Probability};
pub use sufficiency::{Shortfall, Sufficiency};
pub use summary::TrackSummary;
pub use track_evidence::{ScoredClip, TrackEvidence};
