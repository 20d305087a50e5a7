//! What a classifier is fed.

use ndarray::{Array4, ArrayView4, Axis, Ix4};

use super::answer::Answer;
use crate::core::align::{Alignment, reorder, write_planes};
use crate::core::image::{ChannelOrder, ImageError, Normalization, PixelValues};
use crate::core::modelinfo::{InputLayout, ModelInfo};
use crate::infer::info::EngineInfo;
use crate::infer::tensor::{Tensor, TensorIn, TensorView};

/// What an audio-visual classifier wants to hear beside a clip: `[1,mels,frames]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpec {
    /// Frequency bands of the mel spectrogram.
    pub mels: usize,
    /// Its frames.
    pub frames: usize,
}

/// What a classifier wants and how it runs; stays with those who submit clips while the classifier
/// itself is with its [`crate::infer::Pool`].
#[derive(Clone, Debug)]
pub struct ClassifierSpec {
    /// T: how many consecutive frames make a clip.
    pub frames: usize,
    /// S: the side of the square frames.
    pub size_px: usize,
    /// The order of a clip's axes.
    pub layout: InputLayout,
    /// RGB unless the sidecar says otherwise.
    pub channel_order: ChannelOrder,
    /// Bytes where the network takes these, else floats, normalised as ImageNet's RGB unless the
    /// sidecar says otherwise.
    pub values: PixelValues,
    /// How faces become pictures of S px: as M2SD's unless the sidecar says otherwise.
    pub alignment: Alignment,
    /// How its numbers are read.
    pub answer: Answer,
    /// What the network wants to hear, if anything.
    pub audio: Option<AudioSpec>,
    /// Whether several clips can share a run.
    pub batches: bool,
    /// What its sidecar says.
    pub sidecar: ModelInfo,
    /// What the network takes and gives, and who runs it.
    pub info: EngineInfo,
}

impl ClassifierSpec {
    /// The shape of a clip as it is submitted: `[T,3,S,S]` for a network that reads NTCHW, else
    /// `[3,T,S,S]`.
    pub fn clip_dims(&self) -> [usize; 4] {
        match self.layout {
            InputLayout::Ntchw => [self.frames, 3, self.size_px, self.size_px],
            InputLayout::Ncthw | InputLayout::Nchw => [3, self.frames, self.size_px, self.size_px],
        }
    }

    /// A clip of 8-bit RGB `[3,T,S,S]` as the classifier reads it, in memory that is done with where
    /// it reads floats.
    ///
    /// # Errors
    /// [`ImageError::Shape`] for what is no such clip.
    pub fn clip(
        &self,
        pixels: ArrayView4<'_, u8>,
        memory: impl FnOnce() -> Vec<f32>,
    ) -> Result<Tensor<Ix4>, ImageError> {
        match self.values {
            PixelValues::Normalized(norm) => self.floats(pixels, norm, memory()).map(Tensor::F32),
            PixelValues::U8 => Ok(self.bytes(pixels.to_owned())),
        }
    }

    /// As [`Self::clip`], for a classifier that reads bytes.
    pub fn bytes(&self, pixels: Array4<u8>) -> Tensor<Ix4> {
        let pixels = reorder(pixels, self.channel_order);
        match self.layout {
            InputLayout::Ntchw => pixels.permuted_axes([1, 0, 2, 3]).into(),
            InputLayout::Ncthw | InputLayout::Nchw => pixels.into(),
        }
    }

    fn floats(
        &self,
        pixels: ArrayView4<'_, u8>,
        norm: Normalization,
        mut memory: Vec<f32>,
    ) -> Result<Array4<f32>, ImageError> {
        let dims = self.clip_dims();
        memory.resize(dims.iter().product(), 0.0);
        let planes = Array4::from_shape_vec(dims, memory);
        let mut planes = planes.unwrap_or_else(|_| Array4::zeros(dims));
        let view = match self.layout {
            InputLayout::Ntchw => planes.view_mut().permuted_axes([1, 0, 2, 3]),
            InputLayout::Ncthw | InputLayout::Nchw => planes.view_mut(),
        };
        write_planes(pixels, self.channel_order, norm, view)?;
        Ok(planes)
    }

    /// A clip of [`Self::clip_dims`] as the network's input, a batch of one.
    pub fn input<'a>(&self, clip: TensorView<'a, Ix4>) -> TensorIn<'a> {
        network_input(self.layout, clip.alone().into_dyn())
    }
}

/// A batch of clips with all their axes, as the network has them.
pub(super) fn network_input(layout: InputLayout, clips: TensorIn<'_>) -> TensorIn<'_> {
    match layout {
        // T, which is 1.
        InputLayout::Nchw => clips.without_axis(Axis(2)),
        InputLayout::Ncthw | InputLayout::Ntchw => clips,
    }
}
