//! Packed 8-bit pictures, borrowed and owned.

use super::ImageError;
use crate::core::geometry::{CropRect, Size};

/// Where red, green and blue lie in a packed pixel of 8-bit channels. What the fourth byte holds,
/// alpha or padding, does not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelLayout {
    Rgb,
    Bgr,
    Rgba,
    Bgra,
    Argb,
    Abgr,
}

impl PixelLayout {
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra | Self::Argb | Self::Abgr => 4,
        }
    }
}

/// Calls a function that is generic over `<BYTES, RED, GREEN, BLUE>`, bytes a pixel and the
/// offsets of the colours in it. As constants they leave no check and no branch in a pixel loop.
macro_rules! for_layout {
    ($layout:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $layout {
            PixelLayout::Rgb => $function::<3, 0, 1, 2>($($argument),*),
            PixelLayout::Bgr => $function::<3, 2, 1, 0>($($argument),*),
            PixelLayout::Rgba => $function::<4, 0, 1, 2>($($argument),*),
            PixelLayout::Bgra => $function::<4, 2, 1, 0>($($argument),*),
            PixelLayout::Argb => $function::<4, 1, 2, 3>($($argument),*),
            PixelLayout::Abgr => $function::<4, 3, 2, 1>($($argument),*),
        }
    };
}
pub(super) use for_layout;

/// A borrowed picture of packed 8-bit pixels whose rows may be padded.
#[derive(Clone, Copy, Debug)]
pub struct FrameView<'a> {
    data: &'a [u8],
    size: Size,
    stride_bytes: usize,
    layout: PixelLayout,
}

impl<'a> FrameView<'a> {
    /// `data` starts at the first pixel and row `y` starts at `y * stride_bytes`; the last row
    /// need not be padded.
    ///
    /// # Errors
    /// [`ImageError::Stride`] when rows overlap, [`ImageError::TooShort`] when `data` ends before
    /// the last pixel.
    pub fn new(
        data: &'a [u8],
        size: Size,
        stride_bytes: usize,
        layout: PixelLayout,
    ) -> Result<Self, ImageError> {
        // In 128 bits none of these products overflows; the errors clip what they report.
        let row = u128::from(size.width()) * layout.bytes_per_pixel() as u128;
        let needed = u128::from(size.height() - 1) * stride_bytes as u128 + row;
        let clip = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
        if (stride_bytes as u128) < row {
            let (width, needed) = (size.width(), clip(row));
            return Err(ImageError::Stride { width, needed, stride: stride_bytes });
        }
        if (data.len() as u128) < needed {
            let (needed, found) = (clip(needed), data.len());
            return Err(ImageError::TooShort { size, stride: stride_bytes, needed, found });
        }
        Ok(Self { data, size, stride_bytes, layout })
    }

    pub fn size(&self) -> Size {
        self.size
    }

    pub fn layout(&self) -> PixelLayout {
        self.layout
    }

    /// The pixels of the picture's row `y`, without padding; empty below the last row.
    pub(super) fn row(&self, y: usize) -> &'a [u8] {
        let start = y.saturating_mul(self.stride_bytes);
        let length = self.size.width() as usize * self.layout.bytes_per_pixel();
        self.data.get(start..).and_then(|rest| rest.get(..length)).unwrap_or_default()
    }

    /// The bytes of the rows of `rect`, top down. The caller has checked that it fits.
    pub(super) fn rows_of(&self, rect: CropRect) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.layout.bytes_per_pixel();
        let columns = rect.x() as usize * bytes..rect.right() as usize * bytes;
        let this = *self;
        (rect.y()..rect.bottom())
            .map(move |y| this.row(y as usize).get(columns.clone()).unwrap_or_default())
    }

    /// A copy of the pixels of `rect`, as RGB.
    ///
    /// # Errors
    /// [`ImageError::Outside`] when `rect` is not inside the frame.
    pub fn crop(&self, rect: CropRect) -> Result<RgbImage, ImageError> {
        if !rect.fits(self.size) {
            return Err(ImageError::Outside { rect, frame: self.size });
        }
        let (width, height) = (rect.width() as usize, rect.height() as usize);
        let mut data = vec![0; width * height * 3];
        for (to, from) in data.chunks_exact_mut(width * 3).zip(self.rows_of(rect)) {
            match self.layout {
                PixelLayout::Rgb => to.copy_from_slice(from),
                layout => for_layout!(layout, copy_rgb(from, to)),
            }
        }
        Ok(RgbImage { size: rect.size(), data })
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
    pub fn size(&self) -> Size {
        self.size
    }

    /// `width * height` pixels of three bytes, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    pub fn view(&self) -> FrameView<'_> {
        FrameView {
            data: &self.data,
            size: self.size,
            stride_bytes: self.size.width() as usize * 3,
            layout: PixelLayout::Rgb,
        }
    }
}
