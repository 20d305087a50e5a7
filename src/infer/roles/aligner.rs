//! The landmark network, docs/method.md, "Landmarks".

use ndarray::{Array2, ArrayView2, Ix2, Ix4, s};

use super::signature::{Batch, Signature, fits, require_values, shape_error, take};
use crate::core::image::{ChannelOrder, PixelValues};
use crate::core::modelinfo::{ModelInfo, Role};
use crate::infer::cancel::CancelToken;
use crate::infer::engine::Engine;
use crate::infer::error::InferError;
use crate::infer::info::EngineInfo;
use crate::infer::limits;
use crate::infer::outputs::Outputs;
use crate::infer::tensor::TensorView;

/// 68 points, x and y in turn.
const COORDINATES: usize = 136;

/// Face crops `[N,3,S,S]` → 68 points `[N,136]` in 0..=1 of the crop (docs/method.md, "Landmarks").
pub struct Aligner {
    engine: Box<dyn Engine>,
    sidecar: ModelInfo,
    values: PixelValues,
    size_px: usize,
    batch: Batch,
    output: usize,
    outputs: Outputs,
    /// Of the faces of all runs together.
    points: Array2<f32>,
}

impl Aligner {
    /// # Errors
    /// [`InferError::WrongSignature`] for a network that finds no 68 points in a square.
    pub fn from_engine(engine: Box<dyn Engine>, sidecar: &ModelInfo) -> Result<Self, InferError> {
        let expected = "face f32 or u8[N,3,S,S] -> f32[N,136]";
        let signature = Signature { info: engine.info(), role: Role::Aligner, expected };
        let normalization = sidecar.normalization_as(Role::Aligner);
        let ([batch, channels, height_px, width_px], values) =
            signature.only_input(normalization)?;
        let batch = signature.batch(batch)?;
        signature.require(channels.is_none_or(|c| c == 3))?;
        let size_px = height_px.or(width_px).unwrap_or(limits::ALIGNER_PX);
        signature.require(size_px > 0 && width_px.is_none_or(|w| w == size_px))?;
        signature.bounded("faces", limits::MOST_SIDE, &[3, size_px, size_px])?;
        let output = signature.output(2, COORDINATES)?;
        let (sidecar, outputs) = (sidecar.clone(), Outputs::default());
        let points = Array2::zeros((0, COORDINATES));
        Ok(Self { sidecar, values, size_px, batch, output, outputs, points, engine })
    }

    /// The side of the square crop.
    pub fn size_px(&self) -> usize {
        self.size_px
    }

    /// RGB unless the sidecar says otherwise.
    pub fn channel_order(&self) -> ChannelOrder {
        self.sidecar.channel_order.unwrap_or(ChannelOrder::Rgb)
    }

    /// What it reads of a pixel: bytes where the network takes these, else floats, `x / 255`
    /// unless the sidecar says otherwise.
    pub fn values(&self) -> PixelValues {
        self.values
    }

    /// What its sidecar says.
    pub fn sidecar(&self) -> &ModelInfo {
        &self.sidecar
    }

    /// What the network takes and gives, and who runs it.
    pub fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// Runs on `faces`, `[N,3,S,S]` in [`Self::channel_order`] and [`Self::values`]; returns
    /// `[N,136]`: x and y in turn, 0..=1 of the crop.
    ///
    /// # Errors
    /// [`InferError::WrongShape`], [`InferError::Cancelled`], [`InferError::RunFailed`],
    /// [`InferError::WrongValues`] for numbers that are none or of the wrong kind.
    pub fn run<'a>(
        &mut self,
        faces: impl Into<TensorView<'a, Ix4>>,
        cancel: &CancelToken,
    ) -> Result<ArrayView2<'_, f32>, InferError> {
        const FACES: &str = "the aligner's faces";
        let faces = faces.into();
        let dims = [None, Some(3), Some(self.size_px), Some(self.size_px)];
        if !fits(&dims, faces.shape()) {
            return Err(shape_error(FACES, &dims, faces.shape()));
        }
        require_values(FACES, self.values, &faces)?;
        let count = faces.shape().first().copied().unwrap_or_default();
        let together = self.batch.most().unwrap_or(count);
        if 0 < count && count <= together {
            return self.run_batch(faces, cancel);
        }
        if self.points.dim() != (count, COORDINATES) {
            self.points = Array2::zeros((count, COORDINATES));
        }
        let mut points = std::mem::take(&mut self.points);
        let mut done = 0;
        for batch in faces.chunks(together.max(1)) {
            let found = self.run_batch(batch, cancel)?;
            points.slice_mut(s![done..done + found.nrows(), ..]).assign(&found);
            done += found.nrows();
        }
        self.points = points;
        Ok(self.points.view())
    }

    fn run_batch(
        &mut self,
        faces: TensorView<'_, Ix4>,
        cancel: &CancelToken,
    ) -> Result<ArrayView2<'_, f32>, InferError> {
        let count = faces.shape().first().copied();
        self.engine.run(&[faces.into_dyn()], &mut self.outputs, cancel)?;
        let what = "the aligner's points";
        let points = take::<Ix2>(&self.outputs, self.output, what, "[N, 136]")?;
        let dims = [count, Some(COORDINATES)];
        if fits(&dims, points.shape()) {
            Ok(points)
        } else {
            Err(shape_error(what, &dims, points.shape()))
        }
    }
}
