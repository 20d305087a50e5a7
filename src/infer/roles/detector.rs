//! The face detector, docs/method.md, "Detection".

use ndarray::{ArrayView2, Axis, Ix3, IxDyn};

use super::detector_outputs::{EXPECTED, Places};
use super::signature::{Signature, fits, require_values, shape_error, take};
use crate::core::detect::{DetectorOutputs, FamilyOutputs, FixedSides, LevelOutputs};
use crate::core::image::{ChannelOrder, PixelValues};
use crate::core::modelinfo::{DetectorFamily, ModelInfo, Role};
use crate::infer::cancel::CancelToken;
use crate::infer::engine::Engine;
use crate::infer::error::InferError;
use crate::infer::info::EngineInfo;
use crate::infer::limits;
use crate::infer::outputs::Outputs;
use crate::infer::tensor::TensorView;

/// Image `[N,3,H,W]` → the outputs of one of the families that docs/method.md describes: the one
/// that the sidecar names, else the one that has such outputs.
pub struct Detector {
    engine: Box<dyn Engine>,
    sidecar: ModelInfo,
    values: PixelValues,
    height_px: Option<usize>,
    width_px: Option<usize>,
    places: Places,
    outputs: Outputs,
}

impl Detector {
    /// # Errors
    /// [`InferError::WrongSignature`] for a network that is no detector, or of another family than
    /// the sidecar names.
    pub fn from_engine(engine: Box<dyn Engine>, sidecar: &ModelInfo) -> Result<Self, InferError> {
        let signature = Signature { info: engine.info(), role: Role::Detector, expected: EXPECTED };
        let places = Places::of(&signature, sidecar.family)?;
        let normalization = sidecar.normalization.unwrap_or(places.family().normalization());
        let ([batch, channels, height_px, width_px], values) =
            signature.only_input(normalization)?;
        signature.batch(batch)?;
        signature.require(channels.is_none_or(|c| c == 3))?;
        let sides = [Some(3), height_px, width_px].map(|size| size.unwrap_or(1));
        signature.bounded("pictures", limits::MOST_PICTURE_SIDE_PX, &sides)?;
        let (sidecar, outputs) = (sidecar.clone(), Outputs::default());
        Ok(Self { sidecar, values, height_px, width_px, places, outputs, engine })
    }

    /// How its numbers become faces.
    pub fn family(&self) -> DetectorFamily {
        self.places.family()
    }

    /// The order in which the network reads colours: its family's, unless the sidecar says
    /// otherwise.
    pub fn channel_order(&self) -> ChannelOrder {
        self.sidecar.channel_order.unwrap_or(self.family().channel_order())
    }

    /// What it reads of a pixel: bytes where the network takes these, else floats, normalised as
    /// its family's unless the sidecar says otherwise.
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

    /// The sides of the picture for which the network was made.
    pub fn fixed_sides(&self) -> FixedSides {
        let side = |px: Option<usize>| px.and_then(|px| u32::try_from(px).ok());
        FixedSides { width: side(self.width_px), height: side(self.height_px) }
    }

    /// What each side of the picture must be a multiple of, in px.
    pub fn multiple_px(&self) -> u32 {
        match self.family() {
            DetectorFamily::RetinaFace => 1,
            // Their coarser maps are enlarged and added to the finer ones.
            DetectorFamily::YuNet | DetectorFamily::Scrfd => 32,
        }
    }

    /// What its sidecar says.
    pub fn sidecar(&self) -> &ModelInfo {
        &self.sidecar
    }

    /// What the network takes and gives, and who runs it.
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
    pub fn run_family<'a>(
        &mut self,
        image: impl Into<TensorView<'a, Ix3>>,
        cancel: &CancelToken,
    ) -> Result<FamilyOutputs<'_>, InferError> {
        const PICTURE: &str = "the detector's picture";
        let image = image.into();
        let dims = [Some(3), self.height_px, self.width_px];
        if !fits(&dims, image.shape()) {
            return Err(shape_error(PICTURE, &dims, image.shape()));
        }
        require_values(PICTURE, self.values, &image)?;
        self.engine.run(&[image.alone().into_dyn()], &mut self.outputs, cancel)?;
        let anchors = self.sidecar.anchors.as_ref();
        match &self.places {
            Places::Anchors { boxes, classes, landmarks } => {
                let outputs = anchored(&self.outputs, [*boxes, *classes, *landmarks])?;
                Ok(FamilyOutputs::RetinaFace { outputs, anchors })
            }
            Places::Levels { family, scores, boxes, landmarks } => {
                let all = |places: &[usize], last, what| -> Result<Vec<_>, InferError> {
                    places.iter().map(|place| rows(&self.outputs, *place, last, what)).collect()
                };
                let outputs = LevelOutputs {
                    scores: all(scores, 1, "the detector's scores")?,
                    boxes: all(boxes, 4, "the detector's boxes")?,
                    landmarks: all(landmarks, 10, "the detector's landmarks")?,
                };
                Ok(match family {
                    DetectorFamily::Scrfd => FamilyOutputs::Scrfd(outputs),
                    _ => FamilyOutputs::YuNet(outputs),
                })
            }
        }
    }

    /// As [`Self::run_family`], for a RetinaFace.
    ///
    /// # Errors
    /// As [`Self::run_family`], and [`InferError::WrongValues`] for another family.
    pub fn run<'a>(
        &mut self,
        image: impl Into<TensorView<'a, Ix3>>,
        cancel: &CancelToken,
    ) -> Result<DetectorOutputs<'_>, InferError> {
        match self.run_family(image, cancel)? {
            FamilyOutputs::RetinaFace { outputs, .. } => Ok(outputs),
            FamilyOutputs::YuNet(_) | FamilyOutputs::Scrfd(_) => Err(InferError::WrongValues {
                what: "the detector's outputs",
                reason: "they are of another family than RetinaFace: take run_family".to_owned(),
            }),
        }
    }
}

/// RetinaFace's boxes, classes and landmarks.
fn anchored(outputs: &Outputs, places: [usize; 3]) -> Result<DetectorOutputs<'_>, InferError> {
    const CLASSES: &str = "the detector's classes";
    const LANDMARKS: &str = "the detector's landmarks";
    let [boxes, classes, landmarks] = places;
    let boxes = rows(outputs, boxes, 4, "the detector's boxes")?;
    let classes = rows(outputs, classes, 2, CLASSES)?;
    let landmarks = rows(outputs, landmarks, 10, LANDMARKS)?;
    for (what, other) in [(CLASSES, &classes), (LANDMARKS, &landmarks)] {
        if other.nrows() != boxes.nrows() {
            let expected = [Some(boxes.nrows()), Some(other.ncols())];
            return Err(shape_error(what, &expected, other.shape()));
        }
    }
    Ok(DetectorOutputs { boxes, classes, landmarks })
}

/// An output of one picture, with or without the axis of the batch, as rows of `last` numbers.
fn rows<'o>(
    outputs: &'o Outputs,
    place: usize,
    last: usize,
    what: &'static str,
) -> Result<ArrayView2<'o, f32>, InferError> {
    let output = take::<IxDyn>(outputs, place, what, "[1, A, columns]")?;
    let wrong = |shape: &[usize]| shape_error(what, &[Some(1), None, Some(last)], shape);
    let output = match *output.shape() {
        [1, _, found] if found == last => output.index_axis_move(Axis(0), 0),
        [_, found] if found == last => output,
        _ => return Err(wrong(output.shape())),
    };
    // Its axes were counted above.
    output.into_dimensionality().map_err(|_| wrong(&[]))
}
