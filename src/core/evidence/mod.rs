//! From scores to what is said of a face (docs/method.md, "Scores").
//!
//! A clip's score is P(fake). A frame's score is the mean over the clips that contain it, kept for
//! each track; a clip that contains a frame twice (reflection) counts twice, as in the reference.
//! [`VerdictBoard`] keeps both and says, frame by frame, which label holds; [`TrackSummary`] sums a
//! whole track up. Both call a score by the same rule, [`OperatingPoint::label`].

mod board;
mod frame_scores;
mod label;
mod probability;
mod summary;
mod track_clips;
mod verdict;

pub use board::{ClipId, ExpectedClip, FrameRule, Judgement, VerdictBoard};
pub use frame_scores::Score;
pub use label::{Insufficiency, Judge, Label, OperatingPoint};
pub use probability::{NotAProbability, Probability, REFERENCE_THRESHOLD};
pub use summary::TrackSummary;
pub use verdict::Verdict;
