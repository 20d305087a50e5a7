//! Detectors' outputs to faces (docs/method.md, "Detection"): a file for each family.

mod anchors;
#[cfg(test)]
mod family_tests;
mod letterbox;
mod levels;
mod retinaface;
mod scrfd;
#[cfg(test)]
mod tests;
mod yunet;

use ndarray::ArrayView2;
use thiserror::Error;

use super::geometry::{BBox, FivePoints, Point, Size};
use super::modelinfo::AnchorSides;

pub use anchors::{Anchor, Anchors};
pub use letterbox::{FixedSides, Letterbox};
pub use levels::LevelOutputs;
pub use retinaface::{DetectorOutputs, decode};

/// Scores up to here are never looked at, however low the threshold.
const MIN_SCORE: f32 = 0.02;
const MAX_CANDIDATES: usize = 5000;
const MAX_KEPT: usize = 750;

/// A detected face; coordinates in px of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// As measured: it may reach beyond the frame.
    pub bbox: BBox,
    /// The network's probability, 0 to 1.
    pub score: f32,
    /// Where the detector puts eyes, nose and mouth corners.
    pub points: FivePoints,
}

impl AsRef<Face> for Face {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Which detections are faces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectParams {
    /// The lowest score of a face.
    pub threshold: f32,
    /// The best so many are kept.
    pub max_faces: usize,
    /// The shorter side of the smallest face, in px of the frame.
    pub min_face_px: f32,
}

impl Default for DetectParams {
    fn default() -> Self {
        Self { threshold: 0.5, max_faces: 10, min_face_px: 0.0 }
    }
}

/// What a detector gives for one picture, in the terms of its family.
#[derive(Clone, Debug)]
pub enum FamilyOutputs<'a> {
    /// Regressions from anchors.
    RetinaFace {
        /// The numbers.
        outputs: DetectorOutputs<'a>,
        /// The sides of the anchors; `None` for the published ones.
        anchors: Option<&'a AnchorSides>,
    },
    /// OpenCV's YuNet.
    YuNet(LevelOutputs<'a>),
    /// InsightFace's SCRFD.
    Scrfd(LevelOutputs<'a>),
}

impl FamilyOutputs<'_> {
    /// The faces that the network found, best first: at most `max_faces`, none below `threshold`,
    /// no two over one another.
    ///
    /// `input` is the size of the picture that the network read, and `region` that of what it
    /// shows, in px of the frame ([`Letterbox`]); the faces come out in the frame's px. A number
    /// that is none, or a box beyond [`BBox::LIMIT_PX`], is no face.
    ///
    /// # Errors
    /// [`DetectError`] when the outputs are not those of the family for an input of this size.
    pub fn faces(
        &self,
        input: Size,
        region: Size,
        params: &DetectParams,
    ) -> Result<Vec<Face>, DetectError> {
        match self {
            Self::RetinaFace { outputs, anchors } => {
                retinaface::faces(outputs, *anchors, input, region, params)
            }
            Self::YuNet(outputs) => yunet::faces(outputs, input, region, params),
            Self::Scrfd(outputs) => scrfd::faces(outputs, input, region, params),
        }
    }
}

/// Why outputs cannot be decoded.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum DetectError {
    /// An output does not have a row for each anchor, or other columns.
    #[error(
        "the detector's {output} have the shape {found:?}; expected {expected:?} for an input of \
         {}x{} pixels: is the model a RetinaFace with {anchors}?",
        input.width(), input.height()
    )]
    Shape {
        output: &'static str,
        found: [usize; 2],
        expected: [usize; 2],
        input: Size,
        anchors: String,
    },
    /// The levels of a family that has its outputs apart are not of the expected sizes.
    #[error(
        "the detector's {output} have the rows {found:?}; expected {expected:?}, level by level, \
         for an input of {}x{} pixels: is the model a {family}?",
        input.width(), input.height()
    )]
    Levels {
        family: &'static str,
        output: &'static str,
        found: Vec<usize>,
        expected: Vec<usize>,
        input: Size,
    },
}

/// A row of an output, or of several one behind the other, and its score.
struct Candidate {
    index: usize,
    score: f32,
}

/// The best rows, best first; of equal ones the earlier.
///
/// The reference applies its threshold last. Suppression only ever removes a face for a better
/// one, so applying it first gives the same faces and decodes a handful of rows, not thousands.
fn candidates(scores: impl Iterator<Item = f32>, threshold: f32) -> Vec<Candidate> {
    let mut best: Vec<_> = scores
        .enumerate()
        .filter(|(_, score)| score.is_finite() && *score > MIN_SCORE && *score >= threshold)
        .map(|(index, score)| Candidate { index, score })
        .collect();
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    best.truncate(MAX_CANDIDATES);
    best
}

/// Those of the faces, which come best first, that are kept.
fn keep(faces: impl Iterator<Item = Face>, max_overlap: f64, params: &DetectParams) -> Vec<Face> {
    let mut faces = suppress(faces, max_overlap);
    faces.retain(|f| f.bbox.width().min(f.bbox.height()) >= params.min_face_px);
    faces.truncate(params.max_faces);
    faces
}

/// Greedy non-maximum suppression of faces that come best first.
fn suppress(faces: impl Iterator<Item = Face>, max_overlap: f64) -> Vec<Face> {
    let mut kept = Vec::<Face>::new();
    for face in faces {
        if kept.iter().all(|better| better.bbox.iou_inclusive(&face.bbox) <= max_overlap) {
            kept.push(face);
            if kept.len() == MAX_KEPT {
                break;
            }
        }
    }
    kept
}

/// Row `index` of an output with `N` columns.
fn row<const N: usize>(output: &ArrayView2<'_, f32>, index: usize) -> Option<[f32; N]> {
    let mut values = [0.0; N];
    for (column, value) in values.iter_mut().enumerate() {
        *value = *output.get((index, column))?;
    }
    Some(values)
}

/// The points that these offsets across and down put in their `place`, unless one is none.
fn points(offsets: [f32; 10], place: impl Fn(f32, f32) -> Point) -> Option<FivePoints> {
    let mut points = FivePoints::default();
    for (point, [dx, dy]) in points.iter_mut().zip(offsets.as_chunks::<2>().0) {
        *point = place(*dx, *dy);
    }
    points.iter().all(|p| p.x.is_finite() && p.y.is_finite()).then_some(points)
}

/// Px of the frame for one of the input, across and down.
fn growth(input: Size, region: Size) -> (f32, f32) {
    let x = f64::from(region.width()) / f64::from(input.width());
    let y = f64::from(region.height()) / f64::from(input.height());
    (x as f32, y as f32)
}
