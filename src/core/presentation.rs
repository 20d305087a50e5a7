//! How a stored picture is meant to be seen: with square pixels, and upright.
//!
//! Video may be stored with pixels that are not square, and lying on its side. Networks see it as
//! people do; frames and coordinates that leave stay the stream's own. A [`Presentation`] is the
//! one map between the two: first pixels become square, then the picture is turned.

use super::geometry::{BBox, Point, Size};
use super::orientation::Orientation;

/// How much wider than high a stored pixel is shown: a `pixel-aspect-ratio`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PixelAspect {
    width: u32,
    height: u32,
}

impl PixelAspect {
    /// As high as wide.
    pub const SQUARE: Self = Self { width: 1, height: 1 };

    /// Pixels that are longer in one direction by more than this are a broken file's: the longest
    /// in use, of narrow broadcasts shown wide, have less than 3.
    pub const MOST: u32 = 8;

    /// `None` for one that is not positive, or beyond [`Self::MOST`] in either direction.
    pub fn new(width: i32, height: i32) -> Option<Self> {
        let side = |side: i32| u32::try_from(side).ok().filter(|side| *side > 0);
        let (width, height) = (side(width)?, side(height)?);
        let within =
            |long: u32, short: u32| u64::from(long) <= u64::from(short) * u64::from(Self::MOST);
        (within(width, height) && within(height, width)).then_some(Self { width, height })
    }

    /// The size of a picture of such pixels once they are square. Pictures grow, so that none of
    /// what is stored is lost.
    fn square_size(self, stored: Size) -> Size {
        let grown = |side: u32, by: u32, over: u32| {
            let (by, over) = (u64::from(by), u64::from(over));
            u32::try_from((u64::from(side) * by + over / 2) / over).ok()
        };
        let (width, height) = (stored.width(), stored.height());
        let square = if self.width >= self.height {
            grown(width, self.width, self.height).and_then(|width| Size::new(width, height))
        } else {
            grown(height, self.height, self.width).and_then(|height| Size::new(width, height))
        };
        square.unwrap_or(stored)
    }
}

/// The map between a picture as it is stored and as it is seen.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::geometry::{Point, Size};
/// use gstm2sd::core::orientation::Orientation;
/// use gstm2sd::core::presentation::{PixelAspect, Presentation};
///
/// // A wide-screen DVD of PAL: 720×576, shown at 16:9.
/// let stored = Size::new(720, 576).unwrap();
/// let aspect = PixelAspect::new(64, 45).unwrap();
/// let shown = Presentation::new(stored, Orientation::Rotate0, aspect);
/// assert_eq!(shown.upright(), Size::new(1024, 576).unwrap());
/// let middle = shown.upright_point(Point { x: 360.0, y: 288.0 });
/// assert_eq!((middle.x, middle.y), (512.0, 288.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presentation {
    stored: Size,
    /// With square pixels, not turned yet.
    square: Size,
    orientation: Orientation,
}

impl Presentation {
    /// Of pictures that are stored with `stored` pixels.
    pub fn new(stored: Size, orientation: Orientation, aspect: PixelAspect) -> Self {
        Self { stored, square: aspect.square_size(stored), orientation }
    }

    /// The size as stored.
    pub fn stored(&self) -> Size {
        self.stored
    }

    /// The size with square pixels, before the picture is turned.
    pub fn square(&self) -> Size {
        self.square
    }

    /// How the picture is turned, once its pixels are square.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// The size as seen.
    pub fn upright(&self) -> Size {
        self.orientation.upright_size(self.square)
    }

    /// Whether pictures are seen as they are stored.
    pub fn is_as_stored(&self) -> bool {
        self.stored == self.square && self.orientation == Orientation::Rotate0
    }

    /// Px of the square picture for one of the stored picture.
    fn growth(&self) -> (f32, f32) {
        let x = f64::from(self.square.width()) / f64::from(self.stored.width());
        let y = f64::from(self.square.height()) / f64::from(self.stored.height());
        (x as f32, y as f32)
    }

    /// The place in the stored picture of one in the picture as seen.
    pub fn stored_point(&self, point: Point) -> Point {
        let (x, y) = self.growth();
        let square = self.orientation.stored_point(point, self.square);
        Point { x: square.x / x, y: square.y / y }
    }

    /// The place in the picture as seen of one in the stored picture.
    pub fn upright_point(&self, point: Point) -> Point {
        let (x, y) = self.growth();
        let square = Point { x: point.x * x, y: point.y * y };
        self.orientation.upright_point(square, self.square)
    }

    /// The box in the stored picture of one in the picture as seen.
    pub fn stored_box(&self, bbox: &BBox) -> BBox {
        corners(bbox, |corner| self.stored_point(corner))
    }

    /// The box in the picture as seen of one in the stored picture.
    pub fn upright_box(&self, bbox: &BBox) -> BBox {
        corners(bbox, |corner| self.upright_point(corner))
    }
}

/// The box around two mapped corners. A box at the limit of what a box may be stays as it is.
fn corners(bbox: &BBox, map: impl Fn(Point) -> Point) -> BBox {
    let first = map(Point { x: bbox.x1(), y: bbox.y1() });
    let second = map(Point { x: bbox.x2(), y: bbox.y2() });
    let mapped = BBox::new(
        first.x.min(second.x),
        first.y.min(second.y),
        first.x.max(second.x),
        first.y.max(second.y),
    );
    mapped.unwrap_or(*bbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    fn seen(width: u32, height: u32, (par_n, par_d): (i32, i32)) -> Size {
        let aspect = PixelAspect::new(par_n, par_d).unwrap();
        Presentation::new(size(width, height), Orientation::Rotate0, aspect).upright()
    }

    #[test]
    fn pictures_grow_until_their_pixels_are_square() {
        assert_eq!(seen(320, 360, (2, 1)), size(640, 360));
        assert_eq!(seen(640, 180, (1, 2)), size(640, 360));
        assert_eq!(seen(720, 576, (64, 45)), size(1024, 576));
        assert_eq!(seen(720, 576, (16, 11)), size(1047, 576));
        assert_eq!(seen(1440, 1080, (4, 3)), size(1920, 1080));
        assert_eq!(seen(704, 240, (10, 22)), size(704, 528));
        assert_eq!(seen(33, 17, (1, 1)), size(33, 17));
        // Too large to be counted: as it is.
        assert_eq!(seen(u32::MAX, 1, (8, 1)), size(u32::MAX, 1));
    }

    #[test]
    fn ratios_that_no_video_has_are_none() {
        for (width, height) in [(0, 1), (1, 0), (-1, 1), (1, -1), (9, 1), (1, 9), (i32::MAX, 1)] {
            assert_eq!(PixelAspect::new(width, height), None, "{width}/{height}");
        }
        assert!(PixelAspect::new(8, 1).is_some() && PixelAspect::new(i32::MAX, i32::MAX).is_some());
    }

    #[test]
    fn places_go_there_and_back_whatever_the_turn() {
        let aspect = PixelAspect::new(2, 1).unwrap();
        for orientation in Orientation::ALL {
            let shown = Presentation::new(size(40, 30), orientation, aspect);
            assert_eq!(shown.upright(), orientation.upright_size(size(80, 30)));
            let bbox = BBox::new(10.0, 5.0, 14.0, 25.0).unwrap();
            let upright = shown.upright_box(&bbox);
            assert_eq!(upright.width() * upright.height(), 160.0);
            assert_eq!(shown.stored_box(&upright), bbox, "{orientation:?}");
            assert!(!shown.is_as_stored());
        }
        let turned = Presentation::new(size(40, 30), Orientation::Rotate90, aspect);
        let corner = turned.upright_point(Point { x: 0.0, y: 30.0 });
        assert_eq!(corner, Point { x: 0.0, y: 0.0 });
        let plain = Presentation::new(size(4, 3), Orientation::Rotate0, PixelAspect::SQUARE);
        assert!(plain.is_as_stored());
    }
}
