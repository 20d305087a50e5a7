//! The method against what the reference code printed, wherever no network is needed.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod support;

use std::num::NonZeroUsize;
use std::path::Path;

use gstm2sd::core::align::{AlignedClip, Alignment, CROP_SCALE, FaceCrop, Warp};
use gstm2sd::core::detect::Face;
use gstm2sd::core::geometry::{BBox, CropRect};
use gstm2sd::core::image::{ChannelOrder, Normalization, PlaneWriter};
use gstm2sd::core::landmarks::LandmarkCrop;
use gstm2sd::core::modelinfo::{Align, Template};
use gstm2sd::core::span::Span;
use gstm2sd::core::track::{TrackId, TrackParams, Tracker};
use gstm2sd::core::window::{Sample, ShortTrack, WindowEvent, WindowParams, Windows};
use ndarray::{Array3, Array4, ArrayView4};
use serde_json::Value;
use support::golden::{Picture, SCENES, Scene, index, list};
use support::{numbers, read_json, read_png, shared_dir};

const CLASSIFIER_SIDE_PX: u32 = 224;

/// The crops of every golden track, frame by frame.
fn crops(scene: &Scene, dir: &Path, name: &str) -> Vec<Vec<FaceCrop>> {
    let pictures: Vec<_> =
        (0..scene.frames.len()).map(|index| Picture::of_scene(dir, name, index)).collect();
    let crop = |(frame, face): (usize, Face)| {
        FaceCrop::new(&pictures[frame].view(), &face.bbox, face.points).unwrap()
    };
    (0..scene.tracks()).map(|track| scene.track(track).into_iter().map(crop).collect()).collect()
}

fn rect(value: &Value) -> CropRect {
    let [left, top, right, bottom] = numbers::<4>(value).map(|v| v as u32);
    CropRect::from_edges(left, top, right, bottom).unwrap()
}

/// Mean and sample standard deviation.
fn mean_and_std(values: &[f32]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let square = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
    (mean, (square / (count - 1.0)).sqrt())
}

/// The reference keeps the tracks that span the file; online there may be more, which start later.
#[test]
fn golden_tracks() {
    let dir = shared_dir();
    for name in SCENES {
        let scene = Scene::read(&dir, name);
        let mut tracker = Tracker::new(TrackParams::default());
        let mut found: Vec<Vec<BBox>> = Vec::new();
        for faces in &scene.frames {
            let update = tracker.update(faces);
            for (face, track) in faces.iter().zip(update.tracks) {
                let Some(TrackId(id)) = track else { continue };
                let id = id as usize;
                found.resize(found.len().max(id + 1), Vec::new());
                found[id].push(face.bbox);
            }
        }
        let whole = |boxes: &Vec<BBox>| boxes.len() == scene.frames.len();
        let mut found: Vec<_> = found.into_iter().filter(whole).collect();
        let boxes = |track| scene.track(track).into_iter().map(|(_, face)| face.bbox).collect();
        let mut golden: Vec<Vec<BBox>> = (0..scene.tracks()).map(boxes).collect();
        for tracks in [&mut found, &mut golden] {
            tracks.sort_by(|a, b| a[0].x1().total_cmp(&b[0].x1()));
        }
        assert_eq!(found, golden, "{name}");
    }
}

/// Which frames make which clip, in order; `short` is padded by reflection.
#[test]
fn golden_windows() {
    let dir = shared_dir();
    let [frames, stride] = [16, 1].map(|n| NonZeroUsize::new(n).unwrap());
    for name in SCENES {
        let scene = Scene::read(&dir, name);
        for track in 0..scene.tracks() {
            let mut windows = Windows::new(WindowParams { frames, stride });
            let id = TrackId(track as u64);
            let mut events = Vec::new();
            for (frame, _) in scene.track(track) {
                let span = Span { start_ns: 0, end_ns: 0 };
                let sample = Sample::new(frame as u64, span, ());
                events.extend(windows.push(id, sample));
            }
            events.extend(windows.close(id, ShortTrack::Pad));
            let clip = |event| match event {
                WindowEvent::Clip(clip) => Some(clip.frames()),
                _ => None,
            };
            let found: Vec<_> = events.into_iter().filter_map(clip).collect();
            let clips = scene.clips().into_iter().filter(|clip| clip.track == track);
            let golden: Vec<Vec<u64>> =
                clips.map(|clip| clip.frames.iter().map(|f| *f as u64).collect()).collect();
            assert_eq!(found, golden, "{name} track {track}");
        }
    }
}

#[test]
fn golden_crop_boxes() {
    let dir = shared_dir();
    for name in SCENES {
        let scene = Scene::read(&dir, name);
        for (track, crops) in crops(&scene, &dir, name).iter().enumerate() {
            let golden = list(&scene.golden["tracks"][track]["faces"]);
            assert_eq!(crops.len(), golden.len());
            for (crop, golden) in crops.iter().zip(golden) {
                assert_eq!(crop.rect(), rect(&golden["crop_box"]), "{name} {golden}");
            }
        }
    }
}

#[test]
fn golden_aligned_clips() {
    let dir = shared_dir();
    let mut pictures = 0;
    for name in SCENES {
        let scene = Scene::read(&dir, name);
        let crops = crops(&scene, &dir, name);
        for (index, window) in scene.clips().into_iter().enumerate() {
            let what = format!("{name} clip {index}");
            let (track, golden) = (&crops[window.track], window.golden);
            let frames = window.frames.iter().map(|f| &track[*f]);
            let clip = AlignedClip::align(frames, CLASSIFIER_SIDE_PX).unwrap();

            let left_top = [clip.union().x(), clip.union().y()].map(f64::from);
            assert_eq!(left_top, numbers::<2>(&golden["union_left_top"]), "{what}");
            for (row, golden) in clip.transform().matrix().iter().zip(list(&golden["transform"])) {
                for (found, golden) in row.iter().zip(numbers::<3>(golden)) {
                    assert!((found - golden).abs() < 1e-3, "{what}: {found} is not {golden}");
                }
            }
            check_tensor(&clip, golden, &what);
            let picture = dir.join(format!("golden/{name}_clip{index}_aligned.png"));
            if picture.is_file() {
                check_pixels(clip.pixels(), &picture);
                pictures += 1;
            }
        }
    }
    assert_eq!(pictures, 6);
}

fn check_tensor(clip: &AlignedClip, golden: &Value, what: &str) {
    let mut tensor = Array4::zeros(clip.pixels().dim());
    let norm = Normalization::IMAGENET_RGB;
    clip.write_planes(ChannelOrder::Rgb, norm, tensor.view_mut()).unwrap();
    let (mean, std) = mean_and_std(tensor.as_slice().unwrap());
    assert!((mean - golden["tensor_mean"].as_f64().unwrap()).abs() < 1e-4, "{what}: mean {mean}");
    assert!((std - golden["tensor_std"].as_f64().unwrap()).abs() < 1e-4, "{what}: std {std}");
}

/// The golden picture shows the frames of the clip 4×4, row by row.
fn check_pixels(clip: ArrayView4<'_, u8>, path: &Path) {
    let (width, _, golden) = read_png(path);
    let side = CLASSIFIER_SIDE_PX as usize;
    let mut total = 0;
    for ((channel, frame, y, x), level) in clip.indexed_iter() {
        let (row, column) = (frame / 4 * side + y, frame % 4 * side + x);
        let golden = golden[(row * width as usize + column) * 3 + channel];
        total += u64::from(level.abs_diff(golden));
    }
    let mean = total as f64 / clip.len() as f64;
    assert!(mean < 0.05, "{}: {mean}", path.display());
}

/// GenD's square reaches farther from the face than M2SD's, and on turned heads most of all: its crop
/// holds all of it that is in the frame, for every golden face.
#[test]
fn golden_faces_are_inside_of_gend_s_crop() {
    let dir = shared_dir();
    let (template, side_px) = (Template::GEND, 64);
    let (mut faces, mut published) = (0, 0);
    for name in SCENES {
        let scene = Scene::read(&dir, name);
        for (index, found) in scene.frames.iter().enumerate() {
            let picture = Picture::of_scene(&dir, name, index);
            // Nothing in it is black, so that what no crop covers shows.
            let white = vec![255; picture.rgb.len()];
            let picture = Picture { rgb: white, ..picture };
            for face in found {
                let black = |scale| {
                    let view = picture.view();
                    let crop = FaceCrop::scaled(&view, &face.bbox, face.points, scale).unwrap();
                    let (memory, crops) = (Vec::new(), std::iter::once(&crop));
                    let align = Align::Frame;
                    let alignment = Alignment { template, align, crop_scale: scale, side_px };
                    let mut warp = Warp::default();
                    let clip = AlignedClip::align_in(memory, &mut warp, crops, &alignment).unwrap();
                    clip.pixels().iter().filter(|level| **level == 0).count()
                };
                let whole = black(8.0);
                assert_eq!(black(Alignment::crop_scale(&template)), whole, "{name} {index}");
                faces += 1;
                published += usize::from(black(CROP_SCALE) > whole);
            }
        }
    }
    assert!(faces == 146 && published > faces / 2, "{published} of {faces} need more than 2");
}

#[test]
fn golden_landmark_crops() {
    let dir = shared_dir();
    let scene = Scene::read(&dir, "one_face");
    for golden in list(&read_json(&dir.join("golden/mobilenet_gdconv_seeded.json"))) {
        let index = index(&golden["frame"]);
        let frame = Picture::of_scene(&dir, "one_face", index);
        let crop = LandmarkCrop::new(&scene.frames[index][0].bbox, frame.size).unwrap();
        assert_eq!(crop.rect(), rect(&golden["crop"]));

        let mut input = Array3::zeros((3, 224, 224));
        let (order, norm) = (ChannelOrder::Rgb, Normalization::IMAGENET_RGB);
        PlaneWriter::default()
            .write(&frame.view(), crop.region(), order, norm, input.view_mut())
            .unwrap();
        let (mean, std) = mean_and_std(input.as_slice().unwrap());
        assert!((mean - golden["input_mean"].as_f64().unwrap()).abs() < 1e-6, "mean {mean}");
        assert!((std - golden["input_std"].as_f64().unwrap()).abs() < 1e-6, "std {std}");
    }
}
