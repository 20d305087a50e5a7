//! What the pictures of a stream are like.

use crate::core::geometry::{BBox, Point, Size};
use crate::core::orientation::Orientation;
use crate::filter::input::negotiation;
use crate::filter::settings::Delivery;

/// What holds from one caps event or orientation tag to the next.
#[derive(Clone, Debug)]
pub struct StreamFormat {
    pub info: gst_video::VideoInfo,
    /// How frames are turned to be seen upright.
    pub orientation: Orientation,
    /// The size of frames as they are stored.
    pub stored: Size,
    pub delivery: Delivery,
}

impl StreamFormat {
    /// `None` for frames without pixels.
    pub fn new(
        info: gst_video::VideoInfo,
        orientation: Orientation,
        delivery: Delivery,
    ) -> Option<Self> {
        let stored = Size::new(info.width(), info.height())?;
        Some(Self { info, orientation, stored, delivery })
    }

    /// The size of frames as they are meant to be seen.
    pub fn upright(&self) -> Size {
        self.orientation.upright_size(self.stored)
    }

    /// The time from one frame to the next; `None` for a variable frame rate.
    pub fn frame_duration(&self) -> Option<gst::ClockTime> {
        negotiation::frame_duration(self.info.fps())
    }

    /// Whether faces are at the same places in both.
    pub fn has_places_of(&self, other: &Self) -> bool {
        (self.stored, self.orientation) == (other.stored, other.orientation)
    }

    /// Where an upright box of these pictures is in those of `next`: the same part of a picture of
    /// another size, and turned the way that those are.
    pub fn box_in(&self, bbox: &BBox, next: &Self) -> BBox {
        let (x, y) = self.scale_to(next);
        let stored = self.orientation.stored_box(bbox, self.stored);
        let scaled = BBox::new(stored.x1() * x, stored.y1() * y, stored.x2() * x, stored.y2() * y);
        next.orientation.upright_box(&scaled.unwrap_or(stored), next.stored)
    }

    /// As [`Self::box_in`].
    pub fn point_in(&self, point: Point, next: &Self) -> Point {
        let (x, y) = self.scale_to(next);
        let stored = self.orientation.stored_point(point, self.stored);
        let scaled = Point { x: stored.x * x, y: stored.y * y };
        next.orientation.upright_point(scaled, next.stored)
    }

    fn scale_to(&self, next: &Self) -> (f32, f32) {
        let x = next.stored.width() as f32 / self.stored.width() as f32;
        let y = next.stored.height() as f32 / self.stored.height() as f32;
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
    }
}
