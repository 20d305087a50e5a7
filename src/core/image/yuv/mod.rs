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
    /// Standard definition (ITU-R BT.601).
    Bt601,
    /// High definition (ITU-R BT.709).
    Bt709,
    /// Ultra-high definition (ITU-R BT.2020, not of constant luminance).
    Bt2020,
    /// SMPTE 240M, early high definition.
    Smpte240m,
    /// FCC Title 47, analogue NTSC.
    Fcc,
}

/// A colour space of YUV pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct YuvColour {
    /// How the colours are made of luma and chroma.
    pub matrix: YuvMatrix,
    /// Levels use 0..=255, not 16..=235 and 16..=240.
    pub full_range: bool,
}

/// Bytes whose row `y` starts at `y * stride_bytes`; the last row need not be padded.
#[derive(Clone, Copy, Debug)]
pub struct BytePlane<'a> {
    /// From the first row's first byte on.
    pub data: &'a [u8],
    /// From the start of a row to that of the next.
    pub stride_bytes: usize,
}

/// Where the two chroma planes are.
#[derive(Clone, Copy, Debug)]
pub enum Chroma<'a> {
    /// I420, YV12.
    Planar {
        /// The difference of blue.
        u: BytePlane<'a>,
        /// The difference of red.
        v: BytePlane<'a>,
    },
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

    /// From byte `x` of row `y` on.
    fn rest(&self, x: u32, y: u32) -> &'a [u8] {
        let start = (y as usize).saturating_mul(self.stride_bytes).saturating_add(x as usize);
        self.data.get(start..).unwrap_or_default()
    }

    /// Exactly `rows` strides from byte `x` of row `y` on.
    fn part(&self, x: u32, y: u32, rows: u32, stride_bytes: u32) -> (&'a [u8], u32) {
        let length = (stride_bytes as usize).saturating_mul(rows as usize);
        (self.rest(x, y).get(..length).unwrap_or_default(), stride_bytes)
    }

    fn stride(&self) -> u32 {
        u32::try_from(self.stride_bytes).unwrap_or(u32::MAX)
    }
}

impl<'a> Yuv420<'a> {
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

    /// Writes `size` pixels from column `x` and row `y` on, which are even, as packed RGB rows
    /// without padding. The caller has checked that they are there.
    ///
    /// # Errors
    /// [`ImageError::Yuv`] when `rgb` does not have room for them.
    pub fn write_rgb(&self, x: u32, y: u32, size: Size, rgb: &mut [u8]) -> Result<(), ImageError> {
        let row_bytes = size.width() as usize * 3;
        // Exactly: the converters take what is left over for the last row of an odd height.
        let rgb = rgb.get_mut(..row_bytes * size.height() as usize).unwrap_or_default();
        if self.has_whole_strides(x, y, size) {
            return self.convert(x, y, size, false, rgb);
        }
        // The picture's last rows, one by one.
        let Some(row) = Size::new(size.width(), 1) else { return Ok(()) };
        let rows = rgb.chunks_exact_mut(row_bytes).zip(y..y + size.height());
        rows.into_iter().try_for_each(|(rgb, y)| self.convert(x, y, row, true, rgb))
    }

    /// Whether there is a whole stride from the first byte of each row on. The converters count on
    /// that, and on nothing behind; buffers need not end so.
    fn has_whole_strides(&self, x: u32, y: u32, size: Size) -> bool {
        let (rows, chroma_rows) = (size.height(), size.height().div_ceil(2));
        let has = |plane: &BytePlane<'_>, x, y, rows: u32| {
            plane.rest(x, y).len() >= plane.stride_bytes.saturating_mul(rows as usize)
        };
        has(&self.luma, x, y, rows)
            && match &self.chroma {
                Chroma::Planar { u, v } => {
                    [u, v].iter().all(|plane| has(plane, x / 2, y / 2, chroma_rows))
                }
                Chroma::InterleavedUv(plane) | Chroma::InterleavedVu(plane) => {
                    has(plane, x, y / 2, chroma_rows)
                }
            }
    }

    /// Calls the converter; with `tight`, for a single row, whose planes are cut to what is read.
    fn convert(
        &self,
        x: u32,
        y: u32,
        size: Size,
        tight: bool,
        rgb: &mut [u8],
    ) -> Result<(), ImageError> {
        let (width, height) = (size.width(), size.height());
        let chroma_width = width.div_ceil(2);
        let part = |plane: &BytePlane<'a>, x, y, width, rows| {
            plane.part(x, y, rows, if tight { width } else { plane.stride() })
        };
        let chroma_height = height.div_ceil(2);
        let (y_plane, y_stride) = part(&self.luma, x, y, width, height);
        let row_bytes = width.saturating_mul(3);
        let range = if self.colour.full_range { YuvRange::Full } else { YuvRange::Limited };
        let matrix = self.colour.matrix.into();
        let mut interleaved = |plane: &BytePlane<'a>, convert: Convert| {
            let (uv_plane, uv_stride) = part(plane, x, y / 2, chroma_width * 2, chroma_height);
            let image = YuvBiPlanarImage { y_plane, y_stride, uv_plane, uv_stride, width, height };
            convert(&image, rgb, row_bytes, range, matrix, YuvConversionMode::Balanced)
        };
        let converted = match &self.chroma {
            Chroma::Planar { u, v } => {
                let (u_plane, u_stride) = part(u, x / 2, y / 2, chroma_width, chroma_height);
                let (v_plane, v_stride) = part(v, x / 2, y / 2, chroma_width, chroma_height);
                let image = YuvPlanarImage {
                    y_plane,
                    y_stride,
                    u_plane,
                    u_stride,
                    v_plane,
                    v_stride,
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
