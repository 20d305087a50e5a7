//! Crops whose memory is used again: a face costs one for each frame, of the same size or nearly.

use std::sync::Arc;

use super::FaceCrop;
use crate::core::geometry::{BBox, FivePoints};
use crate::core::image::FrameView;

/// So many are kept: those of the clips of two or three faces. More are made and go as they come.
const MOST: usize = 48;

/// Makes [`FaceCrop`]s, again and again in the memory of those that nobody holds any more.
#[derive(Debug, Default)]
pub struct Crops {
    kept: Vec<Arc<FaceCrop>>,
}

impl Crops {
    /// As [`FaceCrop::scaled`].
    pub fn take(
        &mut self,
        frame: &FrameView<'_>,
        bbox: &BBox,
        points: FivePoints,
        scale: f64,
    ) -> Option<Arc<FaceCrop>> {
        let free = |crop: &Arc<FaceCrop>| Arc::strong_count(crop) == 1;
        if let Some(free) = self.kept.iter_mut().find(|crop| free(crop))
            && let Some(crop) = Arc::get_mut(free)
        {
            crop.renew(frame, bbox, points, scale)?;
            return Some(Arc::clone(free));
        }
        let crop = Arc::new(FaceCrop::scaled(frame, bbox, points, scale)?);
        if self.kept.len() < MOST {
            self.kept.push(Arc::clone(&crop));
        }
        Some(crop)
    }

    /// Gives back to the system what nobody holds.
    pub fn clear(&mut self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::align::CROP_SCALE;
    use crate::core::geometry::{Point, Size};
    use crate::core::image::PixelLayout;

    #[test]
    fn a_crop_that_nobody_holds_is_made_anew_in_its_place() {
        let pixels: Vec<u8> = (0..3 * 64 * 48).map(|n| (n % 251) as u8).collect();
        let size = Size::new(64, 48).unwrap();
        let frame = FrameView::new(&pixels, size, 3 * 64, PixelLayout::Rgb).unwrap();
        let points = [Point { x: 20.0, y: 20.0 }; 5];
        let boxes = [(10.0, 10.0, 30.0, 30.0), (12.0, 9.0, 30.0, 40.0), (40.0, 20.0, 47.0, 30.0)];
        let boxes = boxes.map(|(x1, y1, x2, y2)| BBox::new(x1, y1, x2, y2).unwrap());
        let mut crops = Crops::default();
        let held = crops.take(&frame, &boxes[0], points, CROP_SCALE).unwrap();
        for bbox in boxes.iter().cycle().take(9) {
            // Two are out at a time: the one that is held stays as it is.
            let crop = crops.take(&frame, bbox, points, CROP_SCALE).unwrap();
            assert_eq!(*crop, FaceCrop::new(&frame, bbox, points).unwrap());
            assert_eq!(crops.kept.len(), 2);
        }
        assert_eq!(*held, FaceCrop::new(&frame, &boxes[0], points).unwrap());

        let many: Vec<_> = (0..2 * MOST)
            .map(|_| crops.take(&frame, &boxes[1], points, CROP_SCALE).unwrap())
            .collect();
        assert!(many.iter().all(|crop| crop.rect() == many[0].rect()));
        assert_eq!(crops.kept.len(), MOST);
        let beyond = BBox::new(-90.0, -90.0, -50.0, -50.0).unwrap();
        assert!(crops.take(&frame, &beyond, points, CROP_SCALE).is_none());
        crops.clear();
        assert!(crops.kept.is_empty(), "nothing is kept for faces that may not come");
    }
}
