//! What is known of the stream whose caps hold: its pixels, and the faces on its newest frame.

use std::sync::Arc;

use super::face_analyzer::DetectedFace;
use super::format::StreamFormat;
use super::pixels::{PixelError, Pixels};
use crate::core::align::{Crops, FaceCrop};
use crate::core::geometry::BBox;
use crate::core::landmarks::five_from_68;
use crate::core::pressure::DetectionSchedule;
use crate::core::quality::{FaceQuality, QualityMeter};
use crate::core::track::TrackId;
use crate::core::window::FrameNumber;
use crate::filter::output::frame::FrameFace;
use crate::filter::settings::{LandmarkSource, Settings};
use crate::filter::stats::stages::{Stage, Stages};

/// What a clip needs of one face on one frame.
pub struct FaceSample {
    pub crop: Arc<FaceCrop>,
    pub quality: Option<FaceQuality>,
    /// In the stream's own coordinates.
    pub bbox: BBox,
}

/// Frames without a readable one before them that make a stream an error.
const UNREADABLE_AT_FIRST: u32 = 5;

/// What an unreadable frame means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readability {
    /// It can be read.
    Readable,
    /// It cannot; the first of a row is to be told.
    Unreadable { first: bool },
    /// None of the stream's frames could be read so far, and they were many.
    Hopeless,
}

/// The frames of one format, and the faces that hold until the next detection.
pub struct Stream {
    pub format: Arc<StreamFormat>,
    pub pixels: Pixels,
    pub schedule: DetectionSchedule,
    crops: Crops,
    /// In px of the upright frame, in the order of `shown`.
    faces: Vec<DetectedFace>,
    /// The same faces in the stream's own coordinates, as they leave with the frame they are of.
    shown: Arc<[FrameFace]>,
    /// Those that hold on the frames after it: the ones that a track follows. Of others nobody
    /// knows whether they are still there.
    held: Arc<[FrameFace]>,
    /// The frame that the faces were found on.
    found_on: Option<FrameNumber>,
    /// How well the faces can be seen is known.
    measured: bool,
    meter: QualityMeter,
    /// Unreadable frames in a row.
    unreadable: u32,
    /// Whether a frame could be read.
    was_readable: bool,
    landmark_source: LandmarkSource,
    stages: Stages,
}

impl Stream {
    /// # Errors
    /// [`PixelError`] where frames of this format cannot be read.
    pub fn new(
        format: Arc<StreamFormat>,
        settings: &Settings,
        stages: Stages,
    ) -> Result<Self, PixelError> {
        Ok(Self {
            pixels: Pixels::new(Arc::clone(&format), stages.clone())?,
            schedule: DetectionSchedule::new(settings.detect_interval(format.delivery)),
            crops: Crops::default(),
            faces: Vec::new(),
            shown: Arc::default(),
            held: Arc::default(),
            found_on: None,
            measured: true,
            meter: QualityMeter::default(),
            unreadable: 0,
            was_readable: false,
            landmark_source: settings.landmark_source,
            stages,
            format,
        })
    }

    /// Goes on with frames of another format.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn change_format(&mut self, format: Arc<StreamFormat>) -> Result<(), PixelError> {
        self.pixels = Pixels::new(Arc::clone(&format), self.stages.clone())?;
        let before = std::mem::replace(&mut self.format, format);
        self.unreadable = 0;
        if !before.has_places_of(&self.format) {
            self.crops.clear();
            self.schedule.reset();
            let faces = std::mem::take(&mut self.faces);
            let tracks: Vec<_> = self.shown.iter().map(|face| face.track).collect();
            self.hold(moved(faces, &before, &self.format), tracks);
        }
        Ok(())
    }

    /// Whether a frame can be read.
    pub fn readability(&mut self, buffer: &gst::BufferRef) -> (Readability, Option<PixelError>) {
        let Err(error) = self.pixels.check(buffer) else {
            (self.unreadable, self.was_readable) = (0, true);
            return (Readability::Readable, None);
        };
        self.unreadable += 1;
        let hopeless = !self.was_readable && self.unreadable >= UNREADABLE_AT_FIRST;
        let found = match hopeless {
            true => Readability::Hopeless,
            false => Readability::Unreadable { first: self.unreadable == 1 },
        };
        (found, Some(error))
    }

    /// These faces are on `frame`, each with its track; they are in places of the format.
    pub fn show(
        &mut self,
        frame: FrameNumber,
        faces: Vec<DetectedFace>,
        tracks: Vec<Option<TrackId>>,
    ) {
        self.hold(faces, tracks);
        self.found_on = Some(frame);
    }

    fn hold(&mut self, faces: Vec<DetectedFace>, tracks: Vec<Option<TrackId>>) {
        (self.faces, self.found_on) = (faces, None);
        self.publish(tracks);
        self.measured = self.faces.is_empty();
        if self.faces.is_empty() {
            // It may be long until there is a face again.
            self.crops.clear();
        }
    }

    /// Makes what leaves with frames of what is known of the faces.
    fn publish(&mut self, tracks: impl IntoIterator<Item = Option<TrackId>>) {
        let format = &self.format;
        let shown = self.faces.iter().zip(tracks).map(|(face, track)| stored(face, track, format));
        self.shown = shown.collect();
        self.held = match self.shown.iter().all(|face| face.track.is_some()) {
            true => Arc::clone(&self.shown),
            false => self.shown.iter().filter(|face| face.track.is_some()).cloned().collect(),
        };
    }

    /// Whether there are faces of which nobody knows how well they can be seen.
    pub fn has_unmeasured_faces(&self) -> bool {
        !self.measured
    }

    /// The faces that leave with a frame.
    pub fn shown_on(&self, frame: FrameNumber) -> Arc<[FrameFace]> {
        let faces = if self.found_on == Some(frame) { &self.shown } else { &self.held };
        Arc::clone(faces)
    }

    /// No face holds, and detection is due at once.
    pub fn forget_faces(&mut self) {
        self.hold(Vec::new(), Vec::new());
        self.schedule.reset();
    }

    /// The tracks that are on the newest frame.
    pub fn followed(&self) -> impl Iterator<Item = TrackId> {
        self.shown.iter().filter_map(|face| face.track)
    }

    /// Copies what clips need out of a frame: the surroundings of each face that is followed,
    /// `crop_scale` times its sides. The first time after a detection it measures how well each face
    /// can be seen.
    ///
    /// # Errors
    /// When the frame cannot be read.
    pub fn samples(
        &mut self,
        buffer: &gst::BufferRef,
        crop_scale: f64,
    ) -> Result<Vec<(TrackId, FaceSample)>, PixelError> {
        let measures = self.has_unmeasured_faces();
        if !measures && self.held.is_empty() {
            return Ok(Vec::new());
        }
        let Self { pixels, crops, faces, shown, landmark_source, stages, meter, .. } = self;
        let samples = pixels.with_view(buffer, |view| {
            let mut sample = |face: &mut DetectedFace, shown: &FrameFace| {
                let points = match (&face.landmarks, *landmark_source) {
                    (Some(all), LandmarkSource::Aligner) => five_from_68(all),
                    _ => face.face.points,
                };
                let crop = crops.take(&view, &face.face.bbox, points, crop_scale)?;
                if measures {
                    face.quality = meter.measure(&crop, view.size());
                }
                let (quality, bbox) = (face.quality, shown.face.bbox);
                Some((shown.track?, FaceSample { crop, quality, bbox }))
            };
            let looked_at = faces.iter_mut().zip(shown.iter());
            let looked_at = looked_at.filter(|(_, shown)| measures || shown.track.is_some());
            let crop = || looked_at.filter_map(|(face, shown)| sample(face, shown)).collect();
            stages.time(Stage::Crop, crop)
        })?;
        if measures {
            let tracks: Vec<_> = self.shown.iter().map(|face| face.track).collect();
            self.publish(tracks);
            self.measured = true;
        }
        Ok(samples)
    }
}

/// Faces found on frames of one format, in the places of another.
pub fn moved(
    mut faces: Vec<DetectedFace>,
    from: &StreamFormat,
    to: &StreamFormat,
) -> Vec<DetectedFace> {
    if !from.has_places_of(to) {
        for DetectedFace { face, landmarks, .. } in &mut faces {
            face.bbox = from.box_in(&face.bbox, to);
            face.points = face.points.map(|point| from.point_in(point, to));
            if let Some(points) = landmarks {
                Arc::make_mut(points)
                    .iter_mut()
                    .for_each(|point| *point = from.point_in(*point, to));
            }
        }
    }
    faces
}

fn stored(face: &DetectedFace, track: Option<TrackId>, format: &StreamFormat) -> FrameFace {
    let shown = &format.presentation;
    let (landmarks, quality) = (face.landmarks.clone(), face.quality);
    let mut stored = FrameFace { track, face: face.face, landmarks, quality };
    if !shown.is_as_stored() {
        stored.face.bbox = shown.stored_box(&face.face.bbox);
        stored.face.points = face.face.points.map(|point| shown.stored_point(point));
        if let Some(points) = &mut stored.landmarks {
            let points = Arc::make_mut(points).iter_mut();
            points.for_each(|point| *point = shown.stored_point(*point));
        }
    }
    stored
}
