//! A part of a mapped frame, as if it were a frame of its own.
//!
//! GStreamer's blending unpacks and packs every line that it touches at its whole width, so that a
//! box costs more the wider the frame is. On a part that just holds the box it does not.

use gst_video::prelude::*;
use gst_video::video_frame::IsVideoFrame;
use gst_video::{VideoFormatInfo, VideoFrameRef};

use crate::core::geometry::CropRect;

/// Calls `draw` with the part of `frame` that holds `area`, and with the place of that part's
/// first pixel: it begins where chroma does, and ends at the frame's edges at the latest.
pub fn with_part<R>(
    frame: &mut VideoFrameRef<&mut gst::BufferRef>,
    area: CropRect,
    draw: impl FnOnce(&mut VideoFrameRef<&mut gst::BufferRef>, [u32; 2]) -> R,
) -> R {
    let format = frame.format_info();
    let most = |steps: &[u32]| steps.iter().take(format.n_components() as usize).max().copied();
    // Lines of two fields share chroma in other ways.
    if frame.info().is_interlaced() || format.is_complex() || format.is_tiled() {
        return draw(frame, [0, 0]);
    }
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
    draw(&mut part, [left, top])
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

#[cfg(test)]
mod tests {
    use gst_video::{VideoOverlayComposition, VideoOverlayFormatFlags, VideoOverlayRectangle};

    use super::*;
    use crate::filter::negotiate::FORMATS;

    /// A yellow rectangle, drawn at its place less `origin`.
    fn draw(frame: &mut VideoFrameRef<&mut gst::BufferRef>, area: CropRect, origin: [u32; 2]) {
        let mut pixels = gst::Buffer::from_mut_slice([0u8, 255, 255, 255].repeat(4));
        gst_video::VideoMeta::add(
            pixels.make_mut(),
            gst_video::VideoFrameFlags::empty(),
            gst_video::VideoFormat::Bgra,
            2,
            2,
        )
        .unwrap();
        let (x, y) = ((area.x() - origin[0]) as i32, (area.y() - origin[1]) as i32);
        let flags = VideoOverlayFormatFlags::PREMULTIPLIED_ALPHA;
        let rectangle =
            VideoOverlayRectangle::new_raw(&pixels, x, y, area.width(), area.height(), flags);
        VideoOverlayComposition::new([&rectangle]).unwrap().blend(frame).unwrap();
    }

    #[test]
    fn drawing_on_a_part_is_drawing_on_the_whole() {
        gst::init().unwrap();
        for format in FORMATS {
            for (width, height) in [(64, 48), (37, 29)] {
                let info = gst_video::VideoInfo::builder(format, width, height).build().unwrap();
                // Of more than 8 bits not every sample is one that stays as it is.
                let texture = |n: usize| if info.comp_depth(0) == 8 { 90 + n % 50 } else { 0 };
                let grey: Vec<u8> = (0..info.size()).map(|n| texture(n) as u8).collect();
                for edges in [[3, 5, 20, 9], [0, 0, 37, 29], [36, 28, 37, 29], [8, 2, 11, 27]] {
                    let [left, top, right, bottom] = edges;
                    let area = CropRect::from_edges(left, top, right, bottom).unwrap();
                    let drawn = |on_part: bool| {
                        let mut buffer = gst::Buffer::from_mut_slice(grey.clone());
                        let writable = buffer.get_mut().unwrap();
                        let frame = VideoFrameRef::from_buffer_ref_writable(writable, &info);
                        let mut frame = frame.unwrap();
                        if on_part {
                            with_part(&mut frame, area, |part, at| draw(part, area, at));
                        } else {
                            draw(&mut frame, area, [0, 0]);
                        }
                        drop(frame);
                        buffer.map_readable().unwrap().to_vec()
                    };
                    let (part, whole) = (drawn(true), drawn(false));
                    assert_ne!(part, grey, "{format} {edges:?}");
                    assert!(part == whole, "{format} {width}x{height} {edges:?}");
                }
            }
        }
    }
}
