//! Points, boxes and rectangles in a picture, and the similarity transform between two pictures.
//!
//! Coordinates are pixels, x to the right, y down. A [`BBox`] is a measurement and may reach
//! beyond the frame; a [`CropRect`] is a set of whole pixels.

mod similarity;
#[cfg(test)]
mod tests;

pub use similarity::Similarity;

/// A place in a picture, in px.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

/// Left eye, right eye, nose, left and right mouth corner; left and right as the viewer sees them.
pub type FivePoints = [Point; 5];

/// The size of a picture: neither side is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    width_px: u32,
    height_px: u32,
}

impl Size {
    /// `None` when a side is zero.
    pub const fn new(width_px: u32, height_px: u32) -> Option<Self> {
        if width_px == 0 || height_px == 0 { None } else { Some(Self { width_px, height_px }) }
    }

    /// In px; at least 1.
    pub const fn width(self) -> u32 {
        self.width_px
    }

    /// In px; at least 1.
    pub const fn height(self) -> u32 {
        self.height_px
    }
}

/// An upright box as a detector measures it, in px; it may reach beyond the frame.
///
/// `x1 < x2` and `y1 < y2`, and no coordinate is farther out than [`BBox::LIMIT_PX`], so the
/// arithmetic on boxes neither overflows nor meets a NaN.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::geometry::BBox;
///
/// let face = BBox::new(10.0, 10.0, 30.0, 30.0).unwrap();
/// let next = BBox::new(20.0, 10.0, 40.0, 30.0).unwrap();
/// assert_eq!(face.iou(&next), 1.0 / 3.0);
/// assert!(BBox::new(10.0, 10.0, 10.0, 30.0).is_none(), "no area");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BBox {
    x1: f32,
    y1: f32,
    x2: f32,
    y2: f32,
}

impl BBox {
    /// Up to here an `f32` still counts single pixels.
    pub const LIMIT_PX: f32 = 16_777_216.0;

    /// `None` for an empty or inverted box, and for a coordinate that is NaN or out of range.
    pub fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Option<Self> {
        let in_range = [x1, y1, x2, y2].iter().all(|v| v.abs() <= Self::LIMIT_PX);
        (in_range && x1 < x2 && y1 < y2).then_some(Self { x1, y1, x2, y2 })
    }

    /// The left edge.
    pub const fn x1(&self) -> f32 {
        self.x1
    }

    /// The upper edge.
    pub const fn y1(&self) -> f32 {
        self.y1
    }

    /// The right edge.
    pub const fn x2(&self) -> f32 {
        self.x2
    }

    /// The lower edge.
    pub const fn y2(&self) -> f32 {
        self.y2
    }

    /// In px; more than 0.
    pub fn width(&self) -> f32 {
        self.x2 - self.x1
    }

    /// In px; more than 0.
    pub fn height(&self) -> f32 {
        self.y2 - self.y1
    }

    /// Intersection over union of two areas, 0 to 1.
    pub fn iou(&self, other: &Self) -> f64 {
        self.overlap(other, 0.0)
    }

    /// Intersection over union as RetinaFace's suppression counts it: the far edge belongs to the
    /// box, so each side is one pixel longer (docs/method.md, "Detection").
    pub fn iou_inclusive(&self, other: &Self) -> f64 {
        self.overlap(other, 1.0)
    }

    fn overlap(&self, other: &Self, edge_px: f64) -> f64 {
        let span = |low: f32, high: f32| (f64::from(high) - f64::from(low) + edge_px).max(0.0);
        let area = |b: &Self| span(b.x1, b.x2) * span(b.y1, b.y2);
        let shared = span(self.x1.max(other.x1), self.x2.min(other.x2))
            * span(self.y1.max(other.y1), self.y2.min(other.y2));
        shared / (area(self) + area(other) - shared)
    }
}

/// Whole pixels of a picture: at least one, and `x + width` and `y + height` fit a `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CropRect {
    left_px: u32,
    top_px: u32,
    right_px: u32,
    bottom_px: u32,
}

impl CropRect {
    /// The pixels `left..right` of the rows `top..bottom`; `None` when there is none.
    pub const fn from_edges(left: u32, top: u32, right: u32, bottom: u32) -> Option<Self> {
        if left < right && top < bottom {
            Some(Self { left_px: left, top_px: top, right_px: right, bottom_px: bottom })
        } else {
            None
        }
    }

    /// All of a picture.
    pub const fn whole(size: Size) -> Self {
        let (right_px, bottom_px) = (size.width_px, size.height_px);
        Self { left_px: 0, top_px: 0, right_px, bottom_px }
    }

    /// The first column.
    pub const fn x(self) -> u32 {
        self.left_px
    }

    /// The first row.
    pub const fn y(self) -> u32 {
        self.top_px
    }

    /// How many columns; at least 1.
    pub const fn width(self) -> u32 {
        self.right_px - self.left_px
    }

    /// How many rows; at least 1.
    pub const fn height(self) -> u32 {
        self.bottom_px - self.top_px
    }

    /// The first column that is not part of it.
    pub const fn right(self) -> u32 {
        self.right_px
    }

    /// The first row that is not part of it.
    pub const fn bottom(self) -> u32 {
        self.bottom_px
    }

    /// Its width and height.
    pub const fn size(self) -> Size {
        Size { width_px: self.width(), height_px: self.height() }
    }

    /// Whether every pixel of it is one of a frame of this size.
    pub const fn fits(self, frame: Size) -> bool {
        self.right_px <= frame.width_px && self.bottom_px <= frame.height_px
    }

    /// The smallest rectangle that holds both.
    pub fn union(self, other: Self) -> Self {
        Self {
            left_px: self.left_px.min(other.left_px),
            top_px: self.top_px.min(other.top_px),
            right_px: self.right_px.max(other.right_px),
            bottom_px: self.bottom_px.max(other.bottom_px),
        }
    }
}
