//! How well a face can be seen on a frame (docs/method.md, "Quality").
//!
//! All of it comes from what is there anyway: the crop that clips are made of, and the detector's
//! five points. A face is looked at as a classifier would: aligned by its own points to a small grey
//! picture. Whether what is found suffices is the classifier's matter
//! ([`crate::core::evidence::Sufficiency`]).

mod blocks;
mod blur;
mod grey;
mod pose;
#[cfg(test)]
mod tests;

use self::grey::{GreyFace, SIDE_PX};
use super::align::FaceCrop;
use super::geometry::Size;

/// What is measured of one face on one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaceQuality {
    /// The distance between the eyes, in px of the frame.
    pub eye_distance_px: f32,
    /// 1 minus the blur of Crete et al., "The blur effect" (2007), of the aligned picture: 0..=1.
    pub sharpness: f32,
    /// The mean level of the aligned face, 0..=1.
    pub brightness: f32,
    /// The standard deviation of its levels, 0..=1.
    pub contrast: f32,
    /// The angle between the face's direction and the camera's, in degrees.
    pub pose_deg: f32,
    /// The part of the aligned picture that lies outside of the frame, 0..=1.
    pub outside: f32,
    /// How much stronger the steps at every eighth pixel are than others, 0..=1, as coarse
    /// compression in blocks leaves them.
    pub blockiness: f32,
}

/// Measures faces, in memory that is kept from one to the next.
#[derive(Debug, Default)]
pub struct QualityMeter {
    grey: GreyFace,
    row: Vec<u8>,
}

impl QualityMeter {
    /// Of a face on a frame of the size `frame`. `None` where its points are in one place.
    ///
    /// # Examples
    ///
    /// ```
    /// use gstm2sd::core::align::FaceCrop;
    /// use gstm2sd::core::geometry::{BBox, Point, Size};
    /// use gstm2sd::core::image::{FrameView, PixelLayout};
    /// use gstm2sd::core::quality::QualityMeter;
    ///
    /// let (pixels, size) = (vec![128; 320 * 240 * 3], Size::new(320, 240).unwrap());
    /// let frame = FrameView::new(&pixels, size, 320 * 3, PixelLayout::Rgb)?;
    /// let bbox = BBox::new(120.0, 80.0, 184.0, 160.0).unwrap();
    /// let points = [(140, 110), (165, 110), (152, 125), (142, 140), (163, 140)];
    /// let points = points.map(|(x, y)| Point { x: x as f32, y: y as f32 });
    /// let crop = FaceCrop::new(&frame, &bbox, points).expect("the box is in the frame");
    /// let quality = QualityMeter::default().measure(&crop, size).expect("the points are apart");
    /// assert_eq!((quality.eye_distance_px, quality.contrast), (25.0, 0.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn measure(&mut self, crop: &FaceCrop, frame: Size) -> Option<FaceQuality> {
        let grey = &mut self.grey;
        grey.look_at(crop, frame)?;
        let (held, image) = crop.held();
        let (pixels, _) = image.data().as_chunks();
        let [left, right, ..] = *crop.points();
        let (brightness, contrast) = grey.levels();
        Some(FaceQuality {
            eye_distance_px: (right.x - left.x).hypot(right.y - left.y),
            sharpness: 1.0 - blur::blur(grey.pixels(), SIDE_PX),
            brightness,
            contrast,
            pose_deg: pose::pose_deg(crop.points())?,
            outside: grey.outside(),
            blockiness: blocks::blockiness(
                pixels,
                held.width() as usize,
                held.x() as usize,
                &mut self.row,
            ),
        })
    }
}

impl FaceQuality {
    /// For tests: of a face that every classifier can judge.
    #[cfg(test)]
    pub(in crate::core) fn good() -> Self {
        Self {
            eye_distance_px: 80.0,
            sharpness: 0.6,
            brightness: 0.5,
            contrast: 0.2,
            pose_deg: 10.0,
            outside: 0.0,
            blockiness: 0.0,
        }
    }

    /// The median of each number over the frames of a clip; `None` of none.
    pub fn median<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        let mut numbers = Vec::with_capacity(all.clone().count());
        let mut of = |number: fn(&Self) -> f32| {
            numbers.clear();
            numbers.extend(all.clone().map(number));
            let middle = numbers.len() / 2;
            let is_any = !numbers.is_empty();
            is_any.then(|| *numbers.select_nth_unstable_by(middle, f32::total_cmp).1)
        };
        Some(Self {
            eye_distance_px: of(|q| q.eye_distance_px)?,
            sharpness: of(|q| q.sharpness)?,
            brightness: of(|q| q.brightness)?,
            contrast: of(|q| q.contrast)?,
            pose_deg: of(|q| q.pose_deg)?,
            outside: of(|q| q.outside)?,
            blockiness: of(|q| q.blockiness)?,
        })
    }

    /// The numbers under the names that metadata and records have for them.
    pub fn named(&self) -> [(&'static str, f32); 7] {
        [
            ("eye-distance", self.eye_distance_px),
            ("sharpness", self.sharpness),
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("pose", self.pose_deg),
            ("outside", self.outside),
            ("blockiness", self.blockiness),
        ]
    }
}
