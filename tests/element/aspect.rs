//! Pictures whose pixels are not square: faces are looked for as people see them, and told in the
//! stream's own places.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

use super::formats::all_formats;
use super::picture::{FoundFace, Picture, face, found};
use super::support::{Rig, T, error_text, filter, init, pass_clip, short_clips};

/// How a picture is stored: width, height and pixel aspect ratio.
type Stored = (u32, u32, (i32, i32));

fn info(format: VideoFormat, (width, height, par): Stored) -> VideoInfo {
    init();
    let info = VideoInfo::builder(format, width, height).fps(gst::Fraction::new(25, 1));
    info.par(gst::Fraction::new(par.0, par.1)).build().unwrap()
}

/// Sends a clip of the picture, stored so.
fn look(picture: &Picture, info: &VideoInfo) -> Vec<FoundFace> {
    found(&pass_clip(picture, info)[T - 1])
}

/// The edges of a face's box, as parts of the picture.
fn edges(face: &FoundFace, info: &VideoInfo) -> [f64; 4] {
    let (x, y, width, height) = face.rect;
    let across = |at: u32| f64::from(at) / f64::from(info.width());
    let down = |at: u32| f64::from(at) / f64::from(info.height());
    [across(x), down(y), across(x + width), down(y + height)]
}

/// Asserts that the same faces were found, within some px of the picture as seen.
fn assert_same(
    (faces, info): (&[FoundFace], &VideoInfo),
    (control, square): (&[FoundFace], &VideoInfo),
    (px, score): (f64, f64),
) {
    let what = format!("{} {}x{} {}", info.format(), info.width(), info.height(), info.par());
    assert_eq!(faces.len(), control.len(), "{what}");
    let sides = [square.width(), square.height()].map(f64::from);
    for (face, control) in faces.iter().zip(control) {
        let edges = edges(face, info).into_iter().zip(edges(control, square));
        for ((edge, expected), side) in edges.zip(sides.iter().cycle()) {
            let off = (edge - expected).abs() * side;
            assert!(off <= px, "{what}: {off} px off");
        }
        let points = face.landmarks.iter().zip(&control.landmarks).zip(sides.iter().cycle());
        for ((at, expected), side) in points {
            let off = (at - expected).abs() * side;
            assert!(off <= px, "{what}: a point is {off} px off");
        }
        let (found, expected) = (face.score().unwrap(), control.score().unwrap());
        assert!((found - expected).abs() <= score, "{what}: {found}, not {expected}");
    }
}

fn two_faces() -> Picture {
    Picture::new(640, 360, &[face(104, 48, 96, 150), face(400, 160, 64, 60)])
}

#[test]
fn pictures_of_every_format_that_were_squeezed_show_the_same_faces() {
    let picture = two_faces();
    // The largest stretch makes of a face what the detector does not take for one.
    let squeezed = [(320, 360, (2, 1)), (640, 180, (1, 2)), (160, 360, (4, 1)), (640, 90, (1, 4))];
    for format in all_formats() {
        let square = info(format, (640, 360, (1, 1)));
        let control = look(&picture, &square);
        assert_eq!(control.len(), if square.is_gray() { 0 } else { 2 }, "{format}");
        for stored in squeezed {
            let info = info(format, stored);
            let faces = look(&picture, &info);
            assert_same((&faces, &info), (&control, &square), (6.0, 0.02));
        }
    }
}

#[test]
fn ratios_of_broadcasts_count() {
    let ratios = [
        (1024, (720, 576, (64, 45))),
        (1047, (720, 576, (16, 11))),
        (655, (720, 480, (10, 11))),
        (1920, (1440, 1080, (4, 3))),
    ];
    for (width, stored) in ratios {
        let height = stored.1;
        let picture =
            Picture::new(width, height, &[face(104, 48, 96, 150), face(400, 160, 64, 60)]);
        let square = info(VideoFormat::I420, (width, height, (1, 1)));
        let info = info(VideoFormat::I420, stored);
        let (faces, control) = (look(&picture, &info), look(&picture, &square));
        assert_eq!(control.len(), 2);
        assert_same((&faces, &info), (&control, &square), (3.0, 0.02));
    }
}

#[test]
fn a_picture_that_videoscale_squeezes_is_seen_as_before() {
    let picture = two_faces();
    let play = |caps: &str| -> (Vec<FoundFace>, VideoInfo) {
        let _watchdog = super::support::Watchdog::new();
        init();
        let line = format!(
            "appsrc name=in format=time ! videoscale add-borders=false ! video/x-raw,{caps} ! \
             taginject tags=\"image-orientation=rotate-90\" ! m2sdfilter engines-dir={} \
             provider=cpu threads=1 mode=complete draw=false ! appsink name=out sync=false",
            short_clips().display()
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let source = pipeline.by_name("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
        let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        let info = picture.rgb_info();
        source.set_caps(Some(&info.to_caps().unwrap()));
        pipeline.set_state(gst::State::Playing).unwrap();
        for number in 0..T as u64 {
            source.push_buffer(picture.buffer(&info, number)).unwrap();
        }
        source.end_of_stream().unwrap();
        let samples: Vec<_> = std::iter::from_fn(|| sink.pull_sample().ok()).collect();
        let last = samples.last().unwrap();
        let faces = found(last.buffer().unwrap());
        let info = VideoInfo::from_caps(last.caps().unwrap()).unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
        (faces, info)
    };
    let (control, square) = play("width=640,height=360,pixel-aspect-ratio=1/1");
    assert_eq!(control.len(), 2);
    for caps in [
        "width=320,height=360,pixel-aspect-ratio=2/1",
        "width=640,height=180,pixel-aspect-ratio=1/2",
        "width=160,height=360,pixel-aspect-ratio=4/1",
    ] {
        let (faces, info) = play(caps);
        assert_same((&faces, &info), (&control, &square), (6.0, 0.02));
    }
}

/// The warnings of a stream whose pixels are said to be so, and its faces.
fn warnings_with(caps: &gst::Caps, picture: &Picture) -> (Vec<FoundFace>, Vec<String>) {
    let mut rig = Rig::new(filter(short_clips()));
    rig.harness.set_src_caps(caps.clone());
    for _ in 0..T {
        rig.push(picture, &picture.rgb_info());
    }
    assert!(rig.harness.push_event(gst::event::Eos::new()));
    rig.await_event(gst::EventType::Eos);
    let buffers: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull()).collect();
    let warnings = std::iter::from_fn(|| rig.bus.pop()).filter_map(|message| {
        assert_ne!(message.type_(), gst::MessageType::Error, "{}", error_text(&message));
        let gst::MessageView::Warning(warning) = message.view() else { return None };
        Some(warning.error().to_string())
    });
    let warnings = warnings.collect();
    (found(&buffers[T - 1]), warnings)
}

#[test]
fn ratios_that_no_video_has_are_taken_as_square_with_a_warning() {
    let picture = two_faces();
    let square = picture.rgb_info();
    let control = look(&picture, &square);
    let with = |numerator: i32, denominator: i32| {
        let mut caps = square.to_caps().unwrap();
        let ratio = gst::Fraction::new(numerator, denominator);
        caps.make_mut().set("pixel-aspect-ratio", ratio);
        warnings_with(&caps, &picture)
    };
    for (numerator, denominator) in [(0, 1), (1000, 1), (1, 1000), (i32::MAX, 1), (-2, 1)] {
        let (faces, warnings) = with(numerator, denominator);
        assert_same((&faces, &square), (&control, &square), (0.0, 0.0));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let said = format!("pixel-aspect-ratio of {numerator}/{denominator}");
        assert!(warnings[0].contains(&said), "{warnings:?}");
    }
    let (faces, warnings) = with(1, 1);
    assert_eq!((faces.len(), warnings), (2, Vec::<String>::new()));
}

#[test]
fn faces_stay_whose_they_are_when_the_shape_of_pixels_changes() {
    let picture = two_faces();
    let stored = [(640, 360, (1, 1)), (320, 360, (2, 1)), (160, 360, (4, 1)), (640, 180, (1, 2))];
    let mut rig = Rig::new(filter(short_clips()));
    let infos = stored.map(|stored| info(VideoFormat::Rgb, stored));
    for info in &infos {
        rig.caps(info);
        for _ in 0..T {
            rig.push(&picture, info);
        }
    }
    let buffers = rig.finish().buffers;
    assert_eq!(buffers.len(), T * infos.len());
    let control = found(&buffers[T - 1]);
    let tracks = |faces: &[FoundFace]| faces.iter().map(|f| f.track).collect::<Vec<_>>();
    for (info, frames) in infos.iter().zip(buffers.chunks(T)) {
        for buffer in frames {
            let faces = found(buffer);
            assert_same((&faces, info), (&control, &infos[0]), (6.0, 0.02));
            assert_eq!(tracks(&faces), tracks(&control), "{}", info.par());
        }
    }
}
