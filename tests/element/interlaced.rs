//! Interlaced video passes, and a warning says what to put in front.

use gst_video::{VideoFormat, VideoInfo, VideoInterlaceMode};

use super::picture::{Picture, found, one_face};
use super::support::{Rig, T, filter, short_clips};

fn info(picture: &Picture, mode: VideoInterlaceMode, colorimetry: &str) -> VideoInfo {
    let info = VideoInfo::builder(VideoFormat::I420, picture.width, picture.height);
    let info = info.fps(gst::Fraction::new(25, 1)).interlace_mode(mode);
    info.colorimetry(&colorimetry.parse().unwrap()).build().unwrap()
}

/// The warnings of a stream whose caps change once, and how many frames show a face.
fn warnings(mode: VideoInterlaceMode) -> (Vec<String>, usize) {
    let picture = one_face(90);
    let mut rig = Rig::new(filter(short_clips()));
    for colorimetry in ["bt601", "bt709"] {
        rig.caps(&info(&picture, mode, colorimetry));
        for _ in 0..T {
            // The planes of either are the same.
            rig.push(&picture, &info(&picture, VideoInterlaceMode::Progressive, colorimetry));
        }
    }
    assert!(rig.harness.push_event(gst::event::Eos::new()));
    rig.await_event(gst::EventType::Eos);
    let buffers = std::iter::from_fn(|| rig.harness.try_pull());
    let with_face = buffers.filter(|buffer| found(buffer).len() == 1).count();
    let warnings = std::iter::from_fn(|| rig.bus.pop()).filter_map(|message| {
        let gst::MessageView::Warning(warning) = message.view() else { return None };
        Some(warning.error().to_string())
    });
    (warnings.collect(), with_face)
}

#[test]
fn interlaced_video_is_warned_about_once() {
    use VideoInterlaceMode as Mode;
    for mode in [Mode::Interleaved, Mode::Mixed] {
        let (warnings, with_face) = warnings(mode);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("Put deinterlace in front"), "{warnings:?}");
        assert_eq!(with_face, 2 * T, "faces are looked for all the same");
    }
    assert_eq!(warnings(Mode::Progressive), (Vec::new(), 2 * T));
}
