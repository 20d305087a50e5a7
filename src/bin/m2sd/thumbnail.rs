//! Small pictures of faces, for pages.

use std::path::Path;

use gst::prelude::*;
use gstm2sd::watch::pipeline::upright::UPRIGHT;

/// More than a large file takes on a slow machine.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);
/// Around the face's box, in sides of it.
const MARGIN: f64 = 0.2;

/// A time within the last frame of a clip, whose end is that frame's end.
pub fn last_frame(start: f64, end: f64) -> f64 {
    (end - 0.01).max(start).max(0.0)
}

/// The face in a box (left, top, width and height in pixels of the upright frame) at a time of a video in
/// seconds, as a square JPEG picture of this side; `None` where it cannot be had, which leaves a page
/// without it.
pub fn thumbnail(file: &Path, at: f64, bbox: [f64; 4], side_px: i32) -> Option<Vec<u8>> {
    let sample = frame(file, at)?;
    jpeg(&crop(&sample, bbox)?, side_px, side_px)
}

/// The upright frame at a time of a video in seconds, as JPEG picture of this width; `None` where it cannot be
/// had.
pub fn whole(file: &Path, at: f64, width_px: i32) -> Option<Vec<u8>> {
    let sample = frame(file, at)?;
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let shape = f64::from(info.height()) / f64::from(info.width().max(1));
    jpeg(&sample, width_px, (f64::from(width_px) * shape).round().clamp(1.0, 4096.0) as i32)
}

fn jpeg(sample: &gst::Sample, width: i32, height: i32) -> Option<Vec<u8>> {
    let caps =
        gst::Caps::builder("image/jpeg").field("width", width).field("height", height).build();
    let jpeg = gst_video::convert_sample(sample, &caps, Some(PATIENCE)).ok()?;
    let map = jpeg.buffer()?.map_readable().ok()?;
    Some(map.to_vec())
}

/// The upright frame at a time in seconds, as packed RGB.
fn frame(file: &Path, at: f64) -> Option<gst::Sample> {
    let launch = format!(
        "filesrc name=source ! decodebin ! {UPRIGHT} ! videoconvert ! video/x-raw,format=RGB ! \
         appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&launch).ok()?.downcast::<gst::Pipeline>().ok()?;
    pipeline.by_name("source")?.set_property("location", file);
    let sample = (|| {
        pipeline.set_state(gst::State::Paused).ok()?;
        pipeline.state(PATIENCE).0.ok()?;
        if at > 0.0 {
            let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
            let time = gst::ClockTime::from_nseconds((at * 1e9) as u64);
            // Where it cannot seek, the first frame has to do.
            if pipeline.seek_simple(flags, time).is_ok() {
                pipeline.state(PATIENCE).0.ok()?;
            }
        }
        let sink = pipeline.by_name("sink")?;
        sink.emit_by_name::<Option<gst::Sample>>("try-pull-preroll", &[&PATIENCE.nseconds()])
    })();
    let stopping = pipeline.clone();
    crate::bounded::run(std::time::Duration::from_secs(5), move || {
        stopping.set_state(gst::State::Null).is_ok()
    });
    sample
}

/// The square around a box, as far as it lies in the frame, black beyond.
fn crop(sample: &gst::Sample, [x, y, width, height]: [f64; 4]) -> Option<gst::Sample> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let stride = usize::try_from(*info.stride().first()?).ok()?;
    let pixels = frame.plane_data(0).ok()?;
    let side = (width.max(height) * (1.0 + 2.0 * MARGIN)).clamp(8.0, 4096.0) as i64;
    let left = (x + width / 2.0) as i64 - side / 2;
    let top = (y + height / 2.0) as i64 - side / 2;
    let mut square = Vec::new();
    for row in top..top + side {
        for column in left..left + side {
            let inside = (0..i64::from(info.height())).contains(&row)
                && (0..i64::from(info.width())).contains(&column);
            let pixel = inside.then(|| {
                let at = usize::try_from(row).ok()? * stride + usize::try_from(column).ok()? * 3;
                pixels.get(at..at + 3)
            });
            square.extend_from_slice(pixel.flatten().unwrap_or(&[0; 3]));
        }
        // Rows begin at multiples of four bytes.
        square.resize(square.len().next_multiple_of(4), 0);
    }
    let side = u32::try_from(side).ok()?;
    let format = gst_video::VideoFormat::Rgb;
    let caps = gst_video::VideoInfo::builder(format, side, side).build().ok()?.to_caps().ok()?;
    let buffer = gst::Buffer::from_mut_slice(square);
    Some(gst::Sample::builder().buffer(&buffer).caps(&caps).build())
}
