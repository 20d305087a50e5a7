//! Who is shown clips on their way to the classifier.

use ndarray::ArrayView4;

use crate::core::span::Span;
use crate::core::track::TrackId;

/// The pictures of a clip on its way to the classifier.
pub struct ClipPixels<'a> {
    /// Whose clip it is.
    pub track: TrackId,
    /// In running time.
    pub span: Span,
    /// Red, green and blue planes `[3,T,S,S]` of the aligned face, before any normalization.
    pub pixels: ArrayView4<'a, u8>,
}

/// Who is shown every clip before it is scored, see [`crate::filter::M2sdFilter::on_clip`].
pub type ClipObserver = dyn Fn(&ClipPixels<'_>) + Send + Sync;
