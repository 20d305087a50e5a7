//! What is copied is what GStreamer blends, in every format.

use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo};

use super::*;
use crate::core::detect::Face;
use crate::core::evidence::{Criteria, Probability, Score};
use crate::core::geometry::BBox;
use crate::core::modelinfo::Training;
use crate::core::span::Span;
use crate::filter::input::negotiation::FORMATS;

fn face(left: f32, top: f32, right: f32, bottom: f32) -> FrameFace {
    let bbox = BBox::new(left, top, right, bottom).unwrap();
    let face = Face { bbox, score: 1.0, points: Default::default() };
    FrameFace { track: Some(TrackId(3)), face, landmarks: None, quality: None }
}

fn fake() -> Judgement {
    let fake = Probability::new(0.75).unwrap();
    let score = Score { fake, span: Span { start_ns: 0, end_ns: 1 }, clips: 1 };
    Judgement { label: Label::Fake, score: Some(score), ..Judgement::without_score(Label::NO_CLIP) }
}

fn name() -> ClassifierName {
    ClassifierName {
        name: "test".to_owned(),
        sha256: None,
        criteria: Criteria::of_a_clip(0.5, Training::Trained),
    }
}

/// A frame's bytes after `draw`.
fn drawn(info: &VideoInfo, draw: impl FnOnce(&mut VideoFrameRef<&mut gst::BufferRef>)) -> Vec<u8> {
    // Of more than 8 bits not every sample is one that stays as it is.
    let texture = |n: usize| if info.comp_depth(0) == 8 { 90 + n % 50 } else { 0 };
    let grey: Vec<u8> = (0..info.size()).map(|n| texture(n) as u8).collect();
    let mut buffer = gst::Buffer::from_mut_slice(grey);
    let frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), info);
    draw(&mut frame.unwrap());
    buffer.map_readable().unwrap().to_vec()
}

/// Whether two frames are the same, but for a few levels of 1024: where edges cross,
/// GStreamer blends one colour over itself, which changes them.
fn alike(a: &[u8], b: &[u8], info: &VideoInfo) -> bool {
    let most = match (info.comp_depth(0), info.format()) {
        (8, _) => return a == b,
        (_, VideoFormat::P01010le) => 4 << 6,
        _ => 4,
    };
    let [a, b] = [a, b].map(|frame| frame.as_chunks::<2>().0.iter());
    a.zip(b).all(|(a, b)| u16::from_le_bytes(*a).abs_diff(u16::from_le_bytes(*b)) <= most)
}

fn infos(width: u32, height: u32) -> impl Iterator<Item = VideoInfo> {
    // Grey frames cannot be blended on.
    let formats = FORMATS.into_iter().filter(|format| *format != VideoFormat::Gray8);
    formats.map(move |format| VideoInfo::builder(format, width, height).build().unwrap())
}

#[test]
fn what_is_copied_is_what_gstreamer_blends() {
    gst::init().unwrap();
    for info in infos(320, 180) {
        let mut overlay = Overlay::new(&info);
        assert!(overlay.sprites);
        for bbox in
            [[20.0, 60.0, 90.0, 140.0], [-8.0, -4.0, 30.0, 40.0], [280.0, 90.0, 400.0, 300.0]]
        {
            let [left, top, right, bottom] = bbox;
            let (faces, judgements) = ([face(left, top, right, bottom)], [fake()]);
            let untouched = drawn(&info, |_| ());
            let copied = drawn(&info, |frame| {
                overlay.draw(&faces, &judgements, Some(&name()), frame).unwrap();
            });
            let blended = drawn(&info, |frame| {
                let composed = overlay.compose(&faces, &judgements, Some(&name())).unwrap();
                composed.blend(frame).unwrap();
            });
            assert_ne!(copied, untouched, "{} {bbox:?}", info.format());
            assert!(alike(&copied, &blended, &info), "{} {bbox:?}", info.format());
        }
    }
}

/// Boxes at odd places of odd frames, where formats share chroma beyond what is drawn.
#[test]
fn nothing_is_drawn_a_pixel_away_from_what_is_blended() {
    gst::init().unwrap();
    for info in infos(161, 91) {
        let mut overlay = Overlay::new(&info);
        let (faces, judgements) = ([face(31.0, 45.0, 160.6, 90.6)], [fake()]);
        let copied = drawn(&info, |frame| {
            overlay.draw(&faces, &judgements, Some(&name()), frame).unwrap();
        });
        let blended = drawn(&info, |frame| {
            overlay.compose(&faces, &judgements, Some(&name())).unwrap().blend(frame).unwrap();
        });
        let untouched = drawn(&info, |_| ());
        // Blended and copied differ at the seams only: a small part of the frame.
        let differing = copied.iter().zip(&blended).filter(|(a, b)| a != b).count();
        let touched = blended.iter().zip(&untouched).filter(|(a, b)| a != b).count();
        assert!(differing * 3 < touched, "{}: {differing} of {touched}", info.format());
    }
}

#[test]
fn interlaced_frames_are_blended_on() {
    gst::init().unwrap();
    let info = VideoInfo::builder(VideoFormat::I420, 320, 180)
        .interlace_mode(gst_video::VideoInterlaceMode::Interleaved)
        .build()
        .unwrap();
    let mut overlay = Overlay::new(&info);
    assert!(!overlay.sprites);
    let (faces, judgements) = ([face(20.0, 60.0, 90.0, 140.0)], [fake()]);
    let draw = |frame: &mut VideoFrameRef<&mut gst::BufferRef>| {
        overlay.draw(&faces, &judgements, Some(&name()), frame).unwrap();
        assert_eq!((frame.width(), frame.height()), (320, 180));
    };
    assert_ne!(drawn(&info, draw), drawn(&info, |_| ()));
}

#[test]
fn captions_are_rendered_once_and_do_not_pile_up() {
    gst::init().unwrap();
    let info = VideoInfo::builder(VideoFormat::I420, 320, 180).build().unwrap();
    let mut overlay = Overlay::new(&info);
    for thousandths in 0..200u16 {
        let fake = Probability::new(f64::from(thousandths) / 1000.0).unwrap();
        let score = Score { fake, span: Span { start_ns: 0, end_ns: 1 }, clips: 1 };
        let judgement = Judgement {
            label: Label::Real,
            score: Some(score),
            ..Judgement::without_score(Label::NO_CLIP)
        };
        for _ in 0..2 {
            overlay.compose(&[face(10.0, 20.0, 50.0, 60.0)], &[judgement], Some(&name())).unwrap();
        }
        assert!(overlay.captions.len() <= MAX_CAPTIONS);
        let caption = overlay.captions.keys().find(|c| c.thousandths == Some(thousandths));
        assert_eq!(caption.unwrap().text(), format!("real {:.3} #3", fake.get()));
    }
    assert_eq!(overlay.fills.len(), 1);
}
