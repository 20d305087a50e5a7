//! Interlaced video: a scan makes it progressive before anything is looked for in it.

use std::path::Path;

use gst_video::{VideoConverter, VideoFormat, VideoFrame, VideoInfo};
use gstm2sd::models::synth::scene::Face;

use super::running::assert_code;
use super::{m2sd, of_type, records, scene, text};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const FRAMES: usize = 20;
const SIDE_PX: u32 = 64;

/// A grey picture with a face, as planes of 4:2:0.
fn i420(left_px: i32) -> Vec<u8> {
    gst::init().unwrap();
    let info = |format| VideoInfo::builder(format, WIDTH, HEIGHT).build().unwrap();
    let (rgb_info, info) = (info(VideoFormat::Rgb), info(VideoFormat::I420));
    let mut rgb = vec![90; rgb_info.size()];
    Face { left_px, top_px: 80, side_px: SIDE_PX, red: 90 }.draw(&mut rgb, WIDTH as usize);
    let source = gst::Buffer::from_mut_slice(rgb);
    let source = VideoFrame::from_buffer_readable(source, &rgb_info).unwrap();
    let target = gst::Buffer::from_mut_slice(vec![0; info.size()]);
    let mut target = VideoFrame::from_buffer_writable(target, &info).unwrap();
    VideoConverter::new(&rgb_info, &info, None).unwrap().frame(&source, &mut target);
    target.into_buffer().map_readable().unwrap().to_vec()
}

/// Even rows of one picture and odd rows of another.
fn woven(upper: &[u8], lower: &[u8]) -> Vec<u8> {
    let (luma, chroma) = ((WIDTH * HEIGHT) as usize, (WIDTH / 2) as usize);
    let row = |at: usize| if at < luma { at / WIDTH as usize } else { (at - luma) / chroma };
    let pixel = |at: usize| if row(at) % 2 == 0 { upper[at] } else { lower[at] };
    (0..upper.len()).map(pixel).collect()
}

/// A face that moves by three quarters of itself from field to field, as a file that is said to be
/// interlaced or not.
fn video(to: &Path, interlacing: &str) {
    let header = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 {interlacing} A1:1 C420jpeg\n");
    let mut file = header.into_bytes();
    for number in 0..FRAMES as i32 {
        let left_px = 40 + 2 * number;
        file.extend(b"FRAME\n");
        file.extend(woven(&i420(left_px), &i420(left_px + 48)));
    }
    std::fs::write(to, file).unwrap();
}

/// The left edge of each face, frame by frame.
fn lefts(dir: &Path, interlacing: &str) -> Vec<Vec<f64>> {
    let file = dir.join(format!("{interlacing}.y4m"));
    video(&file, interlacing);
    let results = dir.join(interlacing);
    let engines = scene().join("engines");
    let args = ["scan", text(&file), "--out", text(&results), "--engines", text(&engines)];
    assert_code(&m2sd(&args), 0);
    let records = records(&std::fs::read_to_string(results.join("scores.jsonl")).unwrap());
    let frames = of_type(&records, "frame").into_iter();
    let left = |face: &serde_json::Value| face["box"][0].as_f64().unwrap();
    frames.map(|frame| frame["faces"].as_array().unwrap().iter().map(left).collect()).collect()
}

#[test]
fn fields_of_interlaced_video_are_taken_apart() {
    let dir = tempfile::tempdir().unwrap();
    let found = lefts(dir.path(), "It");
    assert_eq!(found.len(), FRAMES, "the frame rate stays");
    for (number, faces) in found.iter().enumerate() {
        assert_eq!(faces.len(), 1, "frame {number}: {faces:?}");
        let drawn = 40.0 + 2.0 * number as f64;
        assert!((faces[0] - drawn).abs() <= 2.0, "frame {number}: {} not {drawn}", faces[0]);
    }
    // The same pixels, said to be progressive, pass as they are: no face is whole.
    let found = lefts(dir.path(), "Ip");
    assert_eq!(found, vec![Vec::<f64>::new(); FRAMES]);
}
