//! Networks in half floats, which some providers need, run on the CPU like those they are made of.

use std::path::Path;

use gstm2sd::infer::{
    CancelToken, Clip, Precision, Provider, Tensor, load_classifier, load_detector,
};
use gstm2sd::models::arch::m2sd::Tuning;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::onnx::{Attention, to_half};
use gstm2sd::models::synth::{Synth, TransformerShape, write};
use ndarray::{Array3, Array4, Ix4};

use crate::common::{on, shared};

const SMALL: TransformerShape =
    TransformerShape { width: 192, blocks: 2, heads: 3, ..TransformerShape::BASE };

/// The network at `model` in half floats, with its sidecar, in a folder of its own.
fn half_of(model: &Path, attention: Attention) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let half = dir.path().join(model.file_name().unwrap());
    to_half(model, &half, attention).unwrap();
    let sidecar = |model: &Path| model.with_added_extension("modelinfo");
    if sidecar(model).is_file() {
        std::fs::copy(sidecar(model), sidecar(&half)).unwrap();
    }
    (dir, half)
}

fn fakes(model: &Path) -> Vec<f64> {
    let mut classifier = load_classifier(model, &on(Provider::Cpu), &CancelToken::new()).unwrap();
    let (frames, side) = (classifier.spec().frames, classifier.spec().size_px);
    let clips = (0..4u8).map(|seed| -> Tensor<Ix4> {
        Array4::from_shape_fn((3, frames, side, side), |(c, t, y, x)| {
            (c as u8).wrapping_mul(31).wrapping_add((t * y + x * seed as usize) as u8)
        })
        .into()
    });
    let score = |clip: Tensor<Ix4>| {
        let clip = Clip { frames: clip.view(), audio: None };
        classifier.run(&[clip], &CancelToken::new()).unwrap()[0].fake
    };
    clips.map(score).collect()
}

fn reading_bytes(model: &Path, dir: &Path) -> std::path::PathBuf {
    let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
    import(model, &dir.join("bytes"), &options).unwrap().model
}

fn assert_like(model: &Path) {
    let single = fakes(model);
    for attention in [Attention::AsItIs, Attention::Fused] {
        let (_dir, half) = half_of(model, attention);
        let half = fakes(&half);
        let close = single.iter().zip(&half).all(|(a, b)| (a - b).abs() <= 5e-3);
        assert!(close, "{attention:?}: {single:?} {half:?}");
        assert!(single != half, "nothing was computed in half floats");
    }
}

#[test]
fn a_transformer_in_half_floats_gives_the_same_probabilities() {
    let dir = tempfile::tempdir().unwrap();
    for tuning in [Tuning::Cpu, Tuning::Gpu] {
        let transformer = Synth::Transformer { shape: SMALL, seed: 1, tuning };
        let model = write(&transformer, dir.path()).unwrap();
        assert_like(&reading_bytes(&model, dir.path()));
    }
}

#[test]
fn golden_trained_networks_in_half_floats_give_the_same_probabilities() {
    let dir = tempfile::tempdir().unwrap();
    assert_like(&reading_bytes(&shared("models/meso4_df.onnx"), dir.path()));
    let tiny = import(&shared("models/m2sd_tiny.pt"), dir.path(), &ImportOptions::default());
    assert_like(&reading_bytes(&tiny.unwrap().model, dir.path()));
}

#[test]
fn golden_a_detector_in_half_floats_finds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let weights = shared("models/retinaface_mobilenet0.25.pth");
    let model = import(&weights, dir.path(), &ImportOptions::default()).unwrap().model;
    let (_dir, half) = half_of(&model, Attention::AsItIs);
    let classes = [&model, &half].map(|model| {
        let mut detector = load_detector(model, &on(Provider::Cpu), &CancelToken::new()).unwrap();
        let picture = Array3::from_shape_fn((3, 270, 480), |(c, y, x)| (c * 9 + y + x / 3) as u8);
        let found = match detector.values() {
            gstm2sd::core::image::PixelValues::U8 => {
                detector.run(picture.view(), &CancelToken::new())
            }
            _ => detector.run(picture.mapv(f32::from).view(), &CancelToken::new()),
        };
        found.unwrap().classes.to_owned()
    });
    let most = (&classes[0] - &classes[1]).mapv(f32::abs).fold(0.0, |a: f32, b| a.max(*b));
    assert!(most > 0.0 && most < 5e-3, "{most}");
}

/// What the file computes in is the provider's affair: its sidecar and inputs stay.
#[test]
fn nobody_who_runs_it_has_to_know() {
    let dir = tempfile::tempdir().unwrap();
    let model =
        write(&Synth::Transformer { shape: SMALL, seed: 1, tuning: Tuning::Gpu }, dir.path());
    let (_dir, half) = half_of(&model.unwrap(), Attention::AsItIs);
    let classifier = load_classifier(&half, &on(Provider::Cpu), &CancelToken::new()).unwrap();
    assert_eq!(classifier.spec().info.precision, Precision::Fp32);
}
