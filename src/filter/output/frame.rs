//! Frames on their way out, with the faces on them.

use std::sync::Arc;
use std::time::Instant;

use crate::core::detect::Face;
use crate::core::geometry::Point;
use crate::core::quality::FaceQuality;
use crate::core::track::TrackId;
use crate::core::window::FrameNumber;

/// A face on one frame, in the stream's own coordinates.
#[derive(Clone, Debug)]
pub struct FrameFace {
    /// `None`: no track follows this face; its detection score is too low to start one.
    pub track: Option<TrackId>,
    pub face: Face,
    /// The aligner's 68 points in frame pixels.
    pub landmarks: Option<Arc<[Point; 68]>>,
    /// As it was seen on the frame that it was found on, or the first one after it that was looked at.
    pub quality: Option<FaceQuality>,
}

/// A frame on its way out.
pub struct Frame {
    pub number: FrameNumber,
    pub buffer: gst::Buffer,
    pub faces: Arc<[FrameFace]>,
    /// Why nobody looked for faces on it, where nobody did.
    pub unanalysed: Option<Unanalysed>,
    /// When upstream handed it over.
    pub arrived: Instant,
}

/// Why a frame passes without anybody looking for faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanalysed {
    /// The models are not loaded, or failed and are being loaded again.
    NoModels,
    /// The buffer does not hold the frame that its caps promise.
    Unreadable,
}

impl Unanalysed {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoModels => "no-models",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Frame {
    pub fn tracks(&self) -> impl Iterator<Item = TrackId> {
        self.faces.iter().filter_map(|f| f.track)
    }
}
