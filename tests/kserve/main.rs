//! Networks that real inference servers run.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod commands;
mod element;
mod errors;
mod failover;
#[path = "../support/ports.rs"]
mod ports;
mod scores;
mod servers;
mod shared_memory;

use std::path::{Path, PathBuf};

use gstm2sd::infer::{
    CancelToken, Classifier, Clip, ClipScore, EngineOptions, InferError, Provider, load_classifier,
};
use gstm2sd::models::ModelSource;
use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::remote::RemoteModel;
use gstm2sd::models::synth::{ClipShape, Synth, write};
use ndarray::Array4;

/// The analytic classifier of one frame, which reads bytes.
fn classifier(dir: &Path) -> PathBuf {
    let floats = tempfile::tempdir().unwrap();
    let shape = ClipShape { frames: 1, ..ClipShape::default() };
    let made = write(&Synth::Classifier(shape), floats.path()).unwrap();
    let options = ImportOptions { bytes_in: true, ..ImportOptions::default() };
    std::fs::create_dir_all(dir).unwrap();
    import(&made, dir, &options).unwrap().model
}

fn name(model: &Path) -> &str {
    model.file_stem().unwrap().to_str().unwrap()
}

fn remote(address: &str) -> ModelSource {
    RemoteModel::parse(address).unwrap().into()
}

fn load(address: &str) -> Result<Classifier, InferError> {
    load_classifier(remote(address), &EngineOptions::default(), &CancelToken::new())
}

fn load_here(model: &Path) -> Classifier {
    let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
    load_classifier(model, &options, &CancelToken::new()).unwrap()
}

/// A clip of one colour, more or less.
fn pixels(classifier: &Classifier, seed: u8) -> Array4<u8> {
    let spec = classifier.spec();
    let dims = (3, spec.frames, spec.size_px, spec.size_px);
    Array4::from_shape_fn(dims, |(channel, frame, y, x)| {
        seed.wrapping_mul(31)
            .wrapping_add((channel * 70 + frame * 3) as u8)
            .wrapping_add((x ^ y) as u8 / 8)
    })
}

fn score(classifier: &mut Classifier, seeds: &[u8]) -> Result<Vec<ClipScore>, InferError> {
    let clips: Vec<_> = seeds
        .iter()
        .map(|seed| {
            let pixels = pixels(classifier, *seed);
            classifier.spec().clip(pixels.view(), Vec::new).unwrap()
        })
        .collect();
    let clips: Vec<_> =
        clips.iter().map(|clip| Clip { frames: clip.view(), audio: None }).collect();
    classifier.run(&clips, &CancelToken::new())
}
