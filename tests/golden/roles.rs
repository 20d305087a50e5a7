//! Each network alone: golden pictures in, golden numbers out.

use std::path::Path;

use gstm2sd::core::detect::{self, DetectParams, DetectorOutputs, Face};
use gstm2sd::core::geometry::{BBox, CropRect};
use gstm2sd::core::image::{ChannelOrder, FrameView, PixelValues, PlaneWriter, Region};
use gstm2sd::core::landmarks::LandmarkCrop;
use gstm2sd::infer::{
    Aligner, CancelToken, Classifier, Clip, Detector, Pieces, Tensor, TensorView, load_aligner,
    load_classifier, load_detector,
};
use ndarray::{Array1, Array3, Array4, ArrayViewD, Axis, Ix3, Ix4};

use crate::faces::{Difference, distance_px};
use crate::networks::{both, cpu};
use crate::support::golden::{Picture, SCENES, Scene, index, list, point_list};
use crate::support::{read_json, shared_dir};

/// A region of a picture as a network reads it.
fn planes(
    view: &FrameView<'_>,
    region: Region,
    order: ChannelOrder,
    values: PixelValues,
    dims: (usize, usize, usize),
) -> Tensor<Ix3> {
    match values {
        PixelValues::Normalized(norm) => {
            let mut planes = Array3::zeros(dims);
            PlaneWriter::default().write(view, region, order, norm, planes.view_mut()).unwrap();
            planes.into()
        }
        PixelValues::U8 => {
            let mut planes = Array3::zeros(dims);
            PlaneWriter::default().write_u8(view, region, order, planes.view_mut()).unwrap();
            planes.into()
        }
    }
}

/// The faces that the detector sees in a frame, read in `order`.
pub fn detect(
    detector: &mut Detector,
    view: &FrameView<'_>,
    order: ChannelOrder,
    params: &DetectParams,
) -> Vec<Face> {
    let size = view.size();
    let dims = (3, size.height() as usize, size.width() as usize);
    let planes = planes(view, Region::whole(size), order, detector.values(), dims);
    let raw = detector.run(planes.view(), &CancelToken::new()).unwrap();
    let outputs = DetectorOutputs {
        boxes: raw.boxes.view(),
        classes: raw.classes.view(),
        landmarks: raw.landmarks.view(),
    };
    detect::decode(&outputs, size, size, params).unwrap()
}

#[test]
fn golden_detections() {
    let dir = shared_dir();
    for networks in both(&dir) {
        detections(&dir, &networks.retinaface);
    }
}

fn detections(dir: &Path, model: &Path) {
    let mut detector = load_detector(model, &cpu(), &CancelToken::new()).unwrap();
    let params = DetectParams::default();
    let mut difference = Difference::default();
    for name in SCENES {
        let scene = Scene::read(dir, name);
        for (index, golden) in scene.frames.iter().enumerate() {
            let picture = Picture::of_scene(dir, name, index);
            let found = detect(&mut detector, &picture.view(), ChannelOrder::Rgb, &params);
            assert_eq!(found.len(), golden.len(), "{name} {index}");
            difference.add(&found, golden);
        }
    }
    difference.check(Difference::SAME_PIXELS);
}

/// The aligner's 136 numbers for the face in `bbox`, and the crop that they refer to.
fn align(aligner: &mut Aligner, frame: &FrameView<'_>, bbox: &BBox) -> (LandmarkCrop, Array1<f32>) {
    let crop = LandmarkCrop::new(bbox, frame.size()).unwrap();
    let side = aligner.size_px();
    let order = aligner.channel_order();
    let mut planes = Array3::zeros((3, side, side));
    let face: Tensor<Ix3> = match aligner.values() {
        PixelValues::Normalized(norm) => {
            PlaneWriter::default()
                .write(frame, crop.region(), order, norm, planes.view_mut())
                .unwrap();
            planes.into()
        }
        PixelValues::U8 => {
            let mut levels = planes.mapv(|_| 0u8);
            PlaneWriter::default()
                .write_u8(frame, crop.region(), order, levels.view_mut())
                .unwrap();
            levels.into()
        }
    };
    let output = aligner.run(face.view().alone(), &CancelToken::new()).unwrap();
    (crop, output.index_axis(Axis(0), 0).to_owned())
}

#[test]
fn golden_landmarks() {
    let dir = shared_dir();
    for networks in both(&dir) {
        landmarks(&dir, &networks.pfld);
    }
}

fn landmarks(dir: &Path, model: &Path) {
    let mut aligner = load_aligner(model, &cpu(), &CancelToken::new()).unwrap();
    let mut worst_px = 0.0f32;
    for name in SCENES {
        let scene = Scene::read(dir, name);
        for (index, faces) in scene.frames.iter().enumerate() {
            let picture = Picture::of_scene(dir, name, index);
            let goldens = list(&scene.golden["frames"][index]);
            for (face, golden) in faces.iter().zip(goldens) {
                let (crop, output) = align(&mut aligner, &picture.view(), &face.bbox);
                let found = crop.points(output.as_slice().unwrap()).unwrap();
                let golden = point_list(&golden["landmarks68"]);
                assert_eq!(golden.len(), found.len());
                let total: f32 = found.iter().zip(&golden).map(|(f, g)| distance_px(f, g)).sum();
                worst_px = worst_px.max(total / found.len() as f32);
            }
        }
    }
    assert!(worst_px < 0.5, "a face's landmarks are {worst_px} px off on average");
}

#[test]
fn golden_gdconv_outputs() {
    let dir = shared_dir();
    for networks in both(&dir) {
        gdconv_outputs(&dir, &networks.gdconv);
    }
}

fn gdconv_outputs(dir: &Path, model: &Path) {
    let mut aligner = load_aligner(model, &cpu(), &CancelToken::new()).unwrap();
    let scene = Scene::read(dir, "one_face");
    let mut worst = 0.0f64;
    let goldens = read_json(&dir.join("golden/mobilenet_gdconv_seeded.json"));
    for golden in list(&goldens) {
        let index = index(&golden["frame"]);
        let picture = Picture::of_scene(dir, "one_face", index);
        let bbox = scene.frames[index][0].bbox;
        let (_, output) = align(&mut aligner, &picture.view(), &bbox);
        let golden = list(&golden["output"]);
        assert_eq!(golden.len(), output.len());
        for (found, golden) in output.iter().zip(golden) {
            worst = worst.max((f64::from(*found) - golden.as_f64().unwrap()).abs());
        }
    }
    assert!(worst < 1e-3, "an output is {worst} off");
}

fn channels_first<T: Clone>(frames: ArrayViewD<'_, T>) -> Array4<T> {
    frames.into_dimensionality::<Ix4>().unwrap().permuted_axes([1, 0, 2, 3]).to_owned()
}

/// The 16 frames of an aligned golden clip, 4×4 in one picture, as the classifier reads them.
fn aligned_clip(path: &Path, classifier: &Classifier) -> Tensor<Ix4> {
    let spec = classifier.spec();
    let side = spec.size_px as u32;
    let picture = Picture::read(path);
    let frames = (0..spec.frames as u32).map(|frame| {
        let (row, column) = (frame / 4, frame % 4);
        let rect =
            CropRect::from_edges(column * side, row * side, (column + 1) * side, (row + 1) * side);
        let tile = picture.view().crop(rect.unwrap()).unwrap();
        let dims = (3, spec.size_px, spec.size_px);
        planes(&tile.view(), Region::whole(tile.size()), spec.channel_order, spec.values, dims)
    });
    let frames: Vec<_> = frames.collect();
    let frames = frames.iter().map(|frame| frame.view().alone().into_dyn());
    let frames = Pieces::new(frames).unwrap();
    // Frames come second, after the channels.
    match frames.join(&mut None) {
        TensorView::F32(clip) => channels_first(clip).into(),
        TensorView::U8(clip) => channels_first(clip).into(),
    }
}

#[test]
fn golden_logits() {
    let dir = shared_dir();
    for networks in both(&dir) {
        logits(&dir, &networks.m2sd_tiny);
    }
}

fn logits(dir: &Path, model: &Path) {
    let mut classifier = load_classifier(model, &cpu(), &CancelToken::new()).unwrap();
    let (mut clips, mut worst) = (0, 0.0f64);
    for name in SCENES {
        let scene = Scene::read(dir, name);
        for (index, golden) in scene.clips().into_iter().enumerate() {
            let path = dir.join(format!("golden/{name}_clip{index}_aligned.png"));
            if !path.is_file() {
                continue;
            }
            clips += 1;
            let frames = aligned_clip(&path, &classifier);
            let clip = Clip { frames: frames.view(), audio: None };
            let score = classifier.run(&[clip], &CancelToken::new()).unwrap()[0];
            for (found, golden) in score.outputs.iter().zip(golden.logits) {
                worst = worst.max((f64::from(*found) - golden).abs());
            }
            assert!((score.fake - golden.fake).abs() < 1e-3, "{name} {index}: {score:?}");
        }
    }
    assert_eq!(clips, 6);
    assert!(worst < 2e-3, "a logit is {worst} off");
}
