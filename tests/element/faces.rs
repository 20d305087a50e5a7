//! What happens to the pixels of frames with and without faces.

use gst::prelude::*;
use gst_video::VideoFormat;

use super::picture::{Picture, bytes, face, found, one_face};
use super::support::{Outcome, Rig, T, filter, short_clips};

fn address(buffer: &gst::BufferRef) -> *const u8 {
    buffer.peek_memory(0).map_readable().unwrap().as_ptr()
}

fn run(element: gst::Element, picture: &Picture, format: VideoFormat) -> Outcome {
    let info = picture.info(format);
    let mut rig = Rig::new(element);
    rig.caps(&info);
    for _ in 0..T {
        rig.push(picture, &info);
    }
    rig.finish()
}

#[test]
fn a_frame_without_faces_passes_untouched() {
    for mode in ["live", "complete"] {
        let element = filter(short_clips());
        element.set_property_from_str("mode", mode);
        element.set_property("draw", true);
        let picture = Picture::new(160, 120, &[]);
        for format in [VideoFormat::Rgb, VideoFormat::Nv12] {
            let mut rig = Rig::new(element.clone());
            let info = picture.info(format);
            // Before that, frames say that nobody looked for faces.
            rig.await_engines_with(&picture, &info);
            for number in 0..8 {
                let sent = picture.buffer(&info, number);
                // A second owner: a copy would show, as would a change in place.
                let kept = sent.clone();
                rig.harness.push(sent).unwrap();
                let received = rig.pull();
                assert_eq!(received.as_ptr(), kept.as_ptr(), "another GstBuffer");
                assert_eq!(bytes(&received), bytes(&picture.buffer(&info, number)));
            }
        }
    }
}

#[test]
fn a_face_leaves_the_pixels_alone_unless_drawn() {
    let picture = one_face(90);
    let info = picture.rgb_info();
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(&info);
    let sent: Vec<_> = (0..T as u64).map(|number| picture.buffer(&info, number)).collect();
    for buffer in &sent {
        rig.harness.push(buffer.clone()).unwrap();
    }
    for (received, sent) in rig.finish().buffers.iter().zip(&sent) {
        assert_eq!(address(received), address(sent), "the pixels were copied");
        assert_eq!((found(received).len(), found(sent).len()), (1, 0));
        assert_eq!(bytes(sent), bytes(&picture.buffer(&info, 0)));
    }
}

/// The smallest rectangle of changed pixels of an RGB frame: left, top, right, bottom, exclusive.
fn changed(before: &[u8], after: &[u8], width: usize) -> Option<[usize; 4]> {
    let pixels = before.chunks(3).zip(after.chunks(3)).enumerate();
    let places = pixels.filter(|(_, (b, a))| b != a).map(|(i, _)| (i % width, i / width));
    places.fold(None, |bounds, (x, y)| {
        let [l, t, r, b] = bounds.unwrap_or([x, y, x + 1, y + 1]);
        Some([l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)])
    })
}

#[test]
fn a_drawing_stays_near_the_face() {
    let drawn = face(100, 100, 96, 90);
    let picture = Picture::new(640, 360, &[drawn]);
    let element = filter(short_clips());
    element.set_property("draw", true);
    let before = bytes(&picture.buffer(&picture.rgb_info(), 0));
    for buffer in run(element, &picture, VideoFormat::Rgb).buffers {
        let after = bytes(&buffer);
        let [left, top, right, bottom] = changed(&before, &after, 640).expect("nothing is drawn");
        // One line of text above the box, which may be longer than the box is wide.
        assert!(left >= 100 && (80..100).contains(&top), "{left}, {top}");
        assert!((196..=400).contains(&right) && bottom == 196, "{right}, {bottom}");
        let colour = |x: usize, y: usize| &after[3 * (640 * y + x)..][..3];
        // Real is cyan, and within the outline the face is as it was.
        assert_eq!(colour(100, 150), [0, 255, 255]);
        assert_eq!(colour(150, 195), [0, 255, 255]);
        assert_eq!(colour(150, 150), drawn.rgb());
    }
}

#[test]
fn every_format_can_be_drawn_on() {
    let picture = Picture::new(320, 180, &[face(101, 47, 61, 250)]);
    for format in super::formats::all_formats().into_iter().filter(|f| *f != VideoFormat::Gray8) {
        let element = filter(short_clips());
        element.set_property("draw", true);
        let before = bytes(&picture.buffer(&picture.info(format), 0));
        for buffer in run(element, &picture, format).buffers {
            assert_ne!(bytes(&buffer), before, "{format}: nothing is drawn");
        }
    }
}

#[test]
fn a_buffer_that_others_hold_is_not_drawn_on() {
    let picture = one_face(90);
    let info = picture.rgb_info();
    let element = filter(short_clips());
    element.set_property("draw", true);
    let mut rig = Rig::new(element);
    rig.caps(&info);
    let sent: Vec<_> = (0..T as u64).map(|number| picture.buffer(&info, number)).collect();
    sent.iter().for_each(|buffer| assert!(rig.harness.push(buffer.clone()).is_ok()));
    for (received, sent) in rig.finish().buffers.iter().zip(&sent) {
        assert_ne!(bytes(received), bytes(sent));
        assert_eq!(bytes(sent), bytes(&picture.buffer(&info, 0)));
    }
}

/// Twenty faces in four rows, redder from one to the next.
fn twenty() -> Picture {
    let place = |i: i32| face(20 + 120 * (i % 5), 10 + 85 * (i / 5), 60, 10 + 12 * i as u8);
    Picture::new(640, 360, &(0..20).map(place).collect::<Vec<_>>())
}

#[test]
fn twenty_faces_are_followed_when_that_many_may() {
    let element = filter(short_clips());
    element.set_property("max-faces", 20u32);
    let picture = twenty();
    for buffer in run(element, &picture, VideoFormat::Rgb).buffers {
        let faces = found(&buffer);
        assert_eq!(faces.len(), 20);
        let mut tracks: Vec<_> = faces.iter().map(|face| face.track.unwrap()).collect();
        tracks.sort_unstable();
        assert_eq!(tracks, (0..20).collect::<Vec<_>>());
        for drawn in &picture.faces {
            let face = faces.iter().find(|face| face.distance_px(drawn) == 0);
            let score = face.unwrap_or_else(|| panic!("{drawn:?} was not found")).score().unwrap();
            assert!((score - f64::from(drawn.red) / 255.0).abs() < 1e-3, "{drawn:?}: {score}");
        }
    }
}

#[test]
fn max_faces_and_min_face_are_respected() {
    let element = filter(short_clips());
    assert_eq!(element.property::<u32>("max-faces"), 10);
    for buffer in run(element, &twenty(), VideoFormat::Rgb).buffers {
        assert_eq!(found(&buffer).len(), 10);
    }
    let element = filter(short_clips());
    element.set_property("min-face", 50u32);
    let sizes = Picture::new(320, 120, &[face(10, 10, 48, 90), face(100, 10, 52, 90)]);
    for buffer in run(element, &sizes, VideoFormat::Rgb).buffers {
        assert_eq!(super::picture::found_one(&buffer).rect, (100, 10, 52, 52));
    }
}
