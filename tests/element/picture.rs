//! Pictures with drawn faces, as buffers of every format, and the faces that the element found.

use gst_video::prelude::*;
use gst_video::{VideoConverter, VideoFormat, VideoFrame, VideoInfo, VideoRegionOfInterestMeta};
use gstm2sd::models::synth::scene::Face;

use super::support::init;

/// 25 frames a second.
pub const FRAME_DURATION: gst::ClockTime = gst::ClockTime::from_mseconds(40);

pub fn face(left_px: i32, top_px: i32, side_px: u32, red: u8) -> Face {
    Face { left_px, top_px, side_px, red }
}

/// A grey texture, in which a shifted row or column shows, with faces.
#[derive(Clone, Debug)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub faces: Vec<Face>,
}

impl Picture {
    pub fn new(width: u32, height: u32, faces: &[Face]) -> Self {
        Self { width, height, faces: faces.to_vec() }
    }

    pub fn info(&self, format: VideoFormat) -> VideoInfo {
        init();
        let info = VideoInfo::builder(format, self.width, self.height);
        info.fps(gst::Fraction::new(25, 1)).build().unwrap()
    }

    pub fn rgb_info(&self) -> VideoInfo {
        self.info(VideoFormat::Rgb)
    }

    /// Packed rows, without padding.
    pub fn rgb(&self) -> Vec<u8> {
        let (width, height) = (self.width as usize, self.height as usize);
        let grey = |x: usize, y: usize| [60 + ((3 * x + 5 * y) % 97) as u8; 3];
        let mut rgb: Vec<u8> =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| grey(x, y))).collect();
        for face in &self.faces {
            face.draw(&mut rgb, width);
        }
        rgb
    }

    /// The picture as frame `number` of a stream of `info`, scaled to its size.
    pub fn buffer(&self, info: &VideoInfo, number: u64) -> gst::Buffer {
        let mut buffer = self.converted(info);
        let buffer_ref = buffer.get_mut().unwrap();
        buffer_ref.set_pts(FRAME_DURATION * number);
        buffer_ref.set_duration(FRAME_DURATION);
        buffer
    }

    fn converted(&self, info: &VideoInfo) -> gst::Buffer {
        let rgb_info = self.rgb_info();
        // Zeros, also between the rows: tests compare all of a buffer.
        let blank = |info: &VideoInfo| gst::Buffer::from_mut_slice(vec![0u8; info.size()]);
        let rgb = blank(&rgb_info);
        let mut frame = VideoFrame::from_buffer_writable(rgb, &rgb_info).unwrap();
        let stride = frame.plane_stride()[0] as usize;
        let row_bytes = 3 * self.width as usize;
        let rows = frame.plane_data_mut(0).unwrap().chunks_mut(stride);
        for (row, pixels) in rows.zip(self.rgb().chunks(row_bytes)) {
            row[..row_bytes].copy_from_slice(pixels);
        }
        if (info.format(), info.size()) == (VideoFormat::Rgb, rgb_info.size()) {
            return frame.into_buffer();
        }
        let converter = VideoConverter::new(&rgb_info, info, None).unwrap();
        let rgb = frame.into_buffer();
        let source = VideoFrame::from_buffer_readable(rgb, &rgb_info).unwrap();
        let mut target = VideoFrame::from_buffer_writable(blank(info), info).unwrap();
        converter.frame(&source, &mut target);
        target.into_buffer()
    }
}

/// A picture of 160×120 with one face, `red` red.
pub fn one_face(red: u8) -> Picture {
    Picture::new(160, 120, &[face(40, 30, 48, red)])
}

pub fn one_face_each(reds: &[u8]) -> Vec<Picture> {
    reds.iter().map(|red| one_face(*red)).collect()
}

/// A face as a frame's metadata tells it.
#[derive(Debug)]
pub struct FoundFace {
    /// x, y, width, height.
    pub rect: (u32, u32, u32, u32),
    pub detection: gst::Structure,
    pub track: Option<i32>,
    pub m2sd: gst::Structure,
    pub landmarks: Vec<f64>,
    pub quality: Option<gst::Structure>,
}

impl FoundFace {
    /// Of the frame itself.
    pub fn score(&self) -> Option<f64> {
        self.m2sd.get("frame-score").ok()
    }

    /// What the label speaks of.
    pub fn evidence(&self) -> Option<f64> {
        self.m2sd.get("score").ok()
    }

    pub fn reason(&self) -> Option<String> {
        self.m2sd.get("reason").ok()
    }

    pub fn label(&self) -> String {
        self.m2sd.get("label").unwrap()
    }

    /// In the frame's own score.
    pub fn clips(&self) -> u32 {
        self.m2sd.get("frame-clips").unwrap_or(0)
    }

    /// The largest distance of an edge of the box from the drawn square's.
    pub fn distance_px(&self, drawn: &Face) -> u32 {
        let (x, y, width, height) = self.rect;
        let (left, top) = (drawn.left_px as u32, drawn.top_px as u32);
        let found = [x, y, x + width, y + height];
        let drawn = [left, top, left + drawn.side_px, top + drawn.side_px];
        found.iter().zip(drawn).map(|(f, d)| f.abs_diff(d)).max().unwrap()
    }
}

/// The faces of a frame, from left to right.
pub fn found(buffer: &gst::BufferRef) -> Vec<FoundFace> {
    let mut faces: Vec<_> = buffer
        .iter_meta::<VideoRegionOfInterestMeta>()
        .map(|meta| {
            assert_eq!(meta.roi_type(), "face");
            let param = |name: &str| meta.param(name).map(|s| s.to_owned());
            let points: gst::Array = param("landmarks").unwrap().get("points").unwrap();
            FoundFace {
                rect: meta.rect(),
                detection: param("detection").unwrap(),
                track: param("object_id").map(|s| s.get("id").unwrap()),
                m2sd: param("m2sd").unwrap(),
                quality: param("quality"),
                landmarks: points.iter().map(|v| v.get().unwrap()).collect(),
            }
        })
        .collect();
    faces.sort_by_key(|face| face.rect.0);
    faces
}

/// The only face of a frame.
pub fn found_one(buffer: &gst::BufferRef) -> FoundFace {
    let mut faces = found(buffer);
    assert_eq!(faces.len(), 1, "{faces:?}");
    faces.remove(0)
}

pub fn bytes(buffer: &gst::BufferRef) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

/// What scoring must give each frame of one track: for clips of `frames` frames that start every
/// `stride` frames, the mean over the clips that hold it, and their number, repetitions counted.
pub fn expected_scores(reds: &[u8], clips: &[Vec<usize>]) -> Vec<Option<(f64, u32)>> {
    let scores: Vec<f64> = clips.iter().map(|clip| clip_score(reds, clip)).collect();
    let of_frame = |frame: usize| {
        let times = |clip: &Vec<usize>| clip.iter().filter(|f| **f == frame).count();
        let count: usize = clips.iter().map(times).sum();
        let sum: f64 = clips.iter().zip(&scores).map(|(c, score)| times(c) as f64 * score).sum();
        (count > 0).then(|| (sum / count as f64, count as u32))
    };
    (0..reds.len()).map(of_frame).collect()
}

/// The mean redness of a clip's frames.
pub fn clip_score(reds: &[u8], clip: &[usize]) -> f64 {
    let sum: f64 = clip.iter().map(|&frame| f64::from(reds[frame]) / 255.0).sum();
    sum / clip.len() as f64
}

/// The windows of a track of `n >= frames` frames.
pub fn sliding(n: usize, frames: usize, stride: usize) -> Vec<Vec<usize>> {
    (0..=n - frames).step_by(stride).map(|start| (start..start + frames).collect()).collect()
}

/// The windows of a track of `n < frames` frames, mirrored at both ends (docs/method.md, "Clips").
pub fn reflected(n: usize, frames: usize) -> Vec<Vec<usize>> {
    let bounce: Vec<usize> = (0..n).chain((1..n - 1).rev()).collect();
    let index = |place: usize| {
        // Place 0 is `frames - 1` before the track; a multiple of the period is added.
        let period = bounce.len();
        bounce[(place + period * frames - (frames - 1)) % period]
    };
    (0..n + frames - 1).map(|start| (start..start + frames).map(index).collect()).collect()
}

/// Asserts the scores of successive frames with one face each, to within `tolerance`.
pub fn assert_scores(buffers: &[gst::Buffer], expected: &[Option<(f64, u32)>], tolerance: f64) {
    assert_eq!(buffers.len(), expected.len());
    for (number, (buffer, expected)) in buffers.iter().zip(expected).enumerate() {
        let face = found_one(buffer);
        match (face.score(), expected) {
            (Some(score), Some((mean, clips))) => {
                assert!((score - mean).abs() < tolerance, "frame {number}: {score}, not {mean}");
                assert_eq!(face.clips(), *clips, "frame {number}");
            }
            (score, expected) => {
                assert_eq!(score.is_some(), expected.is_some(), "frame {number}");
                assert_eq!(face.label(), "insufficient", "frame {number}");
            }
        }
    }
}
