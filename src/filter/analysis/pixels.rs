//! A buffer as the core sees it.
//!
//! Packed 8-bit RGB and 8-bit 4:2:0 are read where they are, the latter converted as far as it is
//! looked at. Every other format goes through GStreamer's own converter into one frame that is
//! reused.

use std::sync::Arc;

use glib::translate::from_glib_none;
use gst::prelude::*;
use gst_video::VideoFrameRef;
use gst_video::prelude::*;
use gst_video::video_frame::IsVideoFrame;
use thiserror::Error;

use super::format::StreamFormat;
use crate::core::geometry::Size;
use crate::core::image::{
    BytePlane, Chroma, FrameView, ImageError, PixelLayout, Upright, YuvColour, YuvMatrix,
};
use crate::filter::output::frame_pool::FramePool;
use crate::filter::stats::stages::{Stage, Stages};

#[derive(Debug, Error)]
pub enum PixelError {
    #[error("cannot convert {from} to RGB: {source}")]
    Converter { from: String, source: glib::BoolError },
    #[error(
        "the buffer does not hold the {expected} frame that the caps promise: \
         expected {needed_bytes} bytes, found {found_bytes}"
    )]
    Buffer { expected: String, needed_bytes: usize, found_bytes: usize },
    #[error("the frame has no pixels")]
    Empty,
    #[error(transparent)]
    Frame(#[from] ImageError),
}

enum Source {
    Packed(PixelLayout),
    Yuv420(YuvColour),
    Converted { converter: gst_video::VideoConverter, rgb: gst::Buffer },
}

/// How the frames of one format become views of upright pictures.
pub struct Pixels {
    format: Arc<StreamFormat>,
    source: Source,
    upright: Upright,
    /// Made with the first copy.
    pool: Option<FramePool>,
    stages: Stages,
}

/// The layout of formats that the core reads without conversion.
fn packed_layout(format: gst_video::VideoFormat) -> Option<PixelLayout> {
    use gst_video::VideoFormat as F;
    match format {
        F::Rgb => Some(PixelLayout::Rgb),
        F::Bgr => Some(PixelLayout::Bgr),
        F::Rgba | F::Rgbx => Some(PixelLayout::Rgba),
        F::Bgra | F::Bgrx => Some(PixelLayout::Bgra),
        F::Argb | F::Xrgb => Some(PixelLayout::Argb),
        F::Abgr | F::Xbgr => Some(PixelLayout::Abgr),
        _ => None,
    }
}

/// The colour space of 4:2:0 frames that the core reads without conversion: 8 bits, progressive,
/// with a matrix that it knows.
fn yuv420_colour(info: &gst_video::VideoInfo) -> Option<YuvColour> {
    use gst_video::VideoColorMatrix as M;
    use gst_video::VideoFormat as F;
    if !matches!(info.format(), F::I420 | F::Yv12 | F::Nv12 | F::Nv21) || info.is_interlaced() {
        return None;
    }
    let matrix = match info.colorimetry().matrix() {
        M::Bt601 => YuvMatrix::Bt601,
        M::Bt709 => YuvMatrix::Bt709,
        M::Bt2020 => YuvMatrix::Bt2020,
        M::Smpte240m => YuvMatrix::Smpte240m,
        M::Fcc => YuvMatrix::Fcc,
        _ => return None,
    };
    let full_range = match info.colorimetry().range() {
        gst_video::VideoColorRange::Range0_255 => true,
        gst_video::VideoColorRange::Range16_235 => false,
        _ => return None,
    };
    Some(YuvColour { matrix, full_range })
}

fn describe(info: &gst_video::VideoInfo) -> String {
    format!("{} {}x{}", info.format(), info.width(), info.height())
}

impl Pixels {
    /// The time that conversions take goes to `stages`.
    ///
    /// # Errors
    /// Where no converter reads such frames.
    pub fn new(format: Arc<StreamFormat>, stages: Stages) -> Result<Self, PixelError> {
        let info = &format.info;
        let source = match (packed_layout(info.format()), yuv420_colour(info)) {
            (Some(layout), _) => Source::Packed(layout),
            (None, Some(colour)) => Source::Yuv420(colour),
            (None, None) => {
                let failed = |source| PixelError::Converter { from: describe(info), source };
                let rgb_info = gst_video::VideoInfo::builder(
                    gst_video::VideoFormat::Rgb,
                    info.width(),
                    info.height(),
                )
                .interlace_mode(info.interlace_mode())
                .fps(info.fps())
                .build()
                .map_err(failed)?;
                let converter =
                    gst_video::VideoConverter::new(info, &rgb_info, None).map_err(failed)?;
                let rgb = gst::Buffer::with_size(rgb_info.size()).map_err(failed)?;
                Source::Converted { converter, rgb }
            }
        };
        Ok(Self { source, upright: Upright::default(), pool: None, stages, format })
    }

    /// # Errors
    /// When the buffer does not hold the frame that the caps promise.
    pub fn check(&self, buffer: &gst::BufferRef) -> Result<(), PixelError> {
        map(buffer, &self.format.info).map(|_| ())
    }

    /// The frame in memory that no pool of upstream waits for.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn copy(&mut self, buffer: &gst::BufferRef) -> Result<gst::Buffer, glib::BoolError> {
        let pool = match &mut self.pool {
            Some(pool) => pool,
            none => none.insert(FramePool::new(&self.format.info)?),
        };
        pool.copy(buffer)
    }

    /// Calls `look` with the pixels of the upright frame, which no copy outlives.
    ///
    /// # Errors
    /// When the buffer does not hold the frame that the caps promise.
    pub fn with_view<R>(
        &mut self,
        buffer: &gst::BufferRef,
        look: impl FnOnce(FrameView<'_>) -> R,
    ) -> Result<R, PixelError> {
        let Self { format, source, upright, stages, .. } = self;
        let frame = map(buffer, &format.info)?;
        let shown = &format.presentation;
        let look = |view: FrameView<'_>| -> Result<R, PixelError> {
            if shown.is_as_stored() {
                return Ok(look(view));
            }
            Ok(look(stages.time(Stage::Convert, || upright.show(&view, shown))?))
        };
        match source {
            Source::Packed(layout) => look(packed_view(&frame, *layout)?),
            Source::Yuv420(colour) => look(yuv420_view(&frame, *colour)?),
            Source::Converted { converter, rgb } => {
                let out = converter.out_info().clone();
                let rgb = rgb.make_mut();
                let mut target = VideoFrameRef::from_buffer_ref_writable(rgb, &out);
                let target = target.as_mut().map_err(|_| wrong(buffer, &format.info))?;
                stages.time(Stage::Convert, || converter.frame_ref(&frame, target));
                look(packed_view(target, PixelLayout::Rgb)?)
            }
        }
    }
}

fn wrong(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> PixelError {
    PixelError::Buffer {
        expected: describe(info),
        needed_bytes: info.size(),
        found_bytes: buffer.size(),
    }
}

type Mapped<'a> = VideoFrameRef<&'a gst::BufferRef>;

fn map<'a>(
    buffer: &'a gst::BufferRef,
    info: &gst_video::VideoInfo,
) -> Result<Mapped<'a>, PixelError> {
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info);
    let frame = frame.map_err(|_| wrong(buffer, info))?;
    // A video meta on the buffer overrides the caps in the mapped frame.
    let is_as_promised = (frame.width(), frame.height()) == (info.width(), info.height());
    if is_as_promised { Ok(frame) } else { Err(wrong(buffer, info)) }
}

/// The most buffers that the pool of this one hands out; `None` without a pool or a limit.
pub fn pool_limit(buffer: &gst::BufferRef) -> Option<u32> {
    // SAFETY: `pool` is a plain field of a live buffer: null, or a pool that the buffer keeps.
    let pool: Option<gst::BufferPool> = unsafe { from_glib_none((*buffer.as_ptr()).pool) };
    let (_, _, _, max) = pool?.config().params()?;
    (max > 0).then_some(max)
}

fn packed_view<B>(
    frame: &VideoFrameRef<B>,
    layout: PixelLayout,
) -> Result<FrameView<'_>, PixelError>
where
    VideoFrameRef<B>: IsVideoFrame,
{
    let BytePlane { data, stride_bytes } = plane(frame, 0);
    let size = Size::new(frame.width(), frame.height()).ok_or(PixelError::Empty)?;
    Ok(FrameView::new(data, size, stride_bytes, layout)?)
}

fn yuv420_view<B>(frame: &VideoFrameRef<B>, colour: YuvColour) -> Result<FrameView<'_>, PixelError>
where
    VideoFrameRef<B>: IsVideoFrame,
{
    use gst_video::VideoFormat as F;
    let chroma = match frame.format() {
        F::Nv12 => Chroma::InterleavedUv(plane(frame, 1)),
        F::Nv21 => Chroma::InterleavedVu(plane(frame, 1)),
        F::Yv12 => Chroma::Planar { u: plane(frame, 2), v: plane(frame, 1) },
        _ => Chroma::Planar { u: plane(frame, 1), v: plane(frame, 2) },
    };
    let size = Size::new(frame.width(), frame.height()).ok_or(PixelError::Empty)?;
    Ok(FrameView::yuv420(plane(frame, 0), chroma, size, colour)?)
}

fn plane<B>(frame: &VideoFrameRef<B>, index: u32) -> BytePlane<'_>
where
    VideoFrameRef<B>: IsVideoFrame,
{
    let stride = frame.plane_stride().get(index as usize).copied().unwrap_or(0);
    BytePlane {
        data: frame.plane_data(index).unwrap_or_default(),
        stride_bytes: usize::try_from(stride).unwrap_or(0),
    }
}
