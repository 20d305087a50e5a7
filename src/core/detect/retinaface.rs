//! RetinaFace: regressions from anchors, all levels one behind the other.

use ndarray::ArrayView2;

use super::anchors::VARIANCES;
use super::{
    Anchor, Anchors, Candidate, DetectError, DetectParams, Face, candidates, keep, points, row,
};
use crate::core::geometry::{BBox, FivePoints, Point, Size};
use crate::core::modelinfo::AnchorSides;

pub(super) const MAX_OVERLAP: f64 = 0.4;

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
    faces(outputs, None, input, frame, params)
}

/// As [`decode`], with other anchors than the published ones.
pub(super) fn faces(
    outputs: &DetectorOutputs<'_>,
    sides: Option<&AnchorSides>,
    input: Size,
    frame: Size,
    params: &DetectParams,
) -> Result<Vec<Face>, DetectError> {
    let anchors = Anchors::of(input, sides);
    let check = |output, view: &ArrayView2<'_, f32>, columns| {
        let (found, expected) = (view.dim().into(), [anchors.count(), columns]);
        if found == expected {
            return Ok(());
        }
        Err(DetectError::Shape { output, found, expected, input, anchors: anchors.to_string() })
    };
    check("boxes", &outputs.boxes, 4)?;
    check("classes", &outputs.classes, 2)?;
    check("landmarks", &outputs.landmarks, 10)?;

    let decoded = candidates(scores(&outputs.classes), params.threshold).into_iter().filter_map(
        |Candidate { index, score }| {
            let anchor = anchors.get(index)?;
            let bbox = decode_box(anchor, row(&outputs.boxes, index)?, frame)?;
            let points = decode_points(anchor, row(&outputs.landmarks, index)?, frame)?;
            Some(Face { bbox, score, points })
        },
    );
    Ok(keep(decoded, MAX_OVERLAP, params))
}

/// The probabilities of a face.
pub(super) fn scores(classes: &ArrayView2<'_, f32>) -> impl Iterator<Item = f32> {
    classes.rows().into_iter().map(|row| row.get(1).copied().unwrap_or_default())
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
    points(regression, |dx, dy| {
        let place = anchor.displaced(dx, dy);
        Point { x: place.x * frame.width() as f32, y: place.y * frame.height() as f32 }
    })
}
