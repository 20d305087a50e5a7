//! From faces in frames to the clip that a classifier reads (docs/method.md, "Clips").
//!
//! A [`FaceCrop`] is what is kept of a frame for one face. An [`AlignedClip`] is a run of them,
//! turned and scaled as its [`Alignment`] says: by one transform for all, so that what moves inside
//! the face stays visible, or each by its own.

mod alignment;
mod crops;
#[cfg(test)]
mod tests;
mod warp;

use ndarray::{Array4, ArrayView4, ArrayViewMut4, Axis};
use thiserror::Error;

use super::geometry::{BBox, CropRect, FivePoints, Similarity, Size};
use super::image::{ChannelOrder, FrameView, ImageError, Normalization, RgbImage};
use super::modelinfo::Align;
pub(super) use alignment::template_fit;
pub use alignment::{Alignment, CROP_SCALE};
pub use crops::Crops;
use warp::Source;
pub use warp::Warp;

/// The longest side of an aligned picture, in px.
pub const MAX_SIDE_PX: u32 = 2048;

/// Why crops do not make a clip.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum AlignError {
    /// No crop was given.
    #[error("a clip needs at least one frame")]
    NoFrames,
    /// The side of the picture is not one that is made.
    #[error(
        "cannot align faces to {found} px: expected 1 to {MAX_SIDE_PX}, from the classifier's \
         input shape"
    )]
    Side { found: u32 },
    /// No similarity takes the template to the points.
    #[error("the facial points of the clip lie in one place, or are not numbers")]
    Points,
}

/// The part of the frame that is kept for a face: its box, rounded, grown to `scale` times its
/// sides and clipped. `None` when no pixel is left. The last column and row are never part of it.
pub fn crop_rect(bbox: &BBox, frame: Size, scale: f64) -> Option<CropRect> {
    let span = |low: f32, high: f32, length: u32| {
        let (low, high) = (f64::from(low).round_ties_even(), f64::from(high).round_ties_even());
        let margin = (scale - 1.0) / 2.0 * (high - low);
        let clip = |v: f64| v.clamp(0.0, f64::from(length - 1)).round_ties_even() as u32;
        (clip(low - margin), clip(high + margin))
    };
    let (left, right) = span(bbox.x1(), bbox.x2(), frame.width());
    let (top, bottom) = span(bbox.y1(), bbox.y2(), frame.height());
    CropRect::from_edges(left, top, right, bottom)
}

/// One face of one frame, copied out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceCrop {
    /// Whose surroundings it shows, in a frame of this size.
    bbox: BBox,
    frame: Size,
    /// In sides of the box.
    scale: f64,
    rect: CropRect,
    /// Of `held`.
    image: RgbImage,
    /// `rect`, and what it costs less to copy with it than to leave out.
    held: CropRect,
    points: FivePoints,
}

impl FaceCrop {
    /// Copies the surroundings of `bbox` as published, [`CROP_SCALE`] times its sides; `None` when
    /// the frame shows nothing of them. `points` are in px of the frame.
    pub fn new(frame: &FrameView<'_>, bbox: &BBox, points: FivePoints) -> Option<Self> {
        Self::scaled(frame, bbox, points, CROP_SCALE)
    }

    /// As [`Self::new`], `scale` times the box's sides ([`crop_rect`]).
    pub fn scaled(
        frame: &FrameView<'_>,
        bbox: &BBox,
        points: FivePoints,
        scale: f64,
    ) -> Option<Self> {
        let rect = crop_rect(bbox, frame.size(), scale)?;
        let held = frame.from_chroma(rect);
        let image = frame.crop(held).ok()?;
        Some(Self { bbox: *bbox, frame: frame.size(), scale, rect, image, held, points })
    }

    /// As [`Self::new`], in the memory of a crop that is done with.
    fn renew(
        &mut self,
        frame: &FrameView<'_>,
        bbox: &BBox,
        points: FivePoints,
        scale: f64,
    ) -> Option<()> {
        let rect = crop_rect(bbox, frame.size(), scale)?;
        let held = frame.from_chroma(rect);
        frame.crop_into(held, &mut self.image).ok()?;
        (self.bbox, self.frame, self.scale) = (*bbox, frame.size(), scale);
        (self.rect, self.held, self.points) = (rect, held, points);
        Some(())
    }

    /// Where it lay in the frame.
    pub fn rect(&self) -> CropRect {
        self.rect
    }

    /// The part of it that is `scale` times the box's sides, or all of it, if that is less.
    fn part(&self, scale: f64) -> CropRect {
        if scale >= self.scale {
            return self.rect;
        }
        // Smaller than the crop, it lies inside.
        crop_rect(&self.bbox, self.frame, scale).unwrap_or(self.rect)
    }

    /// In px of the frame.
    pub fn points(&self) -> &FivePoints {
        &self.points
    }

    /// The pixels that were copied, and where in the frame they lay.
    pub fn held(&self) -> (CropRect, &RgbImage) {
        (self.held, &self.image)
    }
}

/// The frames of a clip, aligned: T square pictures of S×S px.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::align::{AlignedClip, FaceCrop};
/// use gstm2sd::core::geometry::{BBox, Point, Size};
/// use gstm2sd::core::image::{ChannelOrder, FrameView, Normalization, PixelLayout};
/// use ndarray::Array4;
///
/// let pixels = vec![128; 320 * 240 * 3];
/// let frame = FrameView::new(&pixels, Size::new(320, 240).unwrap(), 320 * 3, PixelLayout::Rgb)?;
/// let bbox = BBox::new(120.0, 80.0, 184.0, 160.0).unwrap();
/// let points = [(140, 110), (165, 110), (152, 125), (142, 140), (163, 140)];
/// let points = points.map(|(x, y)| Point { x: x as f32, y: y as f32 });
/// let crop = FaceCrop::new(&frame, &bbox, points).expect("the box is in the frame");
///
/// // A clip of four frames, here all the same.
/// let clip = AlignedClip::align([&crop; 4].into_iter(), 224)?;
/// let mut input = Array4::zeros((3, 4, 224, 224));
/// clip.write_planes(ChannelOrder::Rgb, Normalization::IMAGENET_RGB, input.view_mut())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AlignedClip {
    /// `[3, T, S, S]`: planes, as networks read them, so that the map to floats is one run.
    pixels: Array4<u8>,
    union: CropRect,
    transform: Similarity,
}

impl AlignedClip {
    /// Aligns the crops of one face in successive frames to pictures of `side_px`, as M2SD and FTCN
    /// do ([`Alignment::published`]).
    ///
    /// # Errors
    /// [`AlignError`] when there is no crop, `side_px` is not in `1..=MAX_SIDE_PX`, or the points
    /// do not determine a transform.
    pub fn align<'a>(
        crops: impl Iterator<Item = &'a FaceCrop> + Clone,
        side_px: u32,
    ) -> Result<Self, AlignError> {
        let alignment = Alignment::published(side_px);
        Self::align_in(Vec::new(), &mut Warp::default(), crops, &alignment)
    }

    /// As [`Self::align`], as `alignment` says, in memory that is done with, such as that of an
    /// earlier clip's [`Self::into_u8`]. Pictures are sampled bilinearly; what a frame's crop does
    /// not cover is black.
    ///
    /// # Errors
    /// As [`Self::align`].
    pub fn align_in<'a>(
        mut memory: Vec<u8>,
        warp: &mut Warp,
        crops: impl Iterator<Item = &'a FaceCrop> + Clone,
        alignment: &Alignment,
    ) -> Result<Self, AlignError> {
        let side_px = alignment.side_px;
        if !(1..=MAX_SIDE_PX).contains(&side_px) {
            return Err(AlignError::Side { found: side_px });
        }
        let scale = alignment.crop_scale;
        let rects = crops.clone().map(|crop| crop.part(scale));
        let union = rects.reduce(CropRect::union).ok_or(AlignError::NoFrames)?;
        let first = alignment.fit(crops.clone(), union).ok_or(AlignError::Points)?;
        let transform = first.inverse().ok_or(AlignError::Points)?;
        let side = side_px as usize;
        let dims = [3, crops.clone().count(), side, side];
        // Every pixel is written below: what was there before need not be cleared.
        memory.resize(dims.iter().product(), 0);
        let pixels = Array4::from_shape_vec(dims, memory);
        let mut pixels = pixels.unwrap_or_else(|_| Array4::zeros(dims));
        warp.aim(&first, side);
        for (crop, mut picture) in crops.zip(pixels.axis_iter_mut(Axis(1))) {
            if alignment.align == Align::Frame {
                let own = alignment.fit(std::iter::once(crop), union);
                warp.aim(&own.ok_or(AlignError::Points)?, side);
            }
            let rect = crop.part(scale);
            let offset = [rect.x() - union.x(), rect.y() - union.y()];
            let inset = [rect.x() - crop.held.x(), rect.y() - crop.held.y()];
            let source = Source::new(&crop.image, inset, [rect.width(), rect.height()]);
            warp.sample(&source, offset, &mut picture);
        }
        Ok(Self { pixels, union, transform })
    }

    /// Red, green and blue planes `[3, T, S, S]`, 8 bits.
    pub fn pixels(&self) -> ArrayView4<'_, u8> {
        self.pixels.view()
    }

    /// The planes in `order`, as a classifier reads them that takes the 8-bit levels themselves.
    pub fn into_u8(self, order: ChannelOrder) -> Array4<u8> {
        reorder(self.pixels, order)
    }

    /// The smallest rectangle of the frame that holds every crop.
    pub fn union(&self) -> CropRect {
        self.union
    }

    /// From px of [`Self::union`] to px of the aligned picture; that of the first frame where each
    /// has its own.
    pub fn transform(&self) -> &Similarity {
        &self.transform
    }

    /// Fills a classifier's input `[3, T, S, S]`: channels in `order`, each value mapped by `norm`.
    ///
    /// # Errors
    /// [`ImageError::Shape`] when `planes` has another shape than [`Self::pixels`].
    pub fn write_planes(
        &self,
        order: ChannelOrder,
        norm: Normalization,
        planes: ArrayViewMut4<'_, f32>,
    ) -> Result<(), ImageError> {
        write_planes(self.pixels(), order, norm, planes)
    }
}

/// As [`AlignedClip::write_planes`], for the `pixels` of one: red, green and blue planes
/// `[3, T, S, S]`.
///
/// # Errors
/// [`ImageError::Shape`] unless there are three planes, and as many pixels in `planes`.
pub fn write_planes(
    pixels: ArrayView4<'_, u8>,
    order: ChannelOrder,
    norm: Normalization,
    mut planes: ArrayViewMut4<'_, f32>,
) -> Result<(), ImageError> {
    let (_, frames, height, width) = pixels.dim();
    if planes.dim() != pixels.dim() || pixels.dim().0 != 3 {
        let expected = format!("{:?}", [3, frames, height, width]);
        return Err(ImageError::Shape { found: planes.shape().to_vec(), expected });
    }
    let channels = order.colours().into_iter().zip(norm.scale).zip(norm.offset);
    for (mut plane, ((colour, scale), offset)) in planes.outer_iter_mut().zip(channels) {
        let levels = pixels.index_axis(Axis(0), colour);
        plane.zip_mut_with(&levels, |value, level| *value = f32::from(*level) * scale + offset);
    }
    Ok(())
}

/// As [`AlignedClip::into_u8`], for the `pixels` of one: red, green and blue planes
/// `[3, T, S, S]`.
pub fn reorder(mut pixels: Array4<u8>, order: ChannelOrder) -> Array4<u8> {
    if order == ChannelOrder::Bgr {
        pixels.invert_axis(Axis(0));
    }
    pixels
}
