//! Pixels: how the three channels of a picture lie in memory and how they become network input.

/// The order in which a network reads the three colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelOrder {
    Rgb,
    Bgr,
}

/// Per-channel affine map from an 8-bit value to what a network reads: `x * scale + offset`.
///
/// Channels are in the network's own order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    pub scale: [f32; 3],
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

    /// `x - (104, 117, 123)`, RetinaFace's means in the order in which it subtracts them.
    pub const RETINAFACE: Self = Self { scale: [1.0; 3], offset: [-104.0, -117.0, -123.0] };

    /// From the values that 0 and 255 map to, one `(min, max)` pair for each channel: the
    /// `ranges` of a GStreamer `.modelinfo`.
    pub fn from_ranges(ranges: [(f32, f32); 3]) -> Self {
        Self {
            scale: ranges.map(|(min, max)| (max - min) / 255.0),
            offset: ranges.map(|(min, _)| min),
        }
    }

    /// The inverse of [`Self::from_ranges`].
    pub fn ranges(&self) -> [(f32, f32); 3] {
        std::array::from_fn(|c| (self.offset[c], 255.0 * self.scale[c] + self.offset[c]))
    }
}
