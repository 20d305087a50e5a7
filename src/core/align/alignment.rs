//! How a classifier wants its faces: where their points belong, and which transform takes them there.

use super::FaceCrop;
use crate::core::geometry::{CropRect, FivePoints, Similarity};
use crate::core::modelinfo::{Align, Template};

/// The side of the published crop, in sides of the box.
pub const CROP_SCALE: f64 = 2.0;

/// The same for GenD's template, whose picture spans four distances between the eyes, M2SD's three.
/// Among the faces of real videos and a group picture, profiles among them, the one that needed
/// most needed 3.02 for its picture to lie inside of the crop; the rest is for heads that lean.
const GEND_CROP_SCALE: f64 = 3.5;

/// Faces whose points lie closer together than this many px for a px of the aligned picture are
/// not faces: 224 px would show a fifth of one.
const MIN_SCALE: f64 = 1e-3;

/// How faces become the pictures that a classifier reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Where a face's points belong.
    pub template: Template,
    /// Whether one transform serves a whole clip.
    pub align: Align,
    /// The side of what of the frame is in the picture, in sides of the face's box; the rest is black.
    pub crop_scale: f64,
    /// The side of the aligned pictures.
    pub side_px: u32,
}

impl Alignment {
    /// As M2SD and FTCN were published: one transform for each clip.
    pub fn published(side_px: u32) -> Self {
        let (template, align) = (Template::M2SD, Align::Clip);
        Self { template, align, crop_scale: CROP_SCALE, side_px }
    }

    /// The side of the crop that pictures of this template need, in sides of the box; a template that
    /// is not known is taken to need the published one.
    pub fn crop_scale(template: &Template) -> f64 {
        if *template == Template::GEND { GEND_CROP_SCALE } else { CROP_SCALE }
    }

    /// The transform from px of the aligned picture to px of `union`, by the points of all `crops`,
    /// or of their first where each has its own. `None` when they determine none.
    ///
    /// For a clip it is the least-squares fit from the template, repeated for every crop, to their
    /// points, in px of the frame: the reference's own direction. Programs that align single
    /// pictures fit from the points to the template, in px of the picture, which gives another
    /// scale where the two do not match.
    pub(super) fn fit<'a>(
        &self,
        mut crops: impl Iterator<Item = &'a FaceCrop> + Clone,
        union: CropRect,
    ) -> Option<Similarity> {
        let side = f64::from(self.side_px);
        let origin = [f64::from(union.x()), f64::from(union.y())];
        let pairs = |crop: &'a FaceCrop| {
            let places = self.template.0.map(|place| place.map(|v| v * side));
            places.into_iter().zip(&crop.points).map(move |(place, point)| {
                (place, [f64::from(point.x) - origin[0], f64::from(point.y) - origin[1]])
            })
        };
        let fit = match self.align {
            Align::Clip => Similarity::fit(crops.flat_map(pairs)),
            Align::Frame => {
                let swapped = pairs(crops.next()?).map(|(place, seen)| (seen, place));
                Similarity::fit(swapped)?.inverse()
            }
        };
        fit.filter(|fit| fit.scale() >= MIN_SCALE)
    }
}

/// From a picture of `side_px` to the frame: the least-squares transform from M2SD's template to the
/// points of one face. `None` where they are in one place.
pub(in crate::core) fn template_fit(points: &FivePoints, side_px: f64) -> Option<Similarity> {
    let pairs = Template::M2SD.0.into_iter().zip(points);
    let pairs =
        pairs.map(|(place, p)| (place.map(|v| v * side_px), [f64::from(p.x), f64::from(p.y)]));
    Similarity::fit(pairs).filter(|fit| fit.scale() >= MIN_SCALE)
}
