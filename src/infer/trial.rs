//! One inference with a network that nobody has used yet, so that a file which could not be used is
//! refused when it comes, and not when a scan begins.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ndarray::{Array, Array3, Dimension, ShapeBuilder};

use super::cancel::CancelToken;
use super::error::InferError;
use super::load::load_engine;
use super::loading::Loading;
use super::options::{EngineOptions, Provider};
use super::pool::{ABANDON_AFTER, CountedThread};
use super::roles::{Aligner, Classifier, Clip, Detector};
use super::tensor::Tensor;
use crate::core::detect::DetectParams;
use crate::core::geometry::Size;
use crate::core::image::PixelValues;
use crate::core::modelinfo::{ModelInfo, Role};

/// The sides of a picture for a detector that takes any.
const PICTURE_PX: (usize, usize) = (192, 256);
const GREY: u8 = 128;

/// How a trial ended that found no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The network has the shapes of its role, and answers with finite numbers.
    Ran,
    /// Nothing here can run it; why.
    Untried(String),
}

/// Loads the network at `model` on the CPU, gives it the role of `info`, and has it look at grey, on a
/// thread of its own; where it has not answered after `patience`, that is left behind
/// ([`super::settle`]).
///
/// # Errors
/// [`InferError::WrongSignature`], [`InferError::TooLarge`], [`InferError::WrongShape`],
/// [`InferError::WrongValues`] and whatever else a scan would fail with.
pub fn try_out(
    model: &Path,
    role: Role,
    info: &ModelInfo,
    patience: Duration,
) -> Result<Trial, InferError> {
    let failed = |reason| InferError::RunFailed { provider: Provider::Cpu, reason };
    let (sender, receiver) = mpsc::channel();
    let (path, info, cancel) = (model.to_owned(), info.clone(), CancelToken::new());
    let cancelled = cancel.clone();
    let counted = CountedThread::new();
    let work = move || {
        let _counted = counted;
        let _gone = sender.send(run(&path, role, &info, &cancelled));
    };
    let thread = thread::Builder::new().name("m2sd-trial".to_owned()).spawn(work);
    thread.map_err(|e| failed(e.to_string()))?;
    let ran = receiver.recv_timeout(patience).unwrap_or_else(|_| {
        cancel.cancel();
        let _ended = receiver.recv_timeout(ABANDON_AFTER);
        Err(failed(format!("it has not answered within {} s", patience.as_secs())))
    });
    match ran {
        Ok(()) => Ok(Trial::Ran),
        Err(
            missing @ (InferError::LibraryMissing { .. }
            | InferError::LibraryUnusable { .. }
            | InferError::LibraryTooOld { .. }
            | InferError::ProviderMissing { .. }),
        ) => Ok(Trial::Untried(missing.to_string())),
        Err(error) => Err(error),
    }
}

fn run(model: &Path, role: Role, info: &ModelInfo, cancel: &CancelToken) -> Result<(), InferError> {
    let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
    let engine = load_engine(model, &options, Loading::from(cancel).of(role))?;
    match role {
        Role::Detector => {
            let mut detector = Detector::from_engine(engine, info)?;
            let (height, width) = PICTURE_PX;
            let height = detector.height_px().unwrap_or(height);
            let width = detector.width_px().unwrap_or(width);
            let picture = grey((3, height, width), detector.values());
            let outputs = detector.run_family(picture.view(), cancel)?;
            let side = |px: usize| u32::try_from(px).unwrap_or(u32::MAX);
            let Some(size) = Size::new(side(width), side(height)) else { return Ok(()) };
            // The rows of the outputs are held against the size of the picture.
            let faces = outputs.faces(size, size, &DetectParams::default());
            faces.map(drop).map_err(|error| InferError::WrongValues {
                what: "the detector's outputs",
                reason: error.to_string(),
            })
        }
        Role::Aligner => {
            let mut aligner = Aligner::from_engine(engine, info)?;
            let side = aligner.size_px();
            let face = grey((1, 3, side, side), aligner.values());
            aligner.run(face.view(), cancel).map(drop)
        }
        Role::Classifier => {
            let mut classifier = Classifier::from_engine(engine, info)?;
            let spec = classifier.spec();
            let (frames, side) = (spec.frames, spec.size_px);
            let picture = grey((3, frames, side, side), spec.values);
            let sound = spec.audio.map(|audio| Array3::zeros((1, audio.mels, audio.frames)));
            let audio = sound.as_ref().map(|sound| sound.view());
            classifier.run(&[Clip { frames: picture.view(), audio }], cancel).map(drop)
        }
    }
}

/// Grey, as a network reads it; what is normalised is about nought there.
fn grey<D: Dimension>(dims: impl ShapeBuilder<Dim = D>, values: PixelValues) -> Tensor<D> {
    match values {
        PixelValues::Normalized(_) => Tensor::F32(Array::zeros(dims)),
        PixelValues::U8 => Tensor::U8(Array::from_elem(dims, GREY)),
    }
}
