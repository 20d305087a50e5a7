//! Pictures in, pictures out.

use std::path::Path;

use gst::prelude::*;
use gstm2sd::models::synth::ClipShape;

use crate::{classifier, m2sd, of_type, records, scene, stderr, text};

/// So many frames of the drawn scene, one after the other, each as a picture of this type.
fn picture(frames: usize, media: &str, path: &Path) {
    gst::init().unwrap();
    let launch = "filesrc name=source ! decodebin ! videoconvert ! video/x-raw,format=RGB ! \
                  appsink name=sink sync=false";
    let pipeline = gst::parse::launch(launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("source").unwrap();
    source.set_property("location", text(&scene().join("scene.mp4")));
    let sink = pipeline.by_name("sink").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let caps = gst::Caps::new_empty_simple(media);
    let mut bytes = Vec::new();
    for _ in 0..frames {
        let frame: gst::Sample = sink.emit_by_name("pull-sample", &[]);
        let encoded = gst_video::convert_sample(&frame, &caps, gst::ClockTime::NONE).unwrap();
        bytes.extend_from_slice(&encoded.buffer().unwrap().map_readable().unwrap());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Width, height and the packed red, green and blue of a PNG.
fn pixels(path: &Path) -> (u32, u32, Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut all = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut all).unwrap();
    let all = match info.color_type {
        png::ColorType::Rgb => all,
        png::ColorType::Rgba => all.chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect(),
        other => panic!("{other:?}"),
    };
    (info.width, info.height, all)
}

#[test]
fn a_picture_is_annotated_as_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let shape = ClipShape { frames: 1, size_px: 32, ..ClipShape::default() };
    let model = classifier(dir.path(), shape);
    let (png, jpeg) = (dir.path().join("one.png"), dir.path().join("two.jpg"));
    picture(1, "image/png", &png);
    // One after the other in a file that is called a picture.
    picture(3, "image/jpeg", &jpeg);
    for (input, frames) in [(&png, 1), (&jpeg, 3)] {
        let out = input.with_extension("results");
        let engines = scene().join("engines");
        let args = ["scan", text(input), "--out", text(&out), "--engines", text(&engines)];
        let run = m2sd(&[&args[..], &["--classifier", text(&model), "--quiet"]].concat());
        assert!(run.status.success(), "{}", stderr(&run));
        assert!(stderr(&run).contains("Annotated picture: "), "{}", stderr(&run));
        assert!(!out.join("annotated.mp4").exists());
        let told = records(&std::fs::read_to_string(out.join("scores.jsonl")).unwrap());
        assert_eq!(of_type(&told, "frame").len(), frames);
        let face = &of_type(&told, "frame")[0]["faces"][0];
        assert_eq!(face["label"], "fake", "{face}");
        // What is drawn is drawn on the input: most of it is as it was.
        let (width, height, drawn) = pixels(&out.join("annotated.png"));
        let (wide, high, before) = pixels(&png);
        assert_eq!((width, height), (wide, high));
        let differs = |(a, b): &(&u8, &u8)| a.abs_diff(**b) > 40;
        let changed = drawn.iter().zip(&before).filter(differs).count() as f64;
        let part = changed / before.len() as f64;
        assert!(part > 0.002 && part < 0.3, "{part} of the picture has changed");
        // One file holds one picture.
        let bytes = std::fs::read(out.join("annotated.png")).unwrap();
        let ends = bytes.windows(4).filter(|part| part == b"IEND").count();
        assert_eq!(ends, 1);
        // Its results are used again, and it has a report.
        let again = m2sd(&[&args[..], &["--classifier", text(&model), "--quiet"]].concat());
        assert!(stderr(&again).contains("were there"), "{}", stderr(&again));
        assert!(m2sd(&["report", text(&out)]).status.success());
    }
}

#[test]
fn pictures_that_may_move_are_videos() {
    let dir = tempfile::tempdir().unwrap();
    let gif = dir.path().join("moves.gif");
    std::fs::write(&gif, crate::pictures::bytes(crate::pictures::ANIMATED_GIF)).unwrap();
    let out = dir.path().join("out");
    let engines = scene().join("engines");
    // Its demuxer loops for ever on some versions: what counts is what would be written.
    let run = m2sd(&[
        "scan",
        text(&gif),
        "--out",
        text(&out),
        "--engines",
        text(&engines),
        "--timeout",
        "3",
        "--duration",
        "1",
    ]);
    assert!(!out.join("annotated.png").exists(), "{}", stderr(&run));
}
