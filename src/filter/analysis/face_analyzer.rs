//! The faces of one frame: detect, find landmarks (docs/method.md, "Detection", "Landmarks").

use std::sync::Arc;

use thiserror::Error;

use super::format::StreamFormat;
use super::model_inputs::{AlignerInput, DetectorInput};
use super::pixels::{PixelError, Pixels};
use crate::core::detect::{self, DetectError, DetectParams, Face};
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
    input: Size,
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
        let input = match (detector.width_px(), detector.height_px()) {
            (None, None) => limited(frame, settings.detect_size_px(format.delivery)),
            (w, h) => {
                let side = |px: Option<usize>, own| px.map_or(own, |px| px as u32);
                let (w, h) = (side(w, frame.width()), side(h, frame.height()));
                Size::new(w, h).unwrap_or(frame)
            }
        };
        let rules = Rules {
            params: DetectParams {
                threshold: settings.detect_threshold as f32,
                max_faces: settings.max_faces as usize,
                min_face_px: settings.min_face as f32,
            },
            input,
            order: settings.channel_order(detector.sidecar().channel_order),
        };
        Ok(Self {
            detector_input: DetectorInput::new(detector.values(), input),
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
            let outputs = stages.time(Stage::Detect, || engines.detector.run(picture, cancel))?;
            let decode = || detect::decode(&outputs, rules.input, *frame, &rules.params);
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

/// `frame`, scaled down so that its longer side is at most `longest_px`.
fn limited(frame: Size, longest_px: Option<u32>) -> Size {
    let longest = frame.width().max(frame.height());
    let Some(limit) = longest_px.filter(|limit| *limit < longest) else { return frame };
    let scale = |side: u32| {
        let scaled = f64::from(side) * f64::from(limit) / f64::from(longest);
        (scaled.round() as u32).max(1)
    };
    Size::new(scale(frame.width()), scale(frame.height())).unwrap_or(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_frames_are_scaled_to_the_limit_and_small_ones_stay() {
        let size = |w, h| Size::new(w, h).unwrap();
        assert_eq!(limited(size(1920, 1080), Some(640)), size(640, 360));
        assert_eq!(limited(size(1080, 1920), Some(640)), size(360, 640));
        assert_eq!(limited(size(320, 240), Some(640)), size(320, 240));
        assert_eq!(limited(size(4000, 2), Some(64)), size(64, 1));
        assert_eq!(limited(size(1920, 1080), None), size(1920, 1080));
    }
}
