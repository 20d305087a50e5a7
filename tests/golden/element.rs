//! Golden frames through the whole element.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::pipeline::{Analysis, SeenFace, analyse};
use crate::support::golden::{Clip, SCENES, Scene};
use crate::support::shared_dir;

/// The scene's frames, from lossless pictures, in a raw video format.
fn analyse_scene(dir: &Path, name: &str, formats: &[&str], properties: &str) -> Analysis {
    let mut source = "multifilesrc name=source caps=image/png,framerate=30/1 ! pngdec".to_owned();
    for format in formats {
        source += &format!(" ! videoconvert ! video/x-raw,format={format}");
    }
    let pictures = dir.join(format!("golden/{name}/%03d.png"));
    let properties = format!("classifier=m2sd_tiny channel-order=rgb {properties}");
    analyse(dir, &pictures, &source, &properties)
}

/// The element's tracks for the golden ones, by the faces of the first frame. The element may
/// follow more faces: the reference keeps only those that the whole scene shows.
fn match_tracks(scene: &Scene, found: &Analysis) -> Vec<i32> {
    let track = |golden| {
        let (frame, face) = scene.track(golden)[0];
        assert_eq!(frame, 0);
        let same = |seen: &&SeenFace| seen.face.bbox.iou(&face.bbox) > 0.9;
        let seen = found.frames[0].faces.iter().find(same);
        seen.unwrap_or_else(|| panic!("no face at {:?}", face.bbox)).track.unwrap()
    };
    (0..scene.tracks()).map(track).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

/// Of one golden track: P(fake) of each frame, the mean over the clips that contain it, a clip that
/// contains it twice counting twice; and how many these are.
fn frame_scores(clips: &[Clip<'_>], track: usize) -> BTreeMap<usize, (f64, u32)> {
    let mut sums = BTreeMap::new();
    for clip in clips.iter().filter(|clip| clip.track == track) {
        for frame in &clip.frames {
            let (sum, count) = sums.entry(*frame).or_insert((0.0, 0));
            *sum += clip.fake;
            *count += 1;
        }
    }
    sums.into_iter().map(|(frame, (sum, count))| (frame, (sum / f64::from(count), count))).collect()
}

/// The largest differences between the element's scores and the golden ones.
#[derive(Debug, Default)]
struct Difference {
    clip: f64,
    /// Of a face on a frame.
    frame: f64,
    /// Of a frame, over all its tracks, as the reference mixes them.
    mixed: f64,
    video: f64,
}

impl Difference {
    fn of(scene: &Scene, found: &Analysis) -> Self {
        assert_eq!(found.frames.len(), scene.frames.len());
        let tracks = match_tracks(scene, found);
        let clips = scene.clips();
        let mut difference = Self::default();
        for (golden, track) in tracks.iter().enumerate() {
            difference.add_clips(&clips, golden, found, *track);
            difference.add_frames(&frame_scores(&clips, golden), found, *track);
        }
        for (frame, golden) in scene.golden["frame_scores"].as_object().unwrap() {
            let faces = found.frames[frame.parse::<usize>().unwrap()].faces.iter();
            let tracked = faces.filter(|face| face.track.is_some_and(|t| tracks.contains(&t)));
            let scores = tracked.flat_map(|face| vec![face.score.unwrap(); face.clips as usize]);
            difference.mixed = difference.mixed.max((mean(scores) - number(golden)).abs());
        }
        let of_scene = found.clips.iter().filter(|clip| tracks.contains(&clip.track));
        let video = mean(of_scene.map(|clip| clip.score));
        difference.video = (video - number(&scene.golden["video_score"])).abs();
        difference
    }

    /// A track's clips come in the reference's order, made of the same frames.
    fn add_clips(&mut self, clips: &[Clip<'_>], golden: usize, found: &Analysis, track: i32) {
        let goldens: Vec<_> = clips.iter().filter(|clip| clip.track == golden).collect();
        let clips: Vec<_> = found.clips.iter().filter(|clip| clip.track == track).collect();
        assert_eq!(clips.len(), goldens.len(), "track {golden}");
        for (clip, golden) in clips.iter().zip(goldens) {
            let spans = golden.frames.iter().map(|frame| found.frames[*frame].span_ns.unwrap());
            let span = spans.reduce(|[s, e], [start, end]| [s.min(start), e.max(end)]);
            assert_eq!(Some(clip.span_ns), span, "{:?}", golden.frames);
            self.clip = self.clip.max((clip.score - golden.fake).abs());
        }
    }

    fn add_frames(&mut self, goldens: &BTreeMap<usize, (f64, u32)>, found: &Analysis, track: i32) {
        assert_eq!(goldens.len(), found.frames.len());
        for (frame, (golden, clips)) in goldens {
            let faces = &found.frames[*frame].faces;
            let face = faces.iter().find(|face| face.track == Some(track)).unwrap();
            assert_eq!(face.clips, *clips, "frame {frame}");
            self.frame = self.frame.max((face.score.unwrap() - golden).abs());
        }
    }
}

#[test]
fn golden_element_scores() {
    let dir = shared_dir();
    for name in SCENES {
        let scene = Scene::read(&dir, name);
        let difference =
            Difference::of(&scene, &analyse_scene(&dir, name, &["RGB"], "clip-stride=1"));
        let Difference { clip, frame, mixed, video } = difference;
        let worst = [clip, frame, mixed, video].into_iter().fold(0.0, f64::max);
        assert!(worst < 0.01, "{name}: {difference:?}");
    }
}

/// A 4:2:0 frame gives nearly what `videoconvert` makes of it, which interpolates chroma; the
/// element repeats it, as the decoders of training pictures do. The golden numbers themselves are
/// no measure: with halved chroma boxes move by up to 3 px, and scores of random weights by far
/// more.
#[test]
fn golden_frames_as_i420() {
    let dir = shared_dir();
    let analyse = |formats: &[&str]| analyse_scene(&dir, "short", formats, "clip-stride=5");
    let (inside, outside) = (analyse(&["I420"]), analyse(&["I420", "RGB"]));
    assert_eq!((inside.frames.len(), outside.frames.len()), (10, 10));
    for (inside, outside) in inside.frames.iter().zip(&outside.frames) {
        let (inside, outside) = (inside.detections(), outside.detections());
        assert_eq!((inside.len(), outside.len()), (1, 1));
        for (inside, outside) in inside.iter().zip(&outside) {
            assert!(inside.bbox.iou(&outside.bbox) > 0.99, "{inside:?} {outside:?}");
            assert!((inside.score - outside.score).abs() < 1e-3, "{inside:?} {outside:?}");
        }
    }
    assert_eq!((inside.clips.len(), outside.clips.len()), (5, 5));
    for (inside, outside) in inside.clips.iter().zip(&outside.clips) {
        assert_eq!(inside.span_ns, outside.span_ns);
    }
}
