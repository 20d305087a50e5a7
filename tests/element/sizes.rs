//! Pictures from 2×2 to 4K.

use gst::prelude::*;
use gst_video::VideoFormat;

use super::formats::all_formats;
use super::picture::{Picture, bytes, face, found, found_one};
use super::support::{Rig, T, filter, short_clips, stat};

/// Sends a clip of the picture and returns what came out.
fn look(picture: &Picture, format: VideoFormat, detect_size: u32) -> Vec<gst::Buffer> {
    let element = filter(short_clips());
    element.set_property("detect-size", detect_size);
    let info = picture.info(format);
    let mut rig = Rig::new(element);
    rig.caps(&info);
    for _ in 0..T {
        rig.push(picture, &info);
    }
    let outcome = rig.finish();
    assert_eq!(stat::<u64>(&rig.element, "frames-analysed"), T as u64);
    outcome.buffers
}

#[test]
fn pictures_too_small_for_a_face_pass() {
    for format in all_formats() {
        for (width, height) in [(2, 2), (16, 16), (3, 5), (1, 7)] {
            let picture = Picture::new(width, height, &[]);
            let sent = bytes(&picture.buffer(&picture.info(format), 0));
            let buffers = look(&picture, format, 0);
            assert_eq!(buffers.len(), T, "{format} {width}x{height}");
            for buffer in buffers {
                assert!(bytes(&buffer) == sent && found(&buffer).is_empty(), "{format}");
            }
        }
    }
}

#[test]
fn faces_are_found_in_odd_and_small_pictures() {
    let cases = [
        (641, 359, face(333, 101, 77, 90)),
        (33, 17, face(9, 1, 14, 90)),
        (16, 16, face(1, 1, 13, 90)),
        (640, 2, face(9, 0, 12, 90)),
    ];
    for (width, height, drawn) in cases {
        let picture = Picture::new(width, height, &[drawn]);
        for format in [VideoFormat::Rgb, VideoFormat::I420, VideoFormat::Nv12] {
            for buffer in look(&picture, format, 0) {
                if drawn.side_px > height {
                    assert!(found(&buffer).is_empty(), "{width}x{height}");
                    continue;
                }
                let found = found_one(&buffer);
                let far = found.distance_px(&drawn);
                assert!(far <= 2, "{width}x{height} {format}: {:?} is {far} px off", found.rect);
                // Next to its edges a face of 13 px is mixed with what is around it.
                let error = (found.score().unwrap() - 90.0 / 255.0).abs();
                assert!(error < 0.04, "{width}x{height} {format}: {error} off");
            }
        }
    }
}

/// A face that covers the whole picture has no border to be aligned with, but it is one.
#[test]
fn a_face_may_fill_the_picture_and_reach_over_its_edge() {
    for drawn in [face(0, 0, 64, 200), face(-10, 4, 40, 200), face(40, 40, 60, 200)] {
        let picture = Picture::new(64, 64, &[drawn]);
        for buffer in look(&picture, VideoFormat::Rgb, 0) {
            let (x, y, width, height) = found_one(&buffer).rect;
            assert!(width > 0 && height > 0 && x + width <= 64 && y + height <= 64);
        }
    }
}

#[test]
fn a_4k_picture_is_analysed_whole_or_scaled_down() {
    let drawn = face(2801, 1403, 301, 120);
    let picture = Picture::new(3840, 2160, &[drawn]);
    for detect_size in [0, 960u32] {
        let element = filter(short_clips());
        element.set_property("detect-size", detect_size);
        element.set_property("detect-interval", 100u32);
        let info = picture.info(VideoFormat::Nv12);
        let mut rig = Rig::new(element);
        rig.caps(&info);
        for _ in 0..T {
            rig.push(&picture, &info);
        }
        for buffer in rig.finish().buffers {
            let found = found_one(&buffer);
            // A quarter of the size: a pixel there is four here.
            let limit = if detect_size == 0 { 2 } else { 4 };
            let far = found.distance_px(&drawn);
            assert!(far <= limit, "detect-size {detect_size}: {:?} is {far} px off", found.rect);
            assert!((found.score().unwrap() - 120.0 / 255.0).abs() < 0.02);
        }
    }
}
