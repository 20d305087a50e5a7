//! The aligner's 68 points: what part of the frame it reads, and where its points lie
//! (docs/method.md, "Landmarks").

use thiserror::Error;

use super::geometry::{BBox, CropRect, FivePoints, Point, Size};
use super::image::Region;

/// How much longer than the box's shorter side the square around a face is.
const MARGIN: f64 = 1.2;

/// Why an aligner's numbers are no landmarks.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum LandmarkError {
    /// Not two for each of 68 points.
    #[error("the aligner gave {found} numbers, expected 136: is the model one for 68 points?")]
    Count { found: usize },
    /// NaN or infinite.
    #[error("the aligner gave a number that is infinite or none; check its precision and ranges")]
    NotFinite,
}

/// The square around one face that the aligner reads.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::geometry::{BBox, Size};
/// use gstm2sd::core::landmarks::LandmarkCrop;
///
/// let bbox = BBox::new(200.0, 100.0, 299.0, 219.0).unwrap();
/// let crop = LandmarkCrop::new(&bbox, Size::new(640, 360).unwrap()).unwrap();
/// // 100 px wide, 120 high: a fifth longer than the shorter side, around the middle.
/// assert_eq!((crop.rect().x(), crop.rect().y()), (190, 100));
/// assert_eq!((crop.rect().width(), crop.rect().height()), (120, 120));
/// // What the network says is in fractions of the square.
/// let points = crop.points(&[0.5; 136]).unwrap();
/// assert_eq!((points[0].x, points[0].y), (250.0, 160.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LandmarkCrop {
    rect: CropRect,
    region: Region,
}

impl LandmarkCrop {
    /// The crop for a detected box; `None` when it has no pixel in the frame.
    pub fn new(bbox: &BBox, frame: Size) -> Option<Self> {
        let [x1, y1, x2, y2] = [bbox.x1(), bbox.y1(), bbox.x2(), bbox.y2()].map(f64::from);
        let (w, h) = (x2 - x1 + 1.0, y2 - y1 + 1.0);
        let side = (MARGIN * w.min(h)).trunc();
        let x = Span::new(x1 + (w / 2.0).floor() - (side / 2.0).floor(), side, frame.width());
        let y = Span::new(y1 + (h / 2.0).floor() - (side / 2.0).floor(), side, frame.height());
        let rect = CropRect::from_edges(x.start, y.start, x.end, y.end)?;
        let size = Size::new(
            rect.width() + x.missing_before + x.missing_after,
            rect.height() + y.missing_before + y.missing_after,
        )?;
        let region = Region {
            x_px: i32::try_from(i64::from(x.start) - i64::from(x.missing_before)).ok()?,
            y_px: i32::try_from(i64::from(y.start) - i64::from(y.missing_before)).ok()?,
            size,
        };
        Some(Self { rect, region })
    }

    /// The pixels of the frame that it covers.
    pub fn rect(&self) -> CropRect {
        self.rect
    }

    /// What the aligner sees; black where the square leaves the frame.
    pub fn region(&self) -> Region {
        self.region
    }

    /// The network's 136 numbers, x and y of each point in 0..=1 of what it read, as points of
    /// the frame.
    ///
    /// The reference scales them to [`Self::rect`] also where the square was padded. For a face of
    /// 80 px with a tenth of it beyond the frame's edge that is 7 to 10 px off, with PFLD. Here
    /// they lie where the network saw them, 1 to 2 px off.
    ///
    /// # Errors
    /// [`LandmarkError`] when the numbers are not 136 finite ones.
    pub fn points(&self, output: &[f32]) -> Result<[Point; 68], LandmarkError> {
        let wrong_count = LandmarkError::Count { found: output.len() };
        let pairs: &[f32; 136] = output.try_into().map_err(|_| wrong_count)?;
        if !pairs.iter().all(|v| v.is_finite()) {
            return Err(LandmarkError::NotFinite);
        }
        let Region { x_px, y_px, size } = self.region;
        let mut points = [Point::default(); 68];
        for (point, [u, v]) in points.iter_mut().zip(pairs.as_chunks::<2>().0) {
            point.x = x_px as f32 + u * size.width() as f32;
            point.y = y_px as f32 + v * size.height() as f32;
        }
        Ok(points)
    }
}

/// One side of the square: what of it lies in the frame, in whole pixels, and what is missing.
struct Span {
    start: u32,
    end: u32,
    missing_before: u32,
    missing_after: u32,
}

impl Span {
    /// The casts truncate, as the reference does; the bounds of a [`BBox`] keep them in range.
    fn new(start: f64, side: f64, limit: u32) -> Self {
        let (end, limit) = (start + side, f64::from(limit));
        Self {
            start: start.max(0.0) as u32,
            end: end.min(limit) as u32,
            missing_before: (-start).max(0.0) as u32,
            missing_after: (end - limit).max(0.0) as u32,
        }
    }
}

/// The five points of a detector, taken from the 68: means of the eyes' outlines, tip of the
/// nose, corners of the mouth.
pub fn five_from_68(points: &[Point; 68]) -> FivePoints {
    let mean = |outline: &[Point]| {
        let sum =
            outline.iter().fold(Point::default(), |s, p| Point { x: s.x + p.x, y: s.y + p.y });
        let count = outline.len() as f32;
        Point { x: sum.x / count, y: sum.y / count }
    };
    [mean(&points[36..42]), mean(&points[42..48]), points[30], points[48], points[54]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::image::{ChannelOrder, FrameView, Normalization, PlaneWriter};

    fn crop(edges: [f32; 4], frame: [u32; 2]) -> Option<LandmarkCrop> {
        let [x1, y1, x2, y2] = edges;
        LandmarkCrop::new(&BBox::new(x1, y1, x2, y2)?, Size::new(frame[0], frame[1])?)
    }

    #[test]
    fn a_square_inside_the_frame_is_cut_as_it_is() {
        // w = 11, h = 21, side = 13, left = 20 + 5 - 6, top = 30 + 10 - 6.
        let inside = crop([20.0, 30.0, 30.0, 50.0], [100, 100]).unwrap();
        assert_eq!(Some(inside.rect()), CropRect::from_edges(19, 34, 32, 47));
        let mut output = [0.0; 136];
        output[..4].copy_from_slice(&[0.5, 0.0, 1.0, 1.0]);
        let points = inside.points(&output).unwrap();
        assert_eq!(points[0], Point { x: 25.5, y: 34.0 });
        assert_eq!(points[1], Point { x: 32.0, y: 47.0 });
    }

    /// A tenth of a per cent more or less would show: w = h = 1001, side = 1201, half of it 600.
    #[test]
    fn a_square_is_a_fifth_longer_than_the_box_and_shorter_by_its_fraction() {
        let large = crop([1000.0, 1100.0, 2000.0, 2100.0], [4000, 4000]).unwrap();
        assert_eq!(Some(large.rect()), CropRect::from_edges(900, 1000, 2101, 2201));
        let by_height = crop([1000.0, 1100.0, 3000.0, 2100.0], [4000, 4000]).unwrap();
        assert_eq!(Some(by_height.rect()), CropRect::from_edges(1400, 1000, 2601, 2201));
    }

    /// side = 12, of which 4 px lie beyond the right edge and 5 below the lower one.
    #[test]
    fn a_square_is_padded_on_the_far_sides_too() {
        let edge = crop([93.0, 84.0, 102.0, 93.0], [100, 90]).unwrap();
        assert_eq!(Some(edge.rect()), CropRect::from_edges(92, 83, 100, 90));
        let region = edge.region();
        assert_eq!((region.x_px, region.y_px), (92, 83));
        assert_eq!((region.size.width(), region.size.height()), (12, 12));
        assert_eq!(edge.points(&[1.0; 136]).unwrap()[67], Point { x: 104.0, y: 95.0 });
    }

    #[test]
    fn points_of_a_padded_square_lie_where_the_network_saw_them() {
        // side = 12, left = top = 0 + 5 - 6 - 4.
        let edge = crop([-4.0, -4.0, 5.0, 5.0], [100, 100]).unwrap();
        assert_eq!(Some(edge.rect()), CropRect::from_edges(0, 0, 7, 7));
        assert_eq!(edge.points(&[0.0; 136]).unwrap()[0], Point { x: -5.0, y: -5.0 });
        assert_eq!(edge.points(&[1.0; 136]).unwrap()[0], Point { x: 7.0, y: 7.0 });
    }

    #[test]
    fn wrong_outputs_are_named() {
        let inside = crop([20.0, 30.0, 30.0, 50.0], [100, 100]).unwrap();
        assert_eq!(inside.points(&[0.0; 10]), Err(LandmarkError::Count { found: 10 }));
        assert_eq!(inside.points(&[f32::NAN; 136]), Err(LandmarkError::NotFinite));
    }

    #[test]
    fn five_points_come_from_eyes_nose_and_mouth() {
        let points = std::array::from_fn(|n| Point { x: n as f32, y: -(n as f32) });
        let five = five_from_68(&points);
        assert_eq!(five.map(|p| p.x), [38.5, 44.5, 30.0, 48.0, 54.0]);
        assert_eq!(five.map(|p| p.y), [-38.5, -44.5, -30.0, -48.0, -54.0]);
    }

    proptest! {
        #[test]
        fn crops_stay_inside_and_can_be_read(
            edges in [-40.0f32..80.0, -40.0f32..80.0, -40.0f32..200.0, -40.0f32..200.0],
            frame in [1u32..50, 1u32..50],
        ) {
            let Some(crop) = crop(edges, frame) else { return Ok(()) };
            let [w, h] = frame;
            let size = Size::new(w, h).unwrap();
            prop_assert!(crop.rect().fits(size));
            let pixels = vec![255; (w * h * 4) as usize];
            let layout = crate::core::image::PixelLayout::Bgra;
            let view = FrameView::new(&pixels, size, w as usize * 4, layout).unwrap();
            let mut planes = ndarray::Array3::zeros((3, 7, 7));
            let (order, norm) = (ChannelOrder::Rgb, Normalization::UNIT);
            PlaneWriter::default().write(&view, crop.region(), order, norm, planes.view_mut()).unwrap();
            prop_assert!(planes.iter().all(|v| (0.0..=1.0).contains(v)));
        }

        #[test]
        fn boxes_of_any_size_are_survived(
            edges in [-1e7f32..1e7, -1e7f32..1e7, -1e7f32..1e7, -1e7f32..1e7],
        ) {
            let found = crop(edges, [2, 2]);
            prop_assert!(found.is_none_or(|c| c.rect().fits(Size::new(2, 2).unwrap())));
        }
    }
}
