//! Borrowed pictures.

use super::ImageError;
use super::yuv::{BytePlane, Chroma, Yuv420, YuvColour};
use crate::core::geometry::{CropRect, Size};

/// Where red, green and blue lie in a packed pixel of 8-bit channels. What the fourth byte holds,
/// alpha or padding, does not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelLayout {
    /// Three bytes.
    Rgb,
    /// Three bytes.
    Bgr,
    /// Four bytes, the last one ignored.
    Rgba,
    /// Four bytes, the last one ignored.
    Bgra,
    /// Four bytes, the first one ignored.
    Argb,
    /// Four bytes, the first one ignored.
    Abgr,
}

impl PixelLayout {
    /// 3 or 4.
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

/// A borrowed picture of 8-bit pixels, packed or 4:2:0, whose rows may be padded.
#[derive(Clone, Copy, Debug)]
pub struct FrameView<'a> {
    pub(super) size: Size,
    pub(super) pixels: Pixels<'a>,
}

/// What a picture is made of; checked against its size.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pixels<'a> {
    Packed { data: &'a [u8], stride_bytes: usize, layout: PixelLayout },
    Yuv420(Yuv420<'a>),
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
        Ok(Self { size, pixels: Pixels::Packed { data, stride_bytes, layout } })
    }

    /// A 4:2:0 picture. Where a side is odd, its chroma has half a sample more than needed.
    ///
    /// # Errors
    /// As [`Self::new`], for each plane.
    pub fn yuv420(
        luma: BytePlane<'a>,
        chroma: Chroma<'a>,
        size: Size,
        colour: YuvColour,
    ) -> Result<Self, ImageError> {
        let yuv = Yuv420 { luma, chroma, colour };
        yuv.check(size)?;
        Ok(Self { size, pixels: Pixels::Yuv420(yuv) })
    }

    /// In px.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The smallest part of the frame that holds `rect` and begins where chroma does: it is copied
    /// in one go.
    pub fn from_chroma(&self, rect: CropRect) -> CropRect {
        let (left, top) = match self.pixels {
            Pixels::Packed { .. } => (rect.x(), rect.y()),
            Pixels::Yuv420(_) => (rect.x() & !1, rect.y() & !1),
        };
        CropRect::from_edges(left, top, rect.right(), rect.bottom()).unwrap_or(rect)
    }
}
