//! Pixels: how the three channels of a picture lie in memory and how they become network input.
//!
//! [`FrameView`] borrows a picture, [`RgbImage`] owns one, and [`Region`] says which part of a
//! picture fills a network's planes.

mod frame;
mod planes;
mod rgb_image;
mod rows;
mod stretch;
#[cfg(test)]
mod tests;
mod upright;
mod yuv;

use strum::{EnumString, IntoStaticStr, VariantNames};
use thiserror::Error;

use super::geometry::{CropRect, Size};

pub use frame::{FrameView, PixelLayout};
pub use planes::{PlaneWriter, Region};
pub use rgb_image::RgbImage;
pub use upright::Upright;
pub use yuv::{BytePlane, Chroma, YuvColour, YuvMatrix};

/// Why a picture or a tensor cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum ImageError {
    /// Rows overlap.
    #[error("a row of {width} pixels takes {needed} bytes, but rows are {stride} bytes apart")]
    Stride { width: u32, needed: u64, stride: usize },
    /// The bytes end before the last pixel.
    #[error(
        "a frame of {}x{} pixels with rows {stride} bytes apart takes {needed} bytes, \
         but the buffer holds {found}",
        size.width(), size.height()
    )]
    TooShort { size: Size, stride: usize, needed: u64, found: usize },
    /// The rectangle is not inside the frame.
    #[error(
        "the crop {}x{} at ({}, {}) reaches beyond the frame of {}x{} pixels",
        rect.width(), rect.height(), rect.x(), rect.y(), frame.width(), frame.height()
    )]
    Outside { rect: CropRect, frame: Size },
    /// The tensor cannot take the picture.
    #[error("the tensor has the shape {found:?}; expected {expected}")]
    Shape { found: Vec<usize>, expected: String },
    /// The tensor is not contiguous.
    #[error("the tensor of shape {shape:?} is a strided view; pass one that is contiguous")]
    Strided { shape: Vec<usize> },
    /// The conversion from 4:2:0 refuses the picture.
    #[error("the 4:2:0 frame cannot be converted to RGB: {0}")]
    Yuv(String),
}

/// The order in which a network reads the three colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl ChannelOrder {
    /// For each channel of the network, which of red, green and blue (0, 1, 2) it reads.
    pub const fn colours(self) -> [usize; 3] {
        match self {
            Self::Rgb => [0, 1, 2],
            Self::Bgr => [2, 1, 0],
        }
    }
}

/// What a network reads of a picture's 8-bit levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PixelValues {
    /// 32-bit floats, mapped before they are given to it.
    Normalized(Normalization),
    /// The levels themselves; a network that takes these has the map inside.
    U8,
}

/// Per-channel affine map from an 8-bit value to what a network reads: `x * scale + offset`.
///
/// Channels are in the network's own order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// What a level is multiplied by.
    pub scale: [f32; 3],
    /// What is added then.
    pub offset: [f32; 3],
}

impl Normalization {
    /// `x / 255`, in 0..=1.
    pub const UNIT: Self = Self { scale: [1.0 / 255.0; 3], offset: [0.0; 3] };

    /// `(x / 255 - mean) / std` with the ImageNet statistics, for RGB.
    pub const IMAGENET_RGB: Self = Self {
        scale: [1.0 / (255.0 * 0.229), 1.0 / (255.0 * 0.224), 1.0 / (255.0 * 0.225)],
        offset: [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
    };

    /// Levels as they are: the `ranges` of a network that reads bytes.
    pub const IDENTITY: Self = Self { scale: [1.0; 3], offset: [0.0; 3] };

    /// `x - (104, 117, 123)`, RetinaFace's means in the order in which it subtracts them.
    pub const RETINAFACE: Self = Self { scale: [1.0; 3], offset: [-104.0, -117.0, -123.0] };

    /// `(x - 127.5) / 128`, as InsightFace's detectors read pixels.
    pub const SCRFD: Self = Self { scale: [1.0 / 128.0; 3], offset: [-127.5 / 128.0; 3] };

    /// From the values that 0 and 255 map to, one `(min, max)` pair for each channel: the
    /// `ranges` of a GStreamer `.modelinfo`.
    pub fn from_ranges(ranges: [(f32, f32); 3]) -> Self {
        Self {
            scale: ranges.map(|(min, max)| (max - min) / 255.0),
            offset: ranges.map(|(min, _)| min),
        }
    }

    /// From the statistics that PyTorch's programs are given: `(x / 255 - mean) / std`.
    ///
    /// ```
    /// use gstm2sd::core::image::Normalization;
    ///
    /// let norm = Normalization::from_mean_std([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    /// let imagenet = Normalization::IMAGENET_RGB;
    /// assert!((0..3).all(|c| (norm.scale[c] - imagenet.scale[c]).abs() < 1e-7));
    /// assert!((0..3).all(|c| (norm.offset[c] - imagenet.offset[c]).abs() < 1e-6));
    /// ```
    pub fn from_mean_std(mean: [f32; 3], std: [f32; 3]) -> Self {
        Self {
            scale: std.map(|std| 1.0 / (255.0 * std)),
            offset: std::array::from_fn(|c| -mean[c] / std[c]),
        }
    }

    /// The inverse of [`Self::from_ranges`].
    pub fn ranges(&self) -> [(f32, f32); 3] {
        std::array::from_fn(|c| (self.offset[c], 255.0 * self.scale[c] + self.offset[c]))
    }
}
