//! One stream's faces, frame by frame: detect, find landmarks, follow, crop (REFERENCE §1–§4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::inputs::{AlignerInput, DetectorInput};
use super::outbox::FrameFace;
use super::session::Engines;
use super::settings::{Delivery, PointsFrom, Settings};
use super::stages::{Stage, Stages};
use crate::core::align::{Crops, FaceCrop};
use crate::core::detect::{self, DetectError, DetectParams, Face};
use crate::core::geometry::{BBox, Size};
use crate::core::image::{ChannelOrder, FrameView, ImageError};
use crate::core::landmarks::{LandmarkCrop, LandmarkError, five_from_68};
use crate::core::track::{TrackId, Tracker};
use crate::infer::{CancelToken, InferError};

#[derive(Debug, Error)]
pub enum SceneError {
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error(transparent)]
    Detect(#[from] DetectError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Landmarks(#[from] LandmarkError),
}

/// What a clip needs of one face on one frame.
pub struct FaceSample {
    pub crop: Arc<FaceCrop>,
    pub bbox: BBox,
}

/// One frame, looked at.
pub struct Seen {
    pub faces: Arc<[FrameFace]>,
    /// The faces that a track follows, cropped.
    pub samples: Vec<(TrackId, FaceSample)>,
    /// Tracks that this frame ended.
    pub ended: Vec<TrackId>,
    /// How long detection took, where it ran.
    pub detected: Option<Duration>,
}

/// The part of the settings that a scene works by.
struct Rules {
    params: DetectParams,
    interval: u32,
    input: Size,
    order: ChannelOrder,
    points_from: PointsFrom,
}

/// The faces of frames of one size.
pub struct Scene {
    rules: Rules,
    frame: Size,
    detector_input: DetectorInput,
    aligner_input: AlignerInput,
    crops: Crops,
    /// The faces of the newest detection: they hold until the next one.
    faces: Arc<[FrameFace]>,
    /// Frames until detection is due.
    countdown: u32,
    stages: Stages,
}

impl Scene {
    pub fn new(
        frame: Size,
        engines: &Engines,
        settings: &Settings,
        delivery: Delivery,
        stages: Stages,
    ) -> Self {
        let detector = &engines.detector;
        let input = match (detector.width_px(), detector.height_px()) {
            (None, None) => limited(frame, settings.detect_size_px(delivery)),
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
            interval: settings.detect_interval(delivery),
            input,
            order: settings.channel_order(detector.sidecar().channel_order),
            points_from: settings.points_from,
        };
        let detector_input = DetectorInput::new(detector.values(), input);
        Self {
            rules,
            frame,
            detector_input,
            aligner_input: AlignerInput::default(),
            crops: Crops::default(),
            faces: Arc::default(),
            countdown: 0,
            stages,
        }
    }

    /// Looks at the next frame. With `hurry`, a detection that is due waits for a later frame.
    pub fn look(
        &mut self,
        view: &FrameView<'_>,
        engines: &mut Engines,
        tracker: &mut Tracker,
        cancel: &CancelToken,
        hurry: bool,
    ) -> Result<Seen, SceneError> {
        let due = self.countdown == 0 && !hurry;
        self.countdown = self.countdown.saturating_sub(1);
        let (mut ended, mut detected) = (Vec::new(), None);
        if due {
            self.countdown = self.rules.interval - 1;
            let started = Instant::now();
            let faces = self.detect(view, engines, cancel)?;
            let update = self.stages.time(Stage::Track, || tracker.update(&faces));
            let known = faces.into_iter().zip(update.tracks);
            let join = |(face, track)| FrameFace { track, face, landmarks: None };
            let mut known: Vec<_> = known.map(join).collect();
            self.landmarks(view, &mut known, engines, cancel)?;
            if known.is_empty() {
                // It may be long until there is a face again.
                self.crops.clear();
            }
            self.faces = known.into();
            ended = update.ended;
            detected = Some(started.elapsed());
        }
        let (crops, points_from) = (&mut self.crops, self.rules.points_from);
        let samples = || samples(crops, view, &self.faces, points_from);
        let samples = self.stages.time(Stage::Crop, samples);
        Ok(Seen { samples, faces: Arc::clone(&self.faces), ended, detected })
    }

    fn detect(
        &mut self,
        view: &FrameView<'_>,
        engines: &mut Engines,
        cancel: &CancelToken,
    ) -> Result<Vec<Face>, SceneError> {
        let (order, input) = (self.rules.order, &mut self.detector_input);
        self.stages.time(Stage::Prepare, || input.fill(view, order))?;
        let picture = self.detector_input.view();
        let outputs = self.stages.time(Stage::Detect, || engines.detector.run(picture, cancel))?;
        let Rules { input, params, .. } = &self.rules;
        let decode = || detect::decode(&outputs, *input, self.frame, params);
        Ok(self.stages.time(Stage::Decode, decode)?)
    }

    /// Finds the 68 points of each face, as far as an aligner is loaded and sees it.
    fn landmarks(
        &mut self,
        view: &FrameView<'_>,
        faces: &mut [FrameFace],
        engines: &mut Engines,
        cancel: &CancelToken,
    ) -> Result<(), SceneError> {
        let Some(aligner) = &mut engines.aligner else { return Ok(()) };
        let crop = |face: &FrameFace| LandmarkCrop::new(&face.face.bbox, self.frame);
        let (input, crops) = (&mut self.aligner_input, faces.iter().filter_map(crop));
        let reader = &*aligner;
        let fill = move || input.fill(reader, view, crops);
        let pictures = self.stages.time(Stage::LandmarkCrop, fill)?;
        let outputs = self.stages.time(Stage::Landmarks, || aligner.run(pictures, cancel))?;
        let seen = faces.iter_mut().filter_map(|face| Some((crop(face)?, face)));
        for ((crop, face), row) in seen.zip(outputs.rows()) {
            let points = crop.points(row.to_slice().unwrap_or_default())?;
            face.landmarks = Some(Box::new(points));
        }
        Ok(())
    }

    /// What follows is another scene: no face holds, and detection is due at once.
    pub fn cut(&mut self) {
        self.faces = Arc::default();
        self.crops.clear();
        self.countdown = 0;
    }
}

/// Copies what the clips need out of the frame.
fn samples(
    crops: &mut Crops,
    view: &FrameView<'_>,
    faces: &[FrameFace],
    points_from: PointsFrom,
) -> Vec<(TrackId, FaceSample)> {
    let sample = |known: &FrameFace| {
        let points = match (&known.landmarks, points_from) {
            (Some(all), PointsFrom::Aligner) => five_from_68(all),
            _ => known.face.points,
        };
        let (track, bbox) = (known.track?, known.face.bbox);
        Some((track, FaceSample { crop: crops.take(view, &bbox, points)?, bbox }))
    };
    faces.iter().filter_map(sample).collect()
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
