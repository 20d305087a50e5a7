//! Every pixel format, stride and colorimetry gives the same faces and scores.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoMeta};

use super::picture::{Picture, bytes, face, found, found_one};
use super::support::{Rig, T, filter, init, pass_clip, short_clips};

/// Level of red of the drawn face: far from both ends, where errors would be clipped.
const RED: u8 = 150;
const LEVEL: f64 = 1.0 / 255.0;

/// What the template of the sink pad names.
pub fn all_formats() -> Vec<VideoFormat> {
    let element = filter(short_clips());
    let caps = element.pad_template("sink").unwrap().caps().to_owned();
    let formats: gst::List = caps.structure(0).unwrap().get("format").unwrap();
    formats.iter().map(|f| f.get::<String>().unwrap().parse().unwrap()).collect()
}

/// The error of a score that a trip to this format and back may cause.
fn tolerance(info: &VideoInfo) -> f64 {
    if info.is_rgb() {
        // Nothing but the arithmetic of the alignment.
        0.5 * LEVEL
    } else if info.comp_depth(0) > 8 {
        // Rounded to 8 bits at the end only.
        1.5 * LEVEL
    } else {
        // Luma and chroma are rounded on the way there, and on the way back GStreamer's quick
        // 8-bit converters multiply with few bits.
        5.0 * LEVEL
    }
}

fn assert_found(picture: &Picture, info: &VideoInfo, buffers: &[gst::Buffer]) {
    for buffer in buffers {
        let face = found_one(buffer);
        let far = face.distance_px(&picture.faces[0]);
        assert!(far <= 2, "{}: the box is {far} px off: {:?}", info.format(), face.rect);
        let (score, expected) = (face.score().unwrap(), f64::from(RED) * LEVEL);
        let error = (score - expected).abs();
        assert!(error < tolerance(info), "{}: {score}, not {expected}", info.format());
    }
}

#[test]
fn every_format_gives_box_and_score() {
    let picture = Picture::new(320, 180, &[face(101, 47, 61, RED)]);
    let formats = all_formats();
    assert!(formats.len() >= 15, "{formats:?}");
    for format in formats {
        let info = picture.info(format);
        let buffers = pass_clip(&picture, &info);
        if info.is_gray() {
            // Without colour there is none of these faces.
            assert!(buffers.iter().all(|buffer| found(buffer).is_empty()));
        } else {
            assert_found(&picture, &info, &buffers);
        }
    }
}

/// The frame of `buffer` with rows and planes at uneven distances, which a video meta tells.
fn scattered(buffer: &gst::Buffer, info: &VideoInfo) -> gst::Buffer {
    let (mut strides, mut offsets, mut data) = (Vec::new(), Vec::new(), Vec::new());
    let packed = bytes(buffer);
    for plane in 0..info.n_planes() as usize {
        let stride = info.stride()[plane] as usize;
        let next = info.offset().get(plane + 1).filter(|o| **o > 0);
        let rows = &packed[info.offset()[plane]..*next.unwrap_or(&info.size())];
        data.extend([0xAA; 31]);
        offsets.push(data.len());
        strides.push(stride as i32 + 13);
        for row in rows.chunks(stride) {
            data.extend(row);
            data.extend([0x55; 13]);
        }
    }
    let mut padded = gst::Buffer::from_mut_slice(data);
    let padded_ref = padded.get_mut().unwrap();
    buffer.copy_into(padded_ref, gst::BufferCopyFlags::TIMESTAMPS, ..).unwrap();
    let flags = gst_video::VideoFrameFlags::empty();
    let (w, h) = (info.width(), info.height());
    VideoMeta::add_full(padded_ref, flags, info.format(), w, h, &offsets, &strides).unwrap();
    padded
}

#[test]
fn strides_and_offsets_of_a_video_meta_count() {
    let picture = Picture::new(321, 179, &[face(101, 47, 61, RED)]);
    use VideoFormat as F;
    for format in [F::Rgb, F::Bgrx, F::I420, F::Nv12, F::Yuy2, F::Y42b, F::P01010le] {
        let info = picture.info(format);
        let mut rig = Rig::new(filter(short_clips()));
        rig.caps(&info);
        for number in 0..T as u64 {
            let buffer = scattered(&picture.buffer(&info, number), &info);
            rig.harness.push(buffer).unwrap();
        }
        assert_found(&picture, &info, &rig.finish().buffers);
    }
}

#[test]
fn colorimetry_and_range_count() {
    init();
    let picture = Picture::new(320, 180, &[face(100, 48, 64, RED)]);
    // Range, matrix, transfer, primaries: BT.601 and BT.709, limited and full.
    let kinds = ["bt601", "bt709", "1:4:16:4", "1:3:5:1", "bt2020"];
    let info = |colorimetry: &str| {
        let info = VideoInfo::builder(VideoFormat::I420, 320, 180).fps(gst::Fraction::new(25, 1));
        info.colorimetry(&colorimetry.parse().unwrap()).build().unwrap()
    };
    for kind in kinds {
        assert_found(&picture, &info(kind), &pass_clip(&picture, &info(kind)));
    }
    // The same numbers in other colours are another score.
    let (written, read) = (info("1:4:16:4"), info("bt709"));
    let mut rig = Rig::new(filter(short_clips()));
    rig.caps(&read);
    for number in 0..T as u64 {
        rig.harness.push(picture.buffer(&written, number)).unwrap();
    }
    let score = found_one(&rig.finish().buffers[0]).score().unwrap();
    let error = (score - f64::from(RED) * LEVEL).abs();
    assert!(error > 2.0 * tolerance(&read), "{score} as if colorimetry did not matter");
}
