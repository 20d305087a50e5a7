//! Pictures in a frame's own format, made once and then copied onto every frame: to blend a
//! picture in takes a conversion of each of its pixels.

use gst_video::prelude::*;
use gst_video::video_frame::Readable;
use gst_video::{VideoFormatInfo, VideoFrame, VideoFrameRef, VideoInfo};

use super::picture::{Picture, Placed, composition};
use crate::core::geometry::CropRect;

/// Whether frames like this one take sprites: lines of two fields share chroma in other ways,
/// and tiles are no rows.
pub fn fits(info: &VideoInfo) -> bool {
    let format = info.format_info();
    !info.is_interlaced() && !format.is_complex() && !format.is_tiled()
}

/// An opaque picture, ready to be copied.
pub struct Sprite {
    frame: VideoFrame<Readable>,
}

impl Sprite {
    /// `picture`, scaled to a size, for frames like `info`.
    pub fn new(picture: &Picture, info: &VideoInfo, width: u32, height: u32) -> Option<Self> {
        let whole = CropRect::from_edges(0, 0, width, height)?;
        let info = VideoInfo::builder(info.format(), width, height).build().ok()?;
        let mut buffer = gst::Buffer::from_mut_slice(vec![0; info.size()]);
        let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut()?, &info).ok()?;
        composition([Placed { picture, area: whole }].into_iter())?.blend(&mut frame).ok()?;
        drop(frame);
        Some(Self { frame: VideoFrame::from_buffer_readable(buffer, &info).ok()? })
    }

    /// Covers `area` of a frame that [`fits`], as far as the sprite reaches, beginning with its own
    /// upper left corner. Where pixels share chroma, those of `area`'s edges share what is drawn.
    ///
    /// # Errors
    /// When the frame is not one of the sprite's format.
    pub fn put(
        &self,
        frame: &mut VideoFrameRef<&mut gst::BufferRef>,
        area: CropRect,
    ) -> Result<(), glib::BoolError> {
        let format = frame.format_info();
        if format.format() != self.frame.format() {
            return Err(glib::bool_error!("a sprite of another format"));
        }
        let (right, bottom) = (frame.width().min(area.right()), frame.height().min(area.bottom()));
        for plane in 0..format.n_planes() {
            let Some(pixels) = PlanePixels::of(&format, plane) else { continue };
            let columns = pixels.columns(area.x(), right);
            let rows = pixels.rows(area.y(), bottom);
            let from =
                self.frame.plane_data(plane)?.chunks(stride(self.frame.plane_stride(), plane));
            let to_stride = stride(frame.plane_stride(), plane);
            let to = frame.plane_data_mut(plane)?.chunks_mut(to_stride);
            for (from, to) in from.zip(to.skip(rows.start)).take(rows.len()) {
                let end = columns.end.min(to.len()).min(columns.start + from.len());
                let to = to.get_mut(columns.start..end).unwrap_or_default();
                to.copy_from_slice(&from[..to.len()]);
            }
        }
        Ok(())
    }
}

/// From the start of a row to that of the next; never 0.
fn stride(strides: &[i32], plane: u32) -> usize {
    let stride = strides.get(plane as usize).and_then(|stride| usize::try_from(*stride).ok());
    // A frame that goes upwards is one row.
    stride.filter(|stride| *stride > 0).unwrap_or(usize::MAX)
}

/// How a plane's bytes are a frame's pixels.
struct PlanePixels {
    /// Frame pixels to one of the plane's, as powers of two.
    shift: [u32; 2],
    /// Bytes from one of the plane's pixels to the next.
    bytes: usize,
    /// So many of the plane's pixels share chroma in a row.
    together: usize,
}

impl PlanePixels {
    fn of(format: &VideoFormatInfo, plane: u32) -> Option<Self> {
        let mut inside =
            (0..format.n_components() as usize).filter(|c| format.plane()[*c] == plane);
        let first = inside.next()?;
        let shift = [format.w_sub()[first], format.h_sub()[first]];
        let coarsest = inside.map(|c| format.w_sub()[c]).max().unwrap_or(shift[0]);
        let bytes = usize::try_from(format.pixel_stride()[first]).ok()?;
        Some(Self { shift, bytes, together: 1 << coarsest.saturating_sub(shift[0]) })
    }

    /// The bytes of a row that hold the frame's columns.
    fn columns(&self, left: u32, right: u32) -> std::ops::Range<usize> {
        let start = (left >> self.shift[0]) as usize / self.together * self.together;
        let end = right.div_ceil(1 << self.shift[0]) as usize;
        start * self.bytes..end.next_multiple_of(self.together) * self.bytes
    }

    /// The plane's rows that hold the frame's.
    fn rows(&self, top: u32, bottom: u32) -> std::ops::Range<usize> {
        (top >> self.shift[1]) as usize..bottom.div_ceil(1 << self.shift[1]) as usize
    }
}
