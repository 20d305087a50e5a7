//! Pictures that are stored lying on their side, or mirrored, and how they are meant to be seen.
//!
//! Phones store what the sensor reads and say beside it how to turn it. Faces are looked for in
//! the upright picture; frames and coordinates that leave stay the stream's own.

use super::geometry::{Point, Size};

/// How a stored picture is turned to be seen upright, in the words of the tag `image-orientation`:
/// in the `Flip…` cases mirrored left to right, and then rotated clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// Upright as it is stored.
    #[default]
    Rotate0,
    /// A quarter turn clockwise.
    Rotate90,
    /// Half a turn.
    Rotate180,
    /// A quarter turn counter-clockwise.
    Rotate270,
    /// Mirrored, not turned.
    FlipRotate0,
    /// Mirrored, then a quarter turn clockwise.
    FlipRotate90,
    /// Mirrored, then half a turn: top and bottom change places.
    FlipRotate180,
    /// Mirrored, then a quarter turn counter-clockwise.
    FlipRotate270,
}

/// A turn in its parts: coordinates change places first, then each is counted from the other side.
#[derive(Clone, Copy)]
struct Turn {
    transpose: bool,
    flip_x: bool,
    flip_y: bool,
}

impl Orientation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rotate0,
        Self::Rotate90,
        Self::Rotate180,
        Self::Rotate270,
        Self::FlipRotate0,
        Self::FlipRotate90,
        Self::FlipRotate180,
        Self::FlipRotate270,
    ];

    /// The value of a tag `image-orientation`; `None` for one that is not known.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|orientation| orientation.as_tag() == tag)
    }

    /// As the tag has it.
    pub fn as_tag(self) -> &'static str {
        match self {
            Self::Rotate0 => "rotate-0",
            Self::Rotate90 => "rotate-90",
            Self::Rotate180 => "rotate-180",
            Self::Rotate270 => "rotate-270",
            Self::FlipRotate0 => "flip-rotate-0",
            Self::FlipRotate90 => "flip-rotate-90",
            Self::FlipRotate180 => "flip-rotate-180",
            Self::FlipRotate270 => "flip-rotate-270",
        }
    }

    fn turn(self) -> Turn {
        let (transpose, flip_x, flip_y) = match self {
            Self::Rotate0 => (false, false, false),
            Self::Rotate90 => (true, true, false),
            Self::Rotate180 => (false, true, true),
            Self::Rotate270 => (true, false, true),
            Self::FlipRotate0 => (false, true, false),
            Self::FlipRotate90 => (true, true, true),
            Self::FlipRotate180 => (false, false, true),
            Self::FlipRotate270 => (true, false, false),
        };
        Turn { transpose, flip_x, flip_y }
    }

    /// The size of the upright picture of a stored one.
    pub fn upright_size(self, stored: Size) -> Size {
        let turned = || Size::new(stored.height(), stored.width());
        if self.turn().transpose { turned().unwrap_or(stored) } else { stored }
    }

    /// Where the stored pixel in column `x`, row `y` is in the upright picture.
    pub fn upright_pixel(self, (x, y): (u32, u32), stored: Size) -> (u32, u32) {
        let Turn { transpose, flip_x, flip_y } = self.turn();
        let upright = self.upright_size(stored);
        let (u, v) = if transpose { (y, x) } else { (x, y) };
        let mirror = |flip: bool, at: u32, side: u32| {
            if flip { side.saturating_sub(1).saturating_sub(at) } else { at }
        };
        (mirror(flip_x, u, upright.width()), mirror(flip_y, v, upright.height()))
    }

    /// The place in the stored picture of one in the upright picture, both in px from their
    /// corners.
    pub fn stored_point(self, point: Point, stored: Size) -> Point {
        let Turn { transpose, flip_x, flip_y } = self.turn();
        let upright = self.upright_size(stored);
        let x = if flip_x { upright.width() as f32 - point.x } else { point.x };
        let y = if flip_y { upright.height() as f32 - point.y } else { point.y };
        if transpose { Point { x: y, y: x } } else { Point { x, y } }
    }

    /// The place in the upright picture of one in the stored picture.
    pub fn upright_point(self, point: Point, stored: Size) -> Point {
        let Turn { transpose, flip_x, flip_y } = self.turn();
        let upright = self.upright_size(stored);
        let (x, y) = if transpose { (point.y, point.x) } else { (point.x, point.y) };
        Point {
            x: if flip_x { upright.width() as f32 - x } else { x },
            y: if flip_y { upright.height() as f32 - y } else { y },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> Size {
        Size::new(4, 3).unwrap()
    }

    #[test]
    fn a_quarter_turn_clockwise_brings_the_left_column_to_the_top() {
        let turned = |x, y| Orientation::Rotate90.upright_pixel((x, y), size());
        assert_eq!(Orientation::Rotate90.upright_size(size()), Size::new(3, 4).unwrap());
        assert_eq!([turned(0, 0), turned(0, 2), turned(3, 0)], [(2, 0), (0, 0), (2, 3)]);
        let mirrored = |x, y| Orientation::FlipRotate270.upright_pixel((x, y), size());
        assert_eq!([mirrored(0, 0), mirrored(0, 2), mirrored(3, 0)], [(0, 0), (2, 0), (0, 3)]);
    }

    #[test]
    fn every_turn_is_undone_and_agrees_with_its_pixels() {
        for orientation in Orientation::ALL {
            assert_eq!(Orientation::from_tag(orientation.as_tag()), Some(orientation));
            for (x, y) in (0..4).flat_map(|x| (0..3).map(move |y| (x, y))) {
                let middle = Point { x: x as f32 + 0.5, y: y as f32 + 0.5 };
                let upright = orientation.upright_point(middle, size());
                let (u, v) = orientation.upright_pixel((x, y), size());
                assert_eq!((upright.x, upright.y), (u as f32 + 0.5, v as f32 + 0.5));
                assert_eq!(orientation.stored_point(upright, size()), middle, "{orientation:?}");
            }
        }
        assert_eq!(Orientation::from_tag("rotate-45"), None);
    }
}
