//! Pictures that own their pixels, and parts of pictures copied into them.

use super::frame::{Pixels, for_layout};
use super::rows::{RowMemory, Rows};
use super::{FrameView, ImageError, PixelLayout};
use crate::core::geometry::{CropRect, Size};

impl FrameView<'_> {
    /// A copy of the pixels of `rect`, as RGB.
    ///
    /// # Errors
    /// [`ImageError::Outside`] when `rect` is not inside the frame.
    pub fn crop(&self, rect: CropRect) -> Result<RgbImage, ImageError> {
        let mut image = RgbImage { size: rect.size(), data: Vec::new() };
        self.crop_into(rect, &mut image)?;
        Ok(image)
    }

    /// As [`Self::crop`], in the memory of a picture that is done with; after an error there
    /// may be anything in it.
    ///
    /// # Errors
    /// As [`Self::crop`].
    pub fn crop_into(&self, rect: CropRect, image: &mut RgbImage) -> Result<(), ImageError> {
        let mut memory = RowMemory::default();
        let mut rows = Rows::new(*self, rect, &mut memory)
            .ok_or(ImageError::Outside { rect, frame: self.size })?;
        let row_bytes = rect.width() as usize * 3;
        let RgbImage { size, data } = image;
        *size = rect.size();
        // Every pixel is written below: what was there before need not be cleared.
        data.resize(row_bytes * rect.height() as usize, 0);
        if let Pixels::Yuv420(yuv) = &self.pixels
            && self.from_chroma(rect) == rect
        {
            return yuv.write_rgb(rect.x(), rect.y(), rect.size(), data);
        }
        let layout = rows.layout();
        for (to, y) in data.chunks_exact_mut(row_bytes).zip(rect.y()..) {
            let from = rows.row(y)?;
            match layout {
                PixelLayout::Rgb => to.copy_from_slice(from),
                layout => for_layout!(layout, copy_rgb(from, to)),
            }
        }
        Ok(())
    }
}

fn copy_rgb<const BYTES: usize, const RED: usize, const GREEN: usize, const BLUE: usize>(
    from: &[u8],
    to: &mut [u8],
) {
    for (to, from) in to.as_chunks_mut::<3>().0.iter_mut().zip(from.as_chunks::<BYTES>().0) {
        *to = [from[RED], from[GREEN], from[BLUE]];
    }
}

/// An owned picture: 8-bit red, green, blue, rows without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbImage {
    size: Size,
    data: Vec<u8>,
}

impl RgbImage {
    /// In px.
    pub fn size(&self) -> Size {
        self.size
    }

    /// `width * height` pixels of three bytes, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The picture, borrowed.
    pub fn view(&self) -> FrameView<'_> {
        let (stride_bytes, layout) = (self.size.width() as usize * 3, PixelLayout::Rgb);
        FrameView {
            size: self.size,
            pixels: Pixels::Packed { data: &self.data, stride_bytes, layout },
        }
    }
}
