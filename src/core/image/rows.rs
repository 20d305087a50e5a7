//! The rows of a picture as packed pixels, whatever it is made of.

use std::ops::Range;

use super::frame::{FrameView, Pixels};
use super::{ImageError, PixelLayout};
use crate::core::geometry::{CropRect, Size};

/// Memory for converted rows, to be kept from one picture to the next.
#[derive(Debug, Default)]
pub struct RowMemory(Vec<u8>);

/// Rows that are converted at once where all are wanted: enough that the call costs little, few
/// enough that they stay in the nearest cache.
const STRIP_ROWS: u32 = 16;
/// Where rows are left out: those that share their chroma.
const PAIR_ROWS: u32 = 2;

/// Reads rows of a window of a picture. What is packed is read where it lies; 4:2:0 is converted
/// a strip at a time as its rows are asked for, in memory that stays in the cache.
pub(super) struct Rows<'a, 's> {
    frame: FrameView<'a>,
    window: CropRect,
    memory: &'s mut RowMemory,
    strip_rows: u32,
    /// The rows in the memory.
    held: Range<u32>,
}

impl<'a, 's> Rows<'a, 's> {
    /// `None` when `window` is not inside the picture.
    pub fn new(frame: FrameView<'a>, window: CropRect, memory: &'s mut RowMemory) -> Option<Self> {
        let strip_rows = STRIP_ROWS;
        window.fits(frame.size()).then_some(Self { frame, window, memory, strip_rows, held: 0..0 })
    }

    /// Says that rows will be left out: not to be converted for nothing.
    pub fn sparse(&mut self) {
        self.strip_rows = PAIR_ROWS;
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
        // Chroma begins at even columns and rows.
        let x = self.window.x() & !1;
        let width = self.window.right() - x;
        let row_bytes = width as usize * 3;
        if !self.held.contains(&y) {
            let top = y & !1;
            let last = self.window.bottom().next_multiple_of(2).min(self.frame.size().height());
            let bottom = top.saturating_add(self.strip_rows).min(last);
            let Some(size) = Size::new(width, bottom - top) else { return Ok(&[]) };
            self.memory.0.resize(self.strip_rows as usize * row_bytes, 0);
            yuv.write_rgb(x, top, size, &mut self.memory.0)?;
            self.held = top..bottom;
        }
        let start = (y - self.held.start) as usize * row_bytes;
        let columns = start + (left - x as usize) * 3..start + row_bytes;
        Ok(self.memory.0.get(columns).unwrap_or_default())
    }
}
