//! The landmark network, REFERENCE §2.

use std::path::Path;

use ndarray::{Array2, ArrayView4, Axis, Ix2, concatenate};

use super::{Batch, Signature, fits, open, shape_error, take};
use crate::core::image::{ChannelOrder, Normalization};
use crate::core::modelinfo::{ModelInfo, Role};
use crate::infer::cancel::CancelToken;
use crate::infer::error::InferError;
use crate::infer::options::EngineOptions;
use crate::infer::{Engine, EngineInfo};

/// The side of the published small networks (PFLD, MobileFaceNet), for a file that leaves it open.
const DEFAULT_SIZE_PX: usize = 112;
/// 68 points, x and y in turn.
const COORDINATES: usize = 136;

/// Face crops `[N,3,S,S]` → 68 points `[N,136]` in 0..=1 of the crop (REFERENCE §2).
pub struct Aligner {
    engine: Box<dyn Engine>,
    sidecar: ModelInfo,
    size_px: usize,
    batch: Batch,
    output: usize,
}

impl Aligner {
    /// Loads `path` with what `sidecar` says about it.
    ///
    /// # Errors
    /// Those of [`crate::infer::onnx::OnnxEngine::load`], and [`InferError::WrongSignature`].
    pub fn load(
        path: &Path,
        sidecar: &ModelInfo,
        options: &EngineOptions,
        cancel: &CancelToken,
    ) -> Result<Self, InferError> {
        Self::from_engine(open(path, options, cancel)?, sidecar)
    }

    /// # Errors
    /// [`InferError::WrongSignature`] for a network that finds no 68 points in a square.
    pub fn from_engine(engine: Box<dyn Engine>, sidecar: &ModelInfo) -> Result<Self, InferError> {
        let expected = "face f32[N,3,S,S] -> f32[N,136]";
        let signature = Signature { info: engine.info(), role: Role::Aligner, expected };
        let [batch, channels, height_px, width_px] = signature.only_input()?;
        let batch = signature.batch(batch)?;
        signature.require(channels.is_none_or(|c| c == 3))?;
        let size_px = height_px.or(width_px).unwrap_or(DEFAULT_SIZE_PX);
        signature.require(size_px > 0 && width_px.is_none_or(|w| w == size_px))?;
        let output = signature.output(2, COORDINATES)?;
        Ok(Self { sidecar: sidecar.clone(), size_px, batch, output, engine })
    }

    /// The side of the square crop.
    pub fn size_px(&self) -> usize {
        self.size_px
    }

    /// RGB unless the sidecar says otherwise.
    pub fn channel_order(&self) -> ChannelOrder {
        self.sidecar.channel_order.unwrap_or(ChannelOrder::Rgb)
    }

    /// `x / 255` unless the sidecar says otherwise.
    pub fn normalization(&self) -> Normalization {
        self.sidecar.normalization.unwrap_or(Normalization::UNIT)
    }

    pub fn sidecar(&self) -> &ModelInfo {
        &self.sidecar
    }

    pub fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// Runs on `faces`, `[N,3,S,S]`; returns `[N,136]`: x and y in turn, 0..=1 of the crop.
    ///
    /// # Errors
    /// [`InferError::WrongShape`], [`InferError::Cancelled`], [`InferError::RunFailed`],
    /// [`InferError::WrongValues`] for numbers that are none.
    pub fn run(
        &mut self,
        faces: ArrayView4<'_, f32>,
        cancel: &CancelToken,
    ) -> Result<Array2<f32>, InferError> {
        let dims = [None, Some(3), Some(self.size_px), Some(self.size_px)];
        if !fits(&dims, faces.shape()) {
            return Err(shape_error("the aligner's faces", &dims, faces.shape()));
        }
        if faces.is_empty() {
            return Ok(Array2::zeros((0, COORDINATES)));
        }
        match self.batch {
            Batch::Any => self.run_batch(faces, cancel),
            Batch::One => {
                let each = faces.axis_chunks_iter(Axis(0), 1);
                let points =
                    each.map(|face| self.run_batch(face, cancel)).collect::<Result<Vec<_>, _>>()?;
                let rows: Vec<_> = points.iter().map(|points| points.view()).collect();
                concatenate(Axis(0), &rows).map_err(|error| InferError::WrongValues {
                    what: "the aligner's points",
                    reason: error.to_string(),
                })
            }
        }
    }

    fn run_batch(
        &mut self,
        faces: ArrayView4<'_, f32>,
        cancel: &CancelToken,
    ) -> Result<Array2<f32>, InferError> {
        let mut outputs = self.engine.run(&[faces.into_dyn()], cancel)?;
        let what = "the aligner's points";
        let points = take::<Ix2>(&mut outputs, self.output, what, "[N, 136]")?;
        let dims = [Some(faces.shape()[0]), Some(COORDINATES)];
        if fits(&dims, points.shape()) {
            Ok(points)
        } else {
            Err(shape_error(what, &dims, points.shape()))
        }
    }
}
