//! Pictures as they are meant to be seen: with square pixels, and upright.

use super::frame::for_layout;
use super::rows::{RowMemory, Rows};
use super::stretch::Stretched;
use super::{FrameView, ImageError, PixelLayout};
use crate::core::geometry::{CropRect, Size};
use crate::core::orientation::Orientation;
use crate::core::presentation::Presentation;

/// Makes upright pictures, in memory that is kept from one to the next.
#[derive(Debug, Default)]
pub struct Upright {
    rows: RowMemory,
    stretched: Stretched,
    pixels: Vec<u8>,
}

impl Upright {
    /// The picture as it is meant to be seen, as packed RGB.
    ///
    /// # Errors
    /// [`ImageError`] when the picture cannot be read, or is not of the size that `shown` is for.
    pub fn show(
        &mut self,
        view: &FrameView<'_>,
        shown: &Presentation,
    ) -> Result<FrameView<'_>, ImageError> {
        let whole = CropRect::whole(shown.stored());
        let wrong = ImageError::Outside { rect: whole, frame: view.size() };
        if view.size() != shown.stored() {
            return Err(wrong);
        }
        let (square, upright) = (shown.square(), shown.upright());
        let stride = upright.width() as usize * 3;
        self.pixels.resize(stride * upright.height() as usize, 0);
        let mut rows = Rows::new(*view, whole, &mut self.rows).ok_or(wrong)?;
        let layout = rows.layout();
        self.stretched.begin(shown.stored(), square, layout);
        for y in 0..square.height() {
            let place = |x: u32| place(shown.orientation(), (x, y), square, stride);
            // A row is a row or a column of the upright picture: one step from pixel to pixel.
            let (first, second) = (place(0), place(1));
            let step = second as isize - first as isize;
            if square == shown.stored() {
                let row = rows.row(y)?;
                for_layout!(layout, scatter(row, first, step, &mut self.pixels));
            } else {
                let row = self.stretched.row(&mut rows, y)?;
                scatter::<3, 0, 1, 2>(row, first, step, &mut self.pixels);
            }
        }
        FrameView::new(&self.pixels, upright, stride, PixelLayout::Rgb)
    }
}

/// The first byte of the upright picture's pixel for one of the picture before it is turned.
fn place(orientation: Orientation, square: (u32, u32), size: Size, stride: usize) -> usize {
    let (x, y) = orientation.upright_pixel(square, size);
    y as usize * stride + x as usize * 3
}

fn scatter<const BYTES: usize, const RED: usize, const GREEN: usize, const BLUE: usize>(
    row: &[u8],
    first: usize,
    step: isize,
    pixels: &mut [u8],
) {
    let mut at = first;
    for pixel in row.chunks_exact(BYTES) {
        if let (Some(target), [..]) = (pixels.get_mut(at..at + 3), pixel) {
            target.copy_from_slice(&[pixel[RED], pixel[GREEN], pixel[BLUE]]);
        }
        at = at.wrapping_add_signed(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::presentation::PixelAspect;

    fn shown(stored: Size, orientation: Orientation, aspect: (i32, i32)) -> Presentation {
        let aspect = PixelAspect::new(aspect.0, aspect.1).unwrap();
        Presentation::new(stored, orientation, aspect)
    }

    /// Red, green and blue of each pixel, row by row.
    fn colours(view: &FrameView<'_>) -> Vec<Vec<[u8; 3]>> {
        let mut memory = RowMemory::default();
        let mut rows = Rows::new(*view, CropRect::whole(view.size()), &mut memory).unwrap();
        let row = |y| rows.row(y).unwrap().as_chunks::<3>().0.to_vec();
        (0..view.size().height()).map(row).collect()
    }

    #[test]
    fn every_pixel_is_where_the_orientation_has_it() {
        let stored = Size::new(5, 3).unwrap();
        let data: Vec<u8> = (0..5 * 3 * 4).collect();
        let view = FrameView::new(&data, stored, 20, PixelLayout::Bgra).unwrap();
        let mut memory = Upright::default();
        for orientation in Orientation::ALL {
            let upright = memory.show(&view, &shown(stored, orientation, (1, 1))).unwrap();
            let found = colours(&upright);
            for (x, y) in (0..5u32).flat_map(|x| (0..3u32).map(move |y| (x, y))) {
                let (u, v) = orientation.upright_pixel((x, y), stored);
                let blue = (y * 20 + x * 4) as u8;
                let expected = [blue + 2, blue + 1, blue];
                assert_eq!(found[v as usize][u as usize], expected, "{orientation:?} {x} {y}");
            }
        }
    }

    #[test]
    fn a_picture_of_one_column_turns_too() {
        let stored = Size::new(1, 2).unwrap();
        let view = FrameView::new(&[1, 2, 3, 4, 5, 6], stored, 3, PixelLayout::Rgb).unwrap();
        let mut memory = Upright::default();
        let turned = shown(stored, Orientation::Rotate90, (1, 1));
        assert_eq!(memory.show(&view, &turned).unwrap().size(), Size::new(2, 1).unwrap());
        let wide = shown(stored, Orientation::Rotate0, (3, 1));
        let row = [[1, 2, 3]; 3];
        assert_eq!(colours(&memory.show(&view, &wide).unwrap())[0], row);
        let other = shown(Size::new(2, 2).unwrap(), Orientation::Rotate0, (1, 1));
        assert!(matches!(memory.show(&view, &other), Err(ImageError::Outside { .. })));
    }

    #[test]
    fn pixels_become_square_before_the_picture_is_turned() {
        let stored = Size::new(2, 2).unwrap();
        // Red to the right, green downwards.
        let data = [0, 0, 9, 100, 0, 9, 0, 80, 9, 100, 80, 9];
        let view = FrameView::new(&data, stored, 6, PixelLayout::Rgb).unwrap();
        let mut memory = Upright::default();
        let mut look = |orientation, aspect| {
            colours(&memory.show(&view, &shown(stored, orientation, aspect)).unwrap())
        };
        let wide = look(Orientation::Rotate0, (2, 1));
        assert_eq!(wide[0], [[0, 0, 9], [25, 0, 9], [75, 0, 9], [100, 0, 9]]);
        let high = look(Orientation::Rotate0, (1, 2));
        let greens: Vec<_> = high.iter().map(|row| row[0][1]).collect();
        assert_eq!((high.len(), greens), (4, vec![0, 20, 60, 80]));
        let turned = look(Orientation::Rotate90, (2, 1));
        let reds: Vec<_> = turned.iter().map(|row| row[1][0]).collect();
        assert_eq!((turned.len(), reds), (4, vec![0, 25, 75, 100]));
        assert_eq!(turned[0], [[0, 80, 9], [0, 0, 9]]);
    }
}
