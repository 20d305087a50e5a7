//! Pictures turned upright.

use super::frame::for_layout;
use super::rows::{RowMemory, Rows};
use super::{FrameView, ImageError, PixelLayout};
use crate::core::geometry::{CropRect, Size};
use crate::core::orientation::Orientation;

/// Makes upright pictures, in memory that is kept from one to the next.
#[derive(Debug, Default)]
pub struct Upright {
    rows: RowMemory,
    pixels: Vec<u8>,
}

impl Upright {
    /// The picture as it is meant to be seen, as packed RGB.
    ///
    /// # Errors
    /// [`ImageError`] when the picture cannot be read.
    pub fn turn(
        &mut self,
        view: &FrameView<'_>,
        orientation: Orientation,
    ) -> Result<FrameView<'_>, ImageError> {
        let stored = view.size();
        let upright = orientation.upright_size(stored);
        let stride = upright.width() as usize * 3;
        self.pixels.resize(stride * upright.height() as usize, 0);
        let whole = CropRect::whole(stored);
        let rows = Rows::new(*view, whole, &mut self.rows);
        let mut rows = rows.ok_or(ImageError::Outside { rect: whole, frame: stored })?;
        let layout = rows.layout();
        for y in 0..stored.height() {
            let row = rows.row(y)?;
            let place = |x: u32| place(orientation, (x, y), stored, stride);
            // A row is a row or a column of the upright picture: one step from pixel to pixel.
            let (first, second) = (place(0), place(1));
            let step = second as isize - first as isize;
            for_layout!(layout, scatter(row, first, step, &mut self.pixels));
        }
        FrameView::new(&self.pixels, upright, stride, PixelLayout::Rgb)
    }
}

/// The first byte of the upright picture's pixel for a stored one.
fn place(orientation: Orientation, stored: (u32, u32), size: Size, stride: usize) -> usize {
    let (x, y) = orientation.upright_pixel(stored, size);
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

    #[test]
    fn every_pixel_is_where_the_orientation_has_it() {
        let stored = Size::new(5, 3).unwrap();
        let data: Vec<u8> = (0..5 * 3 * 4).collect();
        let view = FrameView::new(&data, stored, 20, PixelLayout::Bgra).unwrap();
        let mut memory = Upright::default();
        for orientation in Orientation::ALL {
            let upright = memory.turn(&view, orientation).unwrap();
            let size = upright.size();
            let mut rows = RowMemory::default();
            let mut rows = Rows::new(upright, CropRect::whole(size), &mut rows).unwrap();
            for (x, y) in (0..5u32).flat_map(|x| (0..3u32).map(move |y| (x, y))) {
                let (u, v) = orientation.upright_pixel((x, y), stored);
                let at = u as usize * 3;
                let found = rows.row(v).unwrap()[at..at + 3].to_vec();
                let blue = (y * 20 + x * 4) as u8;
                assert_eq!(found, [blue + 2, blue + 1, blue], "{orientation:?} {x} {y}");
            }
        }
    }

    #[test]
    fn a_picture_of_one_column_turns_too() {
        let stored = Size::new(1, 2).unwrap();
        let view = FrameView::new(&[1, 2, 3, 4, 5, 6], stored, 3, PixelLayout::Rgb).unwrap();
        let mut memory = Upright::default();
        let upright = memory.turn(&view, Orientation::Rotate90).unwrap();
        assert_eq!(upright.size(), Size::new(2, 1).unwrap());
    }
}
