//! Sizes of what networks are fed: where their files leave them open, and the largest that are taken.

/// The side of the published small aligners (PFLD, MobileFaceNet).
pub const ALIGNER_PX: usize = 112;
/// M2SD's own clip (docs/method.md, "The M2SD network").
pub const CLIP_FRAMES: usize = 16;
pub const CLIP_PX: usize = 224;
/// Nothing larger is a face, a clip's length or a number of mel bands. A file can say anything,
/// and buffers are made of what it says.
pub const MOST_SIDE: usize = 4096;
/// The same of a spectrum: eleven minutes of sound, in hundredths of a second.
pub const MOST_AUDIO_SIDE: usize = 1 << 16;
/// The same of a detector's picture.
pub const MOST_PICTURE_SIDE_PX: usize = 16_384;
/// Of one sample of one input: half a gigabyte of floats, fifty times M2SD's clip.
pub const MOST_NUMBERS: usize = 1 << 27;
/// Of the clips that share a run, unless one alone has more: a gigabyte of floats, a hundred of
/// M2SD's clips.
pub const MOST_NUMBERS_OF_A_RUN: usize = 1 << 28;
