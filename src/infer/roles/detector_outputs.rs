//! Where a detector's numbers are among its outputs, and of which family they are.

use super::signature::Signature;
use crate::core::modelinfo::DetectorFamily;
use crate::infer::error::InferError;
use crate::infer::info::{ElementType, TensorInfo};

/// What detectors look like, for errors.
pub(super) const EXPECTED: &str = "image f32 or u8[N,3,H,W] -> f32[N,A,4], f32[N,A,2], f32[N,A,10] \
                                   (family=retinaface), or for each feature map f32[.., 1] twice, \
                                   f32[.., 4] and f32[.., 10] (family=yunet, three maps), or \
                                   f32[.., 1], f32[.., 4] and f32[.., 10] (family=scrfd, three or \
                                   five maps, of a file with five points, _kps)";

/// The places of a detector's outputs.
pub(super) enum Places {
    /// One output of each kind.
    Anchors { boxes: usize, classes: usize, landmarks: usize },
    /// One or two of each kind for each feature map.
    Levels { family: DetectorFamily, scores: Vec<usize>, boxes: Vec<usize>, landmarks: Vec<usize> },
}

impl Places {
    /// Those of `named`, else of the family that has such outputs.
    pub(super) fn of(
        signature: &Signature<'_>,
        named: Option<DetectorFamily>,
    ) -> Result<Self, InferError> {
        let places = match named {
            Some(DetectorFamily::RetinaFace) => return Self::anchors(signature),
            Some(family) => Self::levels(signature, family),
            None => [DetectorFamily::YuNet, DetectorFamily::Scrfd]
                .into_iter()
                .find_map(|family| Self::levels(signature, family)),
        };
        match (places, named) {
            (Some(places), _) => Ok(places),
            (None, None) => Self::anchors(signature),
            (None, Some(_)) => Err(signature.wrong()),
        }
    }

    pub(super) fn family(&self) -> DetectorFamily {
        match self {
            Self::Anchors { .. } => DetectorFamily::RetinaFace,
            Self::Levels { family, .. } => *family,
        }
    }

    fn anchors(signature: &Signature<'_>) -> Result<Self, InferError> {
        Ok(Self::Anchors {
            boxes: signature.output(3, 4)?,
            classes: signature.output(3, 2)?,
            landmarks: signature.output(3, 10)?,
        })
    }

    /// Rows are not looked at: files that take any size declare those of one.
    fn levels(signature: &Signature<'_>, family: DetectorFamily) -> Option<Self> {
        let outputs = &signature.info.outputs;
        let with = |last: usize| {
            let fits = |t: &TensorInfo| {
                let rank = matches!(t.dims.len(), 2 | 3);
                rank && t.dims.last() == Some(&Some(last)) && t.element == ElementType::F32
            };
            let found = outputs.iter().enumerate().filter(|(_, t)| fits(t));
            found.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let (scores, boxes, landmarks) = (with(1), with(4), with(10));
        let (maps, is_whole) = (boxes.len(), boxes.len() == landmarks.len());
        let fits = match family {
            DetectorFamily::RetinaFace => false,
            DetectorFamily::YuNet => maps == 3 && scores.len() == 6,
            DetectorFamily::Scrfd => matches!(maps, 3 | 5) && scores.len() == maps,
        };
        (fits && is_whole).then_some(Self::Levels { family, scores, boxes, landmarks })
    }
}
