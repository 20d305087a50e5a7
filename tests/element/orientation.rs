//! Streams that say how they are to be turned: faces are looked for upright.

use gst::prelude::*;
use gstm2sd::core::geometry::{Point, Size};
use gstm2sd::core::orientation::Orientation;

use super::picture::{FRAME_DURATION, FoundFace, Picture, face, found_one};
use super::support::{T, Watchdog, init, short_clips};

/// Plays pictures through `between` and the element, and returns the face of each frame.
fn play(pictures: &[Picture], between: &str, orientation: &str) -> Vec<FoundFace> {
    let _watchdog = Watchdog::new();
    init();
    let engines = short_clips().display();
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=in format=time ! {between} ! m2sdfilter engines-dir={engines} provider=cpu \
         threads=1 mode=complete draw=false orientation={orientation} ! appsink name=out sync=false"
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    let info = pictures[0].rgb_info();
    source.set_caps(Some(&info.to_caps().unwrap()));
    pipeline.set_state(gst::State::Playing).unwrap();
    for (number, picture) in pictures.iter().enumerate() {
        let mut buffer = picture.buffer(&info, number as u64);
        buffer.make_mut().set_pts(FRAME_DURATION * number as u64);
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let samples = std::iter::from_fn(|| sink.pull_sample().ok());
    let faces = samples.map(|sample| {
        let stored = (sample.buffer().unwrap().size(), info.size());
        // Frames stay as they are stored, but for the turn that a control asks for.
        assert_eq!(stored.0, stored.1);
        found_one(sample.buffer().unwrap())
    });
    let faces = faces.collect();
    pipeline.set_state(gst::State::Null).unwrap();
    faces
}

fn inject(orientation: Orientation) -> String {
    format!("taginject tags=\"image-orientation={}\"", orientation.as_tag())
}

fn points(face: &FoundFace, size: Size) -> Vec<Point> {
    let (w, h) = (f64::from(size.width()), f64::from(size.height()));
    let point = |xy: &[f64]| Point { x: (xy[0] * w) as f32, y: (xy[1] * h) as f32 };
    face.landmarks.chunks(2).map(point).collect()
}

fn distance(a: Point, b: Point) -> f32 {
    (a.x - b.x).abs().max((a.y - b.y).abs())
}

#[test]
fn faces_are_read_upright_and_told_in_the_streams_own_places() {
    // Not square, and the face in no middle: every turn puts it elsewhere.
    let stored = Size::new(160, 96).unwrap();
    let pictures: Vec<_> =
        [40, 90, 140, 190, 90].map(|red| Picture::new(160, 96, &[face(20, 30, 48, red)])).to_vec();
    for orientation in Orientation::ALL {
        let turned = play(&pictures, &inject(orientation), "auto");
        // GStreamer's own element turns the frames. Behind that of 1.22 the tag still says so.
        let control = format!("{} ! videoflip video-direction=auto", inject(orientation));
        let upright = play(&pictures, &control, "rotate-0");
        // Without a tag, a property says it.
        let told = play(&pictures, "identity", orientation.as_tag());
        let rects =
            |faces: &[FoundFace]| faces.iter().map(|f| f.landmarks.clone()).collect::<Vec<_>>();
        assert_eq!(rects(&told), rects(&turned), "{orientation:?}");
        assert_eq!((turned.len(), upright.len()), (5, 5));
        let size = orientation.upright_size(stored);
        for (found, control) in turned.iter().zip(&upright) {
            let stored_points = points(control, size).into_iter();
            let stored_points = stored_points.map(|point| orientation.stored_point(point, stored));
            for (found, expected) in points(found, stored).into_iter().zip(stored_points) {
                assert!(
                    distance(found, expected) < 0.01,
                    "{orientation:?}: {found:?} {expected:?}"
                );
            }
            let (x, y, width, height) = found.rect;
            let rect = [x, y, x + width, y + height];
            assert_eq!(found.distance_px(&pictures[0].faces[0]), 0, "{orientation:?}: {rect:?}");
            let scores = (found.score().unwrap(), control.score().unwrap());
            assert!((scores.0 - scores.1).abs() < 1e-3, "{orientation:?}: {scores:?}");
        }
    }
    assert_eq!(T, 4, "five frames make two clips");
}

#[test]
fn an_unknown_orientation_changes_nothing() {
    let picture = Picture::new(160, 96, &[face(20, 30, 48, 90)]);
    let found =
        play(&vec![picture.clone(); 5], "taginject tags=\"image-orientation=rotate-45\"", "auto");
    assert!(found.iter().all(|face| face.distance_px(&picture.faces[0]) == 0));
}
