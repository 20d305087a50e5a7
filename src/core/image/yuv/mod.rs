//! Pictures of 8-bit luma and chroma of half the resolution (4:2:0): what decoders and cameras give.

#[cfg(test)]
mod tests;

use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvPlanarImage, YuvRange, YuvStandardMatrix,
};

use super::ImageError;
use crate::core::geometry::Size;

/// How luma and chroma are made of red, green and blue (ITU-T H.273, MatrixCoefficients).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum YuvMatrix {
    Bt601,
    Bt709,
    Bt2020,
    Smpte240m,
    Fcc,
}

/// A colour space of YUV pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct YuvColour {
    pub matrix: YuvMatrix,
    /// Levels use 0..=255, not 16..=235 and 16..=240.
    pub full_range: bool,
}

/// Bytes whose row `y` starts at `y * stride_bytes`; the last row need not be padded.
#[derive(Clone, Copy, Debug)]
pub struct BytePlane<'a> {
    pub data: &'a [u8],
    pub stride_bytes: usize,
}

/// Where the two chroma planes are.
#[derive(Clone, Copy, Debug)]
pub enum Chroma<'a> {
    /// I420, YV12.
    Planar { u: BytePlane<'a>, v: BytePlane<'a> },
    /// NV12: U, V, U, V, …
    InterleavedUv(BytePlane<'a>),
    /// NV21: V, U, V, U, …
    InterleavedVu(BytePlane<'a>),
}

/// A 4:2:0 picture; a chroma sample lies on each square of two by two pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yuv420<'a> {
    pub luma: BytePlane<'a>,
    pub chroma: Chroma<'a>,
    pub colour: YuvColour,
}

impl<'a> BytePlane<'a> {
    /// Whether it holds `height` rows of `width` bytes.
    fn check(&self, width: u32, height: u32, size: Size) -> Result<(), ImageError> {
        let (stride, found) = (self.stride_bytes, self.data.len());
        if stride < width as usize {
            return Err(ImageError::Stride { width, needed: width.into(), stride });
        }
        // In 128 bits the product does not overflow.
        let needed = u128::from(height - 1) * stride as u128 + u128::from(width);
        if (found as u128) < needed {
            let needed = u64::try_from(needed).unwrap_or(u64::MAX);
            return Err(ImageError::TooShort { size, stride, needed, found });
        }
        Ok(())
    }

    /// `length` bytes of row `y` from byte `x`; nothing where they are not all there.
    fn part(&self, x: u32, y: u32, length: u32) -> &'a [u8] {
        let start = (y as usize).saturating_mul(self.stride_bytes).saturating_add(x as usize);
        let rest = self.data.get(start..);
        rest.and_then(|rest| rest.get(..length as usize)).unwrap_or_default()
    }
}

impl Yuv420<'_> {
    /// Whether the planes hold a picture of `size`.
    pub fn check(&self, size: Size) -> Result<(), ImageError> {
        let (width, height) = (size.width(), size.height());
        self.luma.check(width, height, size)?;
        let (width, height) = (width.div_ceil(2), height.div_ceil(2));
        match self.chroma {
            Chroma::Planar { u, v } => {
                u.check(width, height, size)?;
                v.check(width, height, size)
            }
            Chroma::InterleavedUv(plane) | Chroma::InterleavedVu(plane) => {
                // In 64 bits: the picture may be as wide as 32 bits allow.
                let bytes = u32::try_from(2 * u64::from(width)).unwrap_or(u32::MAX);
                plane.check(bytes, height, size)
            }
        }
    }

    /// Writes `width_px` pixels of row `y` from column `x`, which is even, as packed RGB. The caller
    /// has checked that they are there.
    ///
    /// # Errors
    /// [`ImageError::Yuv`] when `rgb` has another size.
    pub fn write_row(
        &self,
        x: u32,
        y: u32,
        width_px: u32,
        rgb: &mut [u8],
    ) -> Result<(), ImageError> {
        // A row at a time, its planes cut to what is read: the converters count on whole strides
        // behind the last row, which buffers need not have.
        let (width, height) = (width_px, 1);
        let (chroma_width, chroma_x) = (width.div_ceil(2), x / 2);
        let y_plane = self.luma.part(x, y, width);
        let row_bytes = width.saturating_mul(3);
        let range = if self.colour.full_range { YuvRange::Full } else { YuvRange::Limited };
        let matrix = self.colour.matrix.into();
        let mut interleaved = |plane: BytePlane<'_>, convert: Convert| {
            let uv_stride = chroma_width * 2;
            let uv_plane = plane.part(x, y / 2, uv_stride);
            let image =
                YuvBiPlanarImage { y_plane, y_stride: width, uv_plane, uv_stride, width, height };
            convert(&image, rgb, row_bytes, range, matrix, YuvConversionMode::Balanced)
        };
        let converted = match self.chroma {
            Chroma::Planar { u, v } => {
                let image = YuvPlanarImage {
                    y_plane,
                    y_stride: width,
                    u_plane: u.part(chroma_x, y / 2, chroma_width),
                    u_stride: chroma_width,
                    v_plane: v.part(chroma_x, y / 2, chroma_width),
                    v_stride: chroma_width,
                    width,
                    height,
                };
                yuv::yuv420_to_rgb(&image, rgb, row_bytes, range, matrix)
            }
            Chroma::InterleavedUv(plane) => interleaved(plane, yuv::yuv_nv12_to_rgb),
            Chroma::InterleavedVu(plane) => interleaved(plane, yuv::yuv_nv21_to_rgb),
        };
        converted.map_err(|error| ImageError::Yuv(error.to_string()))
    }
}

impl From<YuvMatrix> for YuvStandardMatrix {
    fn from(matrix: YuvMatrix) -> Self {
        match matrix {
            YuvMatrix::Bt601 => Self::Bt601,
            YuvMatrix::Bt709 => Self::Bt709,
            YuvMatrix::Bt2020 => Self::Bt2020,
            YuvMatrix::Smpte240m => Self::Smpte240,
            YuvMatrix::Fcc => Self::Fcc,
        }
    }
}

type Convert = fn(
    &YuvBiPlanarImage<'_, u8>,
    &mut [u8],
    u32,
    YuvRange,
    YuvStandardMatrix,
    YuvConversionMode,
) -> Result<(), YuvError>;
