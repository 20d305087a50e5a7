//! What the pictures of a stream are like.

use crate::core::geometry::{BBox, Point, Size};
use crate::core::orientation::Orientation;
use crate::core::presentation::{PixelAspect, Presentation};
use crate::filter::input::negotiation;
use crate::filter::settings::Delivery;

/// What holds from one caps event or orientation tag to the next.
#[derive(Clone, Debug)]
pub struct StreamFormat {
    pub info: gst_video::VideoInfo,
    /// How frames are meant to be seen.
    pub presentation: Presentation,
    pub delivery: Delivery,
}

/// The shape of a stream's pixels; `None` for one that no video has.
pub fn pixel_aspect(info: &gst_video::VideoInfo) -> Option<PixelAspect> {
    let par = info.par();
    PixelAspect::new(par.numer(), par.denom())
}

impl StreamFormat {
    /// `None` for frames without pixels. Pixels of a shape that no video has are taken as square.
    pub fn new(
        info: gst_video::VideoInfo,
        orientation: Orientation,
        delivery: Delivery,
    ) -> Option<Self> {
        let stored = Size::new(info.width(), info.height())?;
        let aspect = pixel_aspect(&info).unwrap_or(PixelAspect::SQUARE);
        let presentation = Presentation::new(stored, orientation, aspect);
        Some(Self { info, presentation, delivery })
    }

    /// The size of frames as they are meant to be seen.
    pub fn upright(&self) -> Size {
        self.presentation.upright()
    }

    /// The time from one frame to the next; `None` for a variable frame rate.
    pub fn frame_duration(&self) -> Option<gst::ClockTime> {
        negotiation::frame_duration(self.info.fps())
    }

    /// Whether faces are at the same places in both.
    pub fn has_places_of(&self, other: &Self) -> bool {
        self.presentation == other.presentation
    }

    /// Where an upright box of these pictures is in those of `next`: the same part of a picture of
    /// another size, and shown the way that those are.
    pub fn box_in(&self, bbox: &BBox, next: &Self) -> BBox {
        let (x, y) = self.scale_to(next);
        let stored = self.presentation.stored_box(bbox);
        let scaled = BBox::new(stored.x1() * x, stored.y1() * y, stored.x2() * x, stored.y2() * y);
        next.presentation.upright_box(&scaled.unwrap_or(stored))
    }

    /// As [`Self::box_in`].
    pub fn point_in(&self, point: Point, next: &Self) -> Point {
        let (x, y) = self.scale_to(next);
        let stored = self.presentation.stored_point(point);
        next.presentation.upright_point(Point { x: stored.x * x, y: stored.y * y })
    }

    fn scale_to(&self, next: &Self) -> (f32, f32) {
        let (from, to) = (self.presentation.stored(), next.presentation.stored());
        let x = to.width() as f32 / from.width() as f32;
        let y = to.height() as f32 / from.height() as f32;
        (x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(width: u32, height: u32, orientation: Orientation) -> StreamFormat {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, width, height);
        StreamFormat::new(info.build().unwrap(), orientation, Delivery::Live).unwrap()
    }

    #[test]
    fn boxes_keep_their_part_of_a_picture_that_changes_size_or_turns() {
        let small = format(100, 50, Orientation::Rotate0);
        let large = format(200, 200, Orientation::Rotate0);
        let bbox = BBox::new(10.0, 10.0, 20.0, 30.0).unwrap();
        assert_eq!(small.box_in(&bbox, &large), BBox::new(20.0, 40.0, 40.0, 120.0).unwrap());
        let turned = format(100, 50, Orientation::Rotate90);
        assert_eq!(turned.upright(), Size::new(50, 100).unwrap());
        assert_eq!(small.box_in(&bbox, &turned), BBox::new(20.0, 10.0, 40.0, 20.0).unwrap());
        let point = Point { x: 10.0, y: 10.0 };
        assert_eq!(small.point_in(point, &turned), Point { x: 40.0, y: 10.0 });
        assert!(small.has_places_of(&small) && !small.has_places_of(&turned));

        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, 100, 50);
        let info = info.par(gst::Fraction::new(2, 1)).build().unwrap();
        let wide = StreamFormat::new(info, Orientation::Rotate0, Delivery::Live).unwrap();
        assert_eq!(wide.upright(), Size::new(200, 50).unwrap());
        assert_eq!(small.box_in(&bbox, &wide), BBox::new(20.0, 10.0, 40.0, 30.0).unwrap());
        assert_eq!(wide.box_in(&small.box_in(&bbox, &wide), &small), bbox);
        assert!(!small.has_places_of(&wide));
    }
}
