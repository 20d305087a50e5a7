//! A part of a mapped frame, as if it were a frame of its own.

use gst_video::prelude::*;
use gst_video::video_frame::IsVideoFrame;
use gst_video::{VideoFormatInfo, VideoFrameRef, VideoInfo};

use crate::core::geometry::CropRect;

/// Whether frames like this one have parts that are frames: lines of two fields share chroma in
/// other ways, and tiles are no rows.
pub fn exists(info: &VideoInfo) -> bool {
    let format = info.format_info();
    !info.is_interlaced() && !format.is_complex() && !format.is_tiled()
}

/// Calls `draw` with the part of `frame` that holds `area`: it begins where chroma does, and ends
/// where chroma does or at the frame's edge. `frame` must be one that [`exists`] is true for.
pub fn with_part<R>(
    frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    area: CropRect,
    draw: impl FnOnce(&mut VideoFrameRef<&mut gst::BufferRef>) -> R,
) -> R {
    let format = frame.format_info();
    let most = |steps: &[u32]| steps.iter().take(format.n_components() as usize).max().copied();
    let span = |start: u32, end: u32, step: Option<u32>, limit: u32| {
        let step = 1 << step.unwrap_or(0);
        let start = start.min(limit.saturating_sub(1)) / step * step;
        (start, end.next_multiple_of(step).clamp(start + 1, limit.max(start + 1)))
    };
    let (left, right) = span(area.x(), area.right(), most(format.w_sub()), frame.width());
    let (top, bottom) = span(area.y(), area.bottom(), most(format.h_sub()), frame.height());

    // SAFETY: a copy of the description of a mapped frame, which stays mapped and borrowed, for
    // writing, while the copy is used; `from_glib_borrow_mut` does not unmap it. Its planes begin
    // at the part's first pixel and keep their strides, so that all of its `right - left` columns
    // and `bottom - top` rows lie inside of the frame's.
    let mut part = unsafe {
        let mut raw = *frame.as_raw();
        for (plane, data) in raw.data.iter_mut().enumerate().take(format.n_planes() as usize) {
            let stride = raw.info.stride[plane] as isize;
            *data = data.byte_offset(offset_in_plane(&format, plane, stride, left, top));
        }
        raw.info.width = (right - left) as i32;
        raw.info.height = (bottom - top) as i32;
        VideoFrameRef::<&mut gst::BufferRef>::from_glib_borrow_mut(&mut raw)
    };
    draw(&mut part)
}
/// How far the bytes of the pixel (x, y) are from a plane's first.
fn offset_in_plane(
    format: &VideoFormatInfo,
    plane: usize,
    stride_bytes: isize,
    x: u32,
    y: u32,
) -> isize {
    let in_plane = |component: &usize| format.plane()[*component] as usize == plane;
    let Some(component) = (0..format.n_components() as usize).find(in_plane) else { return 0 };
    let column = (x >> format.w_sub()[component]) as isize;
    let row = (y >> format.h_sub()[component]) as isize;
    row * stride_bytes + column * format.pixel_stride()[component] as isize
}
