//! The faces of one frame: detect, find landmarks (docs/method.md, "Detection", "Landmarks").

use std::sync::Arc;

use thiserror::Error;

use super::format::StreamFormat;
use super::model_inputs::{AlignerInput, DetectorInput};
use super::pixels::{PixelError, Pixels};
use crate::core::detect::{DetectError, DetectParams, Face, Letterbox};
use crate::core::geometry::{Point, Size};
use crate::core::image::{ChannelOrder, FrameView, ImageError};
use crate::core::landmarks::{LandmarkCrop, LandmarkError};
use crate::core::quality::FaceQuality;
use crate::filter::engines::loading::FaceEngines;
use crate::filter::settings::Settings;
use crate::filter::stats::stages::{Stage, Stages};
use crate::infer::{CancelToken, InferError};

#[derive(Debug, Error)]
pub enum AnalysisError {
    #[error(transparent)]
    Pixels(#[from] PixelError),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error(transparent)]
    Detect(#[from] DetectError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Landmarks(#[from] LandmarkError),
    #[error("detection panicked, please report this")]
    Panicked,
}

/// A face as the models see it, in px of the upright frame.
#[derive(Clone, Debug)]
pub struct DetectedFace {
    pub face: Face,
    /// The aligner's 68 points.
    pub landmarks: Option<Arc<[Point; 68]>>,
    /// `None` until a frame of it was looked at.
    pub quality: Option<FaceQuality>,
}

impl AsRef<Face> for DetectedFace {
    fn as_ref(&self) -> &Face {
        &self.face
    }
}

/// The part of the settings that detection works by.
struct Rules {
    params: DetectParams,
    letterbox: Letterbox,
    order: ChannelOrder,
}

/// Finds the faces of frames of one format.
pub struct FaceAnalyzer {
    rules: Rules,
    frame: Size,
    pixels: Pixels,
    detector_input: DetectorInput,
    aligner_input: AlignerInput,
    stages: Stages,
}

impl FaceAnalyzer {
    /// # Errors
    /// [`PixelError`] where frames of this format cannot be read.
    pub fn new(
        format: Arc<StreamFormat>,
        engines: &FaceEngines,
        settings: &Settings,
        stages: Stages,
    ) -> Result<Self, PixelError> {
        let detector = &engines.detector;
        let frame = format.upright();
        let letterbox = Letterbox::new(
            frame,
            detector.fixed_sides(),
            settings.detect_size_px(format.delivery),
            detector.multiple_px(),
        );
        let rules = Rules {
            params: DetectParams {
                threshold: settings.detect_threshold as f32,
                max_faces: settings.max_faces as usize,
                min_face_px: settings.min_face as f32,
            },
            letterbox,
            order: settings.channel_order(detector.channel_order()),
        };
        Ok(Self {
            detector_input: DetectorInput::new(detector.values(), letterbox),
            pixels: Pixels::new(format, stages.clone())?,
            rules,
            frame,
            aligner_input: AlignerInput::default(),
            stages,
        })
    }

    /// The faces of a frame, best first.
    ///
    /// # Errors
    /// [`AnalysisError::Pixels`] for a buffer that is not what the caps promise; others are the
    /// models' failures.
    pub fn process(
        &mut self,
        buffer: &gst::BufferRef,
        engines: &mut FaceEngines,
        cancel: &CancelToken,
    ) -> Result<Vec<DetectedFace>, AnalysisError> {
        let Self { rules, frame, pixels, detector_input, aligner_input, stages } = self;
        pixels.with_view(buffer, |view| -> Result<_, AnalysisError> {
            stages.time(Stage::Prepare, || detector_input.fill(&view, rules.order))?;
            let picture = detector_input.view();
            let detector = &mut engines.detector;
            let outputs =
                stages.time(Stage::Detect, move || detector.run_family(picture, cancel))?;
            let (input, region) = (rules.letterbox.input(), rules.letterbox.region());
            let decode = || outputs.faces(input, region, &rules.params);
            let faces = stages.time(Stage::Decode, decode)?;
            let detected = |face| DetectedFace { face, landmarks: None, quality: None };
            let mut faces: Vec<_> = faces.into_iter().map(detected).collect();
            landmarks(&view, *frame, &mut faces, (engines, aligner_input), cancel, stages)?;
            Ok(faces)
        })?
    }
}

/// Finds the 68 points of each face, as far as an aligner is loaded and sees it.
fn landmarks(
    view: &FrameView<'_>,
    frame: Size,
    faces: &mut [DetectedFace],
    (engines, input): (&mut FaceEngines, &mut AlignerInput),
    cancel: &CancelToken,
    stages: &Stages,
) -> Result<(), AnalysisError> {
    let Some(aligner) = &mut engines.aligner else { return Ok(()) };
    let crop = |face: &DetectedFace| LandmarkCrop::new(&face.face.bbox, frame);
    let crops = faces.iter().filter_map(crop);
    let reader = &*aligner;
    let pictures = stages.time(Stage::LandmarkCrop, move || input.fill(reader, view, crops))?;
    let outputs = stages.time(Stage::Landmarks, || aligner.run(pictures, cancel))?;
    let seen = faces.iter_mut().filter_map(|face| Some((crop(face)?, face)));
    for ((crop, face), row) in seen.zip(outputs.rows()) {
        let points = crop.points(row.to_slice().unwrap_or_default())?;
        face.landmarks = Some(Arc::new(points));
    }
    Ok(())
}
