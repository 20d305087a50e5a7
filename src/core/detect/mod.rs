//! RetinaFace's outputs to faces (docs/method.md, "Detection").

#![warn(missing_docs)]

mod anchors;
#[cfg(test)]
mod tests;

use ndarray::ArrayView2;
use thiserror::Error;

use super::geometry::{BBox, FivePoints, Point, Size};

pub use anchors::{Anchor, Anchors};

/// Scores up to here are never looked at, however low the threshold.
const MIN_SCORE: f32 = 0.02;
const MAX_CANDIDATES: usize = 5000;
const MAX_OVERLAP: f64 = 0.4;
const MAX_KEPT: usize = 750;
/// How the network scales its regressions: places, and logarithms of sizes.
const VARIANCES: [f32; 2] = [0.1, 0.2];

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

/// What the network gives for one picture, a row for each of `A` anchors.
#[derive(Clone, Copy, Debug)]
pub struct DetectorOutputs<'a> {
    /// `[A, 4]`: box regressions.
    pub boxes: ArrayView2<'a, f32>,
    /// `[A, 2]`: probabilities of background and face.
    pub classes: ArrayView2<'a, f32>,
    /// `[A, 10]`: regressions of the five points.
    pub landmarks: ArrayView2<'a, f32>,
}

/// Why outputs cannot be decoded.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum DetectError {
    /// An output does not have a row for each anchor, or other columns.
    #[error(
        "the detector's {output} have the shape {found:?}; expected {expected:?} for an input of \
         {}x{} pixels: is the model a RetinaFace with strides 8, 16 and 32?",
        input.width(), input.height()
    )]
    Shape { output: &'static str, found: [usize; 2], expected: [usize; 2], input: Size },
}

/// The faces that the network found, best first: at most `max_faces`, none below `threshold`, no
/// two over one another.
///
/// `input` is the size of the picture that the network read, `frame` that of the frame which it
/// shows; the faces come out in the frame's px. A regression that is not a number, or a box
/// beyond [`BBox::LIMIT_PX`], is no face.
///
/// # Errors
/// [`DetectError::Shape`] when an output does not have a row for each anchor of `input`.
///
/// # Examples
///
/// A network that finds nothing but a face on the anchor in the picture's middle:
///
/// ```
/// use gstm2sd::core::detect::{Anchors, DetectParams, DetectorOutputs, decode};
/// use gstm2sd::core::geometry::Size;
/// use ndarray::Array2;
///
/// let size = Size::new(64, 64).unwrap();
/// let anchors = Anchors::new(size).count();
/// let (boxes, landmarks) = (Array2::zeros((anchors, 4)), Array2::zeros((anchors, 10)));
/// let mut classes = Array2::zeros((anchors, 2));
/// // The first map has 8×8 cells of two anchors; row 3, column 4, the larger one.
/// classes[[2 * (3 * 8 + 4) + 1, 1]] = 0.9;
///
/// let outputs = DetectorOutputs {
///     boxes: boxes.view(),
///     classes: classes.view(),
///     landmarks: landmarks.view(),
/// };
/// let faces = decode(&outputs, size, size, &DetectParams::default())?;
/// assert_eq!(faces.len(), 1);
/// // The anchor itself, 32 px around (36, 28).
/// assert_eq!((faces[0].bbox.x1(), faces[0].bbox.y1()), (20.0, 12.0));
/// # Ok::<(), gstm2sd::core::detect::DetectError>(())
/// ```
pub fn decode(
    outputs: &DetectorOutputs<'_>,
    input: Size,
    frame: Size,
    params: &DetectParams,
) -> Result<Vec<Face>, DetectError> {
    let anchors = Anchors::new(input);
    let check = |output, view: &ArrayView2<'_, f32>, columns| {
        let (found, expected) = (view.dim().into(), [anchors.count(), columns]);
        let wrong = DetectError::Shape { output, found, expected, input };
        if found == expected { Ok(()) } else { Err(wrong) }
    };
    check("boxes", &outputs.boxes, 4)?;
    check("classes", &outputs.classes, 2)?;
    check("landmarks", &outputs.landmarks, 10)?;

    let decoded = candidates(&outputs.classes, params.threshold).into_iter().filter_map(
        |Candidate { index, score }| {
            let anchor = anchors.get(index)?;
            let bbox = decode_box(anchor, row(&outputs.boxes, index)?, frame)?;
            let points = decode_points(anchor, row(&outputs.landmarks, index)?, frame)?;
            Some(Face { bbox, score, points })
        },
    );
    let mut faces = suppress(decoded);
    faces.retain(|f| f.bbox.width().min(f.bbox.height()) >= params.min_face_px);
    faces.truncate(params.max_faces);
    Ok(faces)
}

struct Candidate {
    index: usize,
    score: f32,
}

/// The best anchors, best first; of equal ones the earlier.
///
/// The reference applies its threshold last. Suppression only ever removes a face for a better
/// one, so applying it first gives the same faces and decodes a handful of anchors, not
/// thousands.
fn candidates(classes: &ArrayView2<'_, f32>, threshold: f32) -> Vec<Candidate> {
    let scores = classes.rows().into_iter().map(|row| row.get(1).copied().unwrap_or_default());
    let mut best: Vec<_> = scores
        .enumerate()
        .filter(|(_, score)| score.is_finite() && *score > MIN_SCORE && *score >= threshold)
        .map(|(index, score)| Candidate { index, score })
        .collect();
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    best.truncate(MAX_CANDIDATES);
    best
}

fn decode_box(anchor: Anchor, [dx, dy, dw, dh]: [f32; 4], frame: Size) -> Option<BBox> {
    let centre = anchor.displaced(dx, dy);
    let half_width = anchor.width * (dw * VARIANCES[1]).exp() / 2.0;
    let half_height = anchor.height * (dh * VARIANCES[1]).exp() / 2.0;
    let (w, h) = (frame.width() as f32, frame.height() as f32);
    BBox::new(
        (centre.x - half_width) * w,
        (centre.y - half_height) * h,
        (centre.x + half_width) * w,
        (centre.y + half_height) * h,
    )
}

fn decode_points(anchor: Anchor, regression: [f32; 10], frame: Size) -> Option<FivePoints> {
    let mut points = FivePoints::default();
    for (point, [dx, dy]) in points.iter_mut().zip(regression.as_chunks::<2>().0) {
        let place = anchor.displaced(*dx, *dy);
        *point = Point { x: place.x * frame.width() as f32, y: place.y * frame.height() as f32 };
    }
    points.iter().all(|p| p.x.is_finite() && p.y.is_finite()).then_some(points)
}

/// Greedy non-maximum suppression of faces that come best first.
fn suppress(faces: impl Iterator<Item = Face>) -> Vec<Face> {
    let mut kept = Vec::<Face>::new();
    for face in faces {
        if kept.iter().all(|better| better.bbox.iou_inclusive(&face.bbox) <= MAX_OVERLAP) {
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
