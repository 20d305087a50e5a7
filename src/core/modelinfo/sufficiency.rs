//! What a face needs for a classifier to judge it: the section `[sufficiency]`.

/// What a classifier needs of a face; `None`: the default for its input
/// ([`crate::core::evidence`]).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SufficiencyKeys {
    /// The least distance between the eyes, in px of the frame.
    pub eye_distance_px: Option<f64>,
    /// The least sharpness, 0..=1.
    pub sharpness: Option<f64>,
    /// The lowest and highest mean brightness, 0..=1.
    pub brightness: Option<(f64, f64)>,
    /// The least contrast, 0..=1.
    pub contrast: Option<f64>,
    /// The widest angle between the face's direction and the camera's, in degrees.
    pub pose_deg: Option<f64>,
    /// The largest part of the aligned picture that lies outside of the frame, 0..=1.
    pub outside: Option<f64>,
    /// The fewest clips that share no frame.
    pub clips: Option<u32>,
    /// The shortest time that the clips cover.
    pub seconds: Option<f64>,
    /// How much scores of one face are expected to differ by chance, in log odds.
    pub spread: Option<f64>,
}
