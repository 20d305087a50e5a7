//! Clips on their way into a classifier: checked, and put together to the inputs of one run.

use ndarray::{ArrayView3, Dimension, Ix4, ShapeError};

use super::signature::{Batch, fits, require_values, shape_error};
use super::spec::{AudioSpec, ClassifierSpec, network_input};
use crate::core::image::PixelValues;
use crate::core::modelinfo::InputLayout;
use crate::infer::engine::{Staged, Stager};
use crate::infer::error::InferError;
use crate::infer::limits;
use crate::infer::pieces::Pieces;
use crate::infer::tensor::{TensorIn, TensorView};

const CLIP: &str = "the classifier's clip";

/// One window of one face.
#[derive(Clone, Copy, Debug)]
pub struct Clip<'a> {
    /// Of [`ClassifierSpec::clip_dims`], in the classifier's channel order and pixel values.
    pub frames: TensorView<'a, Ix4>,
    /// `[1,mels,frames]`, for a classifier with an [`AudioSpec`] and only then.
    pub audio: Option<ArrayView3<'a, f32>>,
}

/// What it takes to make the inputs of a run out of clips.
#[derive(Clone, Debug)]
pub(super) struct Packer {
    /// Of one clip.
    dims: [usize; 4],
    layout: InputLayout,
    values: PixelValues,
    audio: Option<AudioSpec>,
    /// Whether the audio is the first of the network's two inputs.
    audio_first: bool,
    batch: Batch,
}

impl Packer {
    pub(super) fn new(spec: &ClassifierSpec, batch: Batch, audio_first: bool) -> Self {
        let ClassifierSpec { layout, values, audio, .. } = *spec;
        Self { dims: spec.clip_dims(), layout, values, audio, audio_first, batch }
    }

    /// The most clips of `wanted` that a run can take.
    pub(super) fn together(&self, wanted: usize) -> usize {
        let clip = self.dims.iter().fold(1, |all: usize, side| all.saturating_mul(*side));
        let fit = limits::MOST_NUMBERS_OF_A_RUN / clip.max(1);
        self.batch.most().map_or(wanted, |most| wanted.min(most)).min(fit).max(1)
    }

    /// The inputs of a run on `clips`, one at least, in the network's order.
    pub(super) fn pack<'a>(&self, clips: &[Clip<'a>]) -> Result<Vec<Pieces<'a>>, InferError> {
        for clip in clips {
            self.check(clip)?;
        }
        let joined = |e: ShapeError| InferError::WrongValues {
            what: "the classifier's clips",
            reason: e.to_string(),
        };
        let frames = clips.iter().map(|clip| network_input(self.layout, alone(clip.frames)));
        let mut inputs = vec![Pieces::new(frames).map_err(joined)?];
        if self.audio.is_some() {
            let audio = clips.iter().filter_map(|clip| clip.audio);
            let audio = audio.map(|audio| alone(TensorView::F32(audio)));
            inputs.push(Pieces::new(audio).map_err(joined)?);
        }
        if self.audio_first {
            inputs.reverse();
        }
        Ok(inputs)
    }

    fn check(&self, clip: &Clip<'_>) -> Result<(), InferError> {
        let dims = self.dims.map(Some);
        if !fits(&dims, clip.frames.shape()) {
            return Err(shape_error(CLIP, &dims, clip.frames.shape()));
        }
        require_values(CLIP, self.values, &clip.frames)?;
        let what = "the classifier's audio";
        match (self.audio, clip.audio) {
            (None, None) => Ok(()),
            (Some(spec), Some(audio)) => {
                let dims = [Some(1), Some(spec.mels), Some(spec.frames)];
                let right = fits(&dims, audio.shape());
                if right { Ok(()) } else { Err(shape_error(what, &dims, audio.shape())) }
            }
            (Some(spec), None) => {
                Err(shape_error(what, &[Some(1), Some(spec.mels), Some(spec.frames)], &[]))
            }
            (None, Some(audio)) => Err(shape_error(what, &[], audio.shape())),
        }
    }
}

/// A batch of one sample.
fn alone<D: Dimension>(sample: TensorView<'_, D>) -> TensorIn<'_> {
    sample.alone().into_dyn()
}

/// Brings clips to where their classifier runs while it still runs others: its half that is used
/// on another thread.
pub struct ClipStager {
    pub(super) packer: Packer,
    pub(super) stager: Box<dyn Stager>,
}

/// Clips that lie where their classifier runs.
pub struct StagedClips {
    pub(super) staged: Staged,
    pub(super) clips: usize,
}

impl ClipStager {
    /// Stages the clips of one run. One staged run may wait beside the one in progress.
    ///
    /// # Errors
    /// [`InferError::WrongShape`], [`InferError::WrongValues`], [`InferError::RunFailed`].
    pub fn stage(&mut self, clips: &[Clip<'_>]) -> Result<StagedClips, InferError> {
        let inputs = self.packer.pack(clips)?;
        Ok(StagedClips { staged: self.stager.stage(&inputs)?, clips: clips.len() })
    }
}
