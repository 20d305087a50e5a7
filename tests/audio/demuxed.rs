//! A real file through a demuxer, decoders and both pads, to the end.

use std::path::{Path, PathBuf};

use gst::prelude::*;

use super::data::shared_dir;
use super::support::*;

/// The published face detector and a classifier that listens.
fn networks(shared: &Path, dir: &Path) {
    use gstm2sd::models::import::{ImportOptions, import};
    let weights = shared.join("models/retinaface_mobilenet0.25.pth");
    import(&weights, dir, &ImportOptions::default()).unwrap();
}

fn play(clip: &Path, engines: &Path, mode: &str) -> Vec<gst::Structure> {
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! qtdemux name=demux \
         m2sdfilter name=filter engines-dir={} provider=cpu threads=1 aligner=none mode={mode} \
             detect-size=320 detect-interval=4 clip-stride=4 draw=false \
         demux.video_0 ! queue ! decodebin ! videoconvert ! filter.sink \
         demux.audio_0 ! queue ! decodebin ! audioconvert ! filter.audio_sink \
         filter.src ! fakesink sync=false filter.audio_src ! fakesink sync=false",
        clip.display(),
        engines.display()
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut clips = Vec::new();
    loop {
        let message = bus.timed_pop(gst::ClockTime::NONE).unwrap();
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            gst::MessageView::Element(element) => {
                clips.extend(
                    element.structure().filter(|s| s.name() == "m2sd-clip").map(|s| s.to_owned()),
                );
            }
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    clips
}

#[test]
fn golden_demuxed_clip_has_its_sound_in_both_modes() {
    let shared = shared_dir();
    init();
    let _watchdog = Watchdog::new();
    let dir: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audio-demuxed");
    std::fs::create_dir_all(&dir).unwrap();
    networks(&shared, &dir);
    let listens = std::fs::read_dir(listening()).unwrap().map(|entry| entry.unwrap().path());
    for file in listens.filter(|file| file.to_string_lossy().contains("classifier")) {
        std::fs::copy(&file, dir.join(file.file_name().unwrap())).unwrap();
    }
    let clip = shared.join("media/poetry_jam_360p.mp4");
    for mode in ["complete", "live"] {
        let clips = play(&clip, &dir, mode);
        assert!(!clips.is_empty(), "{mode}");
        for clip in &clips {
            // The file's sound is a little shorter than its pictures.
            let ends: u64 = clip.get("end").unwrap();
            if mode == "complete" && ends < 9_500_000_000 {
                assert_eq!(coverage(clip), 1.0, "{clip}");
                let level: f64 = clip.get("audio-level-db").unwrap();
                assert!((-90.0..0.0).contains(&level), "{clip}");
            }
            assert!(clip.has_field("audio-level-db"), "{clip}");
        }
    }
}
