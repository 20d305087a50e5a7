//! The face detector, docs/method.md, "Detection".

use ndarray::{ArrayView2, Axis, Ix3};

use super::signature::{Signature, fits, require_values, shape_error, take};
use crate::core::detect::DetectorOutputs;
use crate::core::image::{ChannelOrder, PixelValues};
use crate::core::modelinfo::{ModelInfo, Role};
use crate::infer::cancel::CancelToken;
use crate::infer::engine::Engine;
use crate::infer::error::InferError;
use crate::infer::info::EngineInfo;
use crate::infer::limits;
use crate::infer::outputs::Outputs;
use crate::infer::tensor::TensorView;

/// Image `[N,3,H,W]` → box regressions `[N,A,4]`, class softmax `[N,A,2]`, landmark regressions
/// `[N,A,10]`, which are told apart by their last dimension (docs/method.md, "Detection").
pub struct Detector {
    engine: Box<dyn Engine>,
    sidecar: ModelInfo,
    values: PixelValues,
    height_px: Option<usize>,
    width_px: Option<usize>,
    places: Places,
    outputs: Outputs,
}

/// Where the three are among the network's outputs.
struct Places {
    boxes: usize,
    classes: usize,
    landmarks: usize,
}

impl Detector {
    /// # Errors
    /// [`InferError::WrongSignature`] for a network that is no detector.
    pub fn from_engine(engine: Box<dyn Engine>, sidecar: &ModelInfo) -> Result<Self, InferError> {
        let expected = "image f32 or u8[N,3,H,W] -> f32[N,A,4], f32[N,A,2], f32[N,A,10]";
        let signature = Signature { info: engine.info(), role: Role::Detector, expected };
        let normalization = sidecar.normalization_as(Role::Detector);
        let ([batch, channels, height_px, width_px], values) =
            signature.only_input(normalization)?;
        signature.batch(batch)?;
        signature.require(channels.is_none_or(|c| c == 3))?;
        let sides = [Some(3), height_px, width_px].map(|size| size.unwrap_or(1));
        signature.bounded("pictures", limits::MOST_PICTURE_SIDE_PX, &sides)?;
        let places = Places {
            boxes: signature.output(3, 4)?,
            classes: signature.output(3, 2)?,
            landmarks: signature.output(3, 10)?,
        };
        let (sidecar, outputs) = (sidecar.clone(), Outputs::default());
        Ok(Self { sidecar, values, height_px, width_px, places, outputs, engine })
    }

    /// The order in which the network reads colours; BGR unless the sidecar says otherwise.
    pub fn channel_order(&self) -> ChannelOrder {
        self.sidecar.channel_order.unwrap_or(ChannelOrder::Bgr)
    }

    /// What it reads of a pixel: bytes where the network takes these, else floats, normalised as
    /// RetinaFace's unless the sidecar says otherwise.
    pub fn values(&self) -> PixelValues {
        self.values
    }

    /// The picture's height, where the network was made for one.
    pub fn height_px(&self) -> Option<usize> {
        self.height_px
    }

    /// The picture's width, where the network was made for one.
    pub fn width_px(&self) -> Option<usize> {
        self.width_px
    }

    pub fn sidecar(&self) -> &ModelInfo {
        &self.sidecar
    }

    pub fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// Runs on one picture, `[3,H,W]`, in [`Self::channel_order`] and [`Self::values`]. The
    /// numbers that come out are finite.
    ///
    /// # Errors
    /// [`InferError::WrongShape`] for another size than the network's, [`InferError::Cancelled`],
    /// [`InferError::RunFailed`], [`InferError::WrongValues`] for numbers that are none or of the
    /// wrong kind.
    pub fn run<'a>(
        &mut self,
        image: impl Into<TensorView<'a, Ix3>>,
        cancel: &CancelToken,
    ) -> Result<DetectorOutputs<'_>, InferError> {
        const PICTURE: &str = "the detector's picture";
        let image = image.into();
        let dims = [Some(3), self.height_px, self.width_px];
        if !fits(&dims, image.shape()) {
            return Err(shape_error(PICTURE, &dims, image.shape()));
        }
        require_values(PICTURE, self.values, &image)?;
        self.engine.run(&[image.alone().into_dyn()], &mut self.outputs, cancel)?;
        let output = |place, last: usize, what, expected| -> Result<ArrayView2<'_, f32>, _> {
            let output = take::<Ix3>(&self.outputs, place, what, expected)?;
            match *output.shape() {
                [1, _, found] if found == last => Ok(output.remove_axis(Axis(0))),
                _ => Err(shape_error(what, &[Some(1), None, Some(last)], output.shape())),
            }
        };
        let boxes = output(self.places.boxes, 4, "the detector's boxes", "[1, A, 4]")?;
        let classes = output(self.places.classes, 2, "the detector's classes", "[1, A, 2]")?;
        let landmarks =
            output(self.places.landmarks, 10, "the detector's landmarks", "[1, A, 10]")?;
        let anchors = boxes.nrows();
        for (what, other) in
            [("the detector's classes", &classes), ("the detector's landmarks", &landmarks)]
        {
            if other.nrows() != anchors {
                let expected = [Some(anchors), Some(other.ncols())];
                return Err(shape_error(what, &expected, other.shape()));
            }
        }
        Ok(DetectorOutputs { boxes, classes, landmarks })
    }
}
