//! Pictures of a frame, and of a face on it, as JPEG.

use gst_video::{
    VideoConverter, VideoConverterConfig, VideoFormat, VideoFrame, VideoFrameRef, VideoInfo,
};

use crate::events::body::FaceBox;
use crate::watch::jpeg;
use crate::watch::status::Jpeg;

/// How long an encoder may take.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// The side of what is shown around a face, in sides of its box.
const AROUND: f64 = 2.0;

/// The whole frame.
///
/// # Errors
/// When it cannot be encoded.
pub fn whole(frame: &gst::Sample) -> Result<Jpeg, String> {
    jpeg::encode(frame, &gst::Caps::new_empty_simple("image/jpeg"), PATIENCE)
}

/// The face and as much around it.
///
/// # Errors
/// When the face is outside of the frame, or cannot be encoded.
pub fn face(frame: &gst::Sample, face: FaceBox) -> Result<Jpeg, String> {
    let caps = frame.caps().ok_or("a frame without caps")?;
    let info = VideoInfo::from_caps(caps).map_err(|e| e.to_string())?;
    let buffer = frame.buffer().ok_or("a sample without a frame")?;
    let rect = surroundings(face, info.width(), info.height()).ok_or("the face is not on it")?;
    let (cropped, info) = crop(buffer, &info, rect).map_err(|error| error.to_string())?;
    let caps = info.to_caps().map_err(|error| error.to_string())?;
    let sample = gst::Sample::builder().caps(&caps).buffer(&cropped).build();
    whole(&sample)
}

/// The part of a frame that is at x, y, width, height, in a format that encoders take.
fn crop(
    frame: &gst::BufferRef,
    info: &VideoInfo,
    (x, y, width, height): (u32, u32, u32, u32),
) -> Result<(gst::Buffer, VideoInfo), glib::BoolError> {
    let target = VideoInfo::builder(VideoFormat::I420, width, height).fps(info.fps()).build()?;
    let mut config = VideoConverterConfig::new();
    // Inside of a frame, whose sides are far below 2^31.
    let pixels = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    config.set_src_x(pixels(x));
    config.set_src_y(pixels(y));
    config.set_src_width(Some(pixels(width)));
    config.set_src_height(Some(pixels(height)));
    let converter = VideoConverter::new(info, &target, Some(config))?;
    let frame = VideoFrameRef::from_buffer_ref_readable(frame, info)?;
    let buffer = gst::Buffer::with_size(target.size())?;
    let refused = |_| glib::bool_error!("the picture cannot be written");
    let mut cropped = VideoFrame::from_buffer_writable(buffer, &target).map_err(refused)?;
    converter.frame_ref(&frame, &mut cropped.as_mut_video_frame_ref());
    Ok((cropped.into_buffer(), target))
}

/// What is shown of the frame: x, y, width, height, even numbers that the planes of all formats can be
/// cut at.
fn surroundings(face: FaceBox, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
    let side = |start: f64, length: f64, end: u32| {
        let middle = start + length / 2.0;
        let half = length * AROUND / 2.0;
        let from = (middle - half).clamp(0.0, f64::from(end)) as u32 & !1;
        let to = (middle + half).clamp(0.0, f64::from(end)) as u32 & !1;
        (to > from + 8).then_some((from, to - from))
    };
    let (x, width) = side(face.x, face.width, width)?;
    let (y, height) = side(face.y, face.height, height)?;
    Some((x, y, width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surroundings_of_a_face_stay_on_the_frame() {
        let face = |x, y| FaceBox { x, y, width: 100.0, height: 50.0 };
        assert_eq!(surroundings(face(200.0, 100.0), 640, 360), Some((150, 74, 200, 100)));
        assert_eq!(surroundings(face(-50.0, 340.0), 640, 360), Some((0, 314, 100, 46)));
        assert_eq!(surroundings(face(800.0, 0.0), 640, 360), None);
        assert_eq!(surroundings(face(f64::NAN, 0.0), 640, 360), None);
    }
}
