//! Whether a provider works here: a tiny network is made up, loaded there and run, and its answer is
//! compared with the one that can be computed.

use std::time::{Duration, Instant};

use ndarray::Array4;
use thiserror::Error;

use super::cancel::CancelToken;
use super::error::InferError;
use super::factory::load_classifier;
use super::info::EngineInfo;
use super::options::{EngineOptions, Provider};
use super::roles::Clip;
use super::tensor::Tensor;
use crate::models::synth::{self, ClipShape, Synth, SynthError};

/// The clip of the network.
const FRAMES: usize = 1;
const SIDE_PX: usize = 32;
/// P(fake) of a clip of zeros, by the network's own normalisation, and how far the arithmetic of any
/// provider may be from it.
const ANSWER: f64 = 0.485;
const TOLERANCE: f64 = 0.01;

/// A provider that works.
#[derive(Clone, Debug)]
pub struct Working {
    /// What ran, on which provider and in which precision.
    pub info: EngineInfo,
    /// Loading, which for TensorRT is building.
    pub load: Duration,
}

/// Why a provider does not work.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ProbeError {
    #[error("the test network cannot be written: {0}")]
    Folder(#[from] std::io::Error),
    #[error("the test network cannot be written: {0}")]
    Network(#[from] SynthError),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error("it computes wrongly: {found}, where {ANSWER} is right. Use another provider")]
    Wrong { found: f64 },
}

/// Tries a provider; [`Provider::Auto`] tries the first that works.
///
/// # Errors
/// [`ProbeError`], which says what is missing.
pub fn probe(provider: Provider, cancel: &CancelToken) -> Result<Working, ProbeError> {
    let dir = tempfile::tempdir()?;
    let shape = ClipShape { frames: FRAMES, size_px: SIDE_PX, ..ClipShape::default() };
    let model = synth::write(&Synth::Classifier(shape), dir.path())?;
    let options = EngineOptions {
        provider,
        cache_dir: Some(dir.path().join("cache")),
        ..EngineOptions::default()
    };
    let started = Instant::now();
    let mut classifier = load_classifier(&model, &options, cancel)?;
    let load = started.elapsed();
    let frames: Tensor<_> = Array4::<f32>::zeros((3, FRAMES, SIDE_PX, SIDE_PX)).into();
    let scores = classifier.run(&[Clip { frames: frames.view(), audio: None }], cancel)?;
    let found = scores.first().map_or(f64::NAN, |score| score.fake);
    if (found - ANSWER).abs() <= TOLERANCE {
        Ok(Working { info: classifier.spec().info.clone(), load })
    } else {
        Err(ProbeError::Wrong { found })
    }
}
