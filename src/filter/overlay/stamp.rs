//! Pictures in a frame's own format, made once and then copied onto every frame: to blend a
//! picture in takes a conversion of each of its pixels.

use gst_video::prelude::*;
use gst_video::video_frame::Readable;
use gst_video::{VideoFrame, VideoFrameRef, VideoInfo};

use super::part;
use super::picture::{Picture, Placed, composition};
use crate::core::geometry::CropRect;

/// An opaque picture, ready to be copied.
pub struct Stamp {
    frame: VideoFrame<Readable>,
}

impl Stamp {
    /// `picture`, scaled to a size, for frames like `info`.
    pub fn new(picture: &Picture, info: &VideoInfo, width: u32, height: u32) -> Option<Self> {
        let whole = CropRect::from_edges(0, 0, width, height)?;
        let info = VideoInfo::builder(info.format(), width, height);
        let info = info.build().ok()?;
        let mut buffer = gst::Buffer::from_mut_slice(vec![0; info.size()]);
        let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut()?, &info).ok()?;
        composition([Placed { picture, area: whole }].into_iter())?.blend(&mut frame).ok()?;
        drop(frame);
        Some(Self { frame: VideoFrame::from_buffer_readable(buffer, &info).ok()? })
    }

    /// Covers `area` of a frame for which [`part::exists`], as far as it reaches, beginning with
    /// its own upper left corner.
    ///
    /// # Errors
    /// When the frame is of another format.
    pub fn put(
        &self,
        frame: &mut VideoFrameRef<&mut gst::BufferRef>,
        area: CropRect,
    ) -> Result<(), glib::BoolError> {
        let (right, bottom) = (area.x() + self.frame.width(), area.y() + self.frame.height());
        let [right, bottom] = [area.right().min(right), area.bottom().min(bottom)];
        let Some(area) = CropRect::from_edges(area.x(), area.y(), right, bottom) else {
            return Ok(());
        };
        part::with_part(frame, area, |part| self.frame.as_video_frame_ref().copy(part))
    }
}
