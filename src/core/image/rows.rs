//! The rows of a picture as packed pixels, whatever it is made of.

use super::frame::{FrameView, Pixels};
use super::{ImageError, PixelLayout};
use crate::core::geometry::CropRect;

/// Memory for a converted row, to be kept from one picture to the next.
#[derive(Debug, Default)]
pub struct RowMemory(Vec<u8>);

/// Reads rows of a window of a picture. What is packed is read where it lies; 4:2:0 is converted
/// row by row as they are asked for, in memory that stays in the cache.
pub(super) struct Rows<'a, 's> {
    frame: FrameView<'a>,
    window: CropRect,
    memory: &'s mut RowMemory,
}

impl<'a, 's> Rows<'a, 's> {
    /// `None` when `window` is not inside the picture.
    pub fn new(frame: FrameView<'a>, window: CropRect, memory: &'s mut RowMemory) -> Option<Self> {
        window.fits(frame.size()).then_some(Self { frame, window, memory })
    }

    pub fn window(&self) -> CropRect {
        self.window
    }

    /// How the pixels of a row are packed.
    pub fn layout(&self) -> PixelLayout {
        match self.frame.pixels {
            Pixels::Packed { layout, .. } => layout,
            Pixels::Yuv420(_) => PixelLayout::Rgb,
        }
    }

    /// The window's part of the picture's row `y`, which must be one of the window's.
    ///
    /// # Errors
    /// [`ImageError::Yuv`] when the conversion refuses the picture.
    pub fn row(&mut self, y: u32) -> Result<&[u8], ImageError> {
        let (left, right) = (self.window.x() as usize, self.window.right() as usize);
        let yuv = match self.frame.pixels {
            Pixels::Packed { data, stride_bytes, layout } => {
                let bytes = layout.bytes_per_pixel();
                let start = (y as usize).saturating_mul(stride_bytes) + left * bytes;
                let row = data.get(start..).and_then(|rest| rest.get(..(right - left) * bytes));
                return Ok(row.unwrap_or_default());
            }
            Pixels::Yuv420(yuv) => yuv,
        };
        // Chroma begins at even columns.
        let x = self.window.x() & !1;
        let width = self.window.right() - x;
        self.memory.0.resize(width as usize * 3, 0);
        yuv.write_row(x, y, width, &mut self.memory.0)?;
        Ok(self.memory.0.get((left - x as usize) * 3..).unwrap_or_default())
    }
}
