//! The network that scores clips, docs/method.md, "Clips" to "Scores".

use ndarray::{ArrayView1, IxDyn};

use super::answer::{Answer, ClipScore, SCORES};
use super::clips::{Clip, ClipStager, Packer, StagedClips};
use super::layout::ClipAxes;
use super::signature::{Batch, Signature, fits, shape_error, take};
use super::spec::{AudioSpec, ClassifierSpec};
use crate::core::align::Alignment;
use crate::core::image::ChannelOrder;
use crate::core::modelinfo::{Align, ModelInfo, Role, Template};
use crate::infer::cancel::CancelToken;
use crate::infer::engine::Engine;
use crate::infer::error::InferError;
use crate::infer::info::TensorInfo;
use crate::infer::limits;
use crate::infer::outputs::Outputs;

/// The name that makes a second input the audio.
const AUDIO: &str = "audio";
/// Clips `[N,3,T,S,S]` → `[N,2]`, index 0 "fake", unless the sidecar says otherwise. A second input
/// called `audio`, `[N,1,mels,frames]`, makes it audio-visual.
pub struct Classifier {
    engine: Box<dyn Engine>,
    spec: ClassifierSpec,
    packer: Packer,
    /// The place of the scores among the network's outputs.
    output: usize,
    outputs: Outputs,
}

impl Classifier {
    /// # Errors
    /// [`InferError::WrongSignature`] for a network that scores no clips, or others than the sidecar
    /// says; [`InferError::TooLarge`].
    pub fn from_engine(engine: Box<dyn Engine>, sidecar: &ModelInfo) -> Result<Self, InferError> {
        let expected = "clip f32 or u8[N,3,T,S,S] (or as the sidecar's input-layout says), perhaps \
                        audio f32[N,1,mels,frames] -> f32[N,2] (or as its outputs says)";
        let signature = Signature { info: engine.info(), role: Role::Classifier, expected };
        let (clip, audio_input, audio_first) = match signature.info.inputs.as_slice() {
            [clip] => (clip, None, false),
            [clip, audio] if audio.name == AUDIO => (clip, Some(audio), false),
            [audio, clip] if audio.name == AUDIO => (clip, Some(audio), true),
            _ => return Err(signature.wrong()),
        };
        let values = signature.values(clip, sidecar.normalization_as(Role::Classifier))?;
        let ClipAxes { layout, batch, frames, size_px } =
            ClipAxes::of(&signature, clip, sidecar.input_layout)?;
        let mut batch = signature.batch(batch)?;
        let audio = match audio_input {
            None => None,
            Some(input) => {
                let (audio_batch, audio) = audio_spec(&signature, input)?;
                if audio_batch == Batch::One {
                    batch = Batch::One;
                }
                Some(audio)
            }
        };
        let (answer, output) = Answer::of(&signature, sidecar)?;
        let template = sidecar.template.unwrap_or(Template::M2SD);
        let align = sidecar.align.unwrap_or(Align::Clip);
        let crop_scale = sidecar.crop_scale.unwrap_or_else(|| Alignment::crop_scale(&template));
        let spec = ClassifierSpec {
            frames,
            size_px,
            layout,
            channel_order: sidecar.channel_order.unwrap_or(ChannelOrder::Rgb),
            values,
            // No larger than `limits::MOST_SIDE`.
            alignment: Alignment { template, align, crop_scale, side_px: size_px as u32 },
            answer,
            audio,
            batches: batch != Batch::One,
            sidecar: sidecar.clone(),
            info: engine.info().clone(),
        };
        let packer = Packer::new(&spec, batch, audio_first);
        Ok(Self { engine, spec, packer, output, outputs: Outputs::default() })
    }

    /// Further ones of the same network that may run beside this one, each on a thread of its own.
    pub(in crate::infer) fn beside(&self) -> Vec<Self> {
        let beside = |engine| Self {
            engine,
            spec: self.spec.clone(),
            packer: self.packer.clone(),
            output: self.output,
            outputs: Outputs::default(),
        };
        self.engine.beside().into_iter().map(beside).collect()
    }

    /// What it wants and how it runs.
    pub fn spec(&self) -> &ClassifierSpec {
        &self.spec
    }

    /// Scores `clips`, in as few runs as the network's batch allows.
    ///
    /// # Errors
    /// [`InferError::WrongShape`], [`InferError::Cancelled`], [`InferError::RunFailed`],
    /// [`InferError::WrongValues`] for numbers that are no scores.
    pub fn run(
        &mut self,
        clips: &[Clip<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<ClipScore>, InferError> {
        let mut scores = Vec::with_capacity(clips.len());
        for batch in clips.chunks(self.together(clips.len())) {
            let inputs = self.packer.pack(batch)?;
            let mut rooms: Vec<_> = inputs.iter().map(|_| None).collect();
            let inputs = inputs.into_iter().zip(&mut rooms).map(|(pieces, room)| pieces.join(room));
            let inputs: Vec<_> = inputs.collect();
            self.engine.run(&inputs, &mut self.outputs, cancel)?;
            self.add_scores(batch.len(), &mut scores)?;
        }
        Ok(scores)
    }

    /// The most clips of `wanted` that one run can score.
    pub fn together(&self, wanted: usize) -> usize {
        self.packer.together(wanted)
    }

    /// The half that copies clips to the device, where the engine runs on one.
    pub fn stager(&mut self) -> Option<ClipStager> {
        Some(ClipStager { packer: self.packer.clone(), stager: self.engine.stager()? })
    }

    /// As [`Self::run`], on the clips of one run that [`Self::stager`] has staged.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_staged(
        &mut self,
        StagedClips { staged, clips }: StagedClips,
        cancel: &CancelToken,
    ) -> Result<Vec<ClipScore>, InferError> {
        self.engine.run_staged(staged, &mut self.outputs, cancel)?;
        let mut scores = Vec::with_capacity(clips);
        self.add_scores(clips, &mut scores)?;
        Ok(scores)
    }

    /// Appends what the newest run says of its clips.
    fn add_scores(&self, clips: usize, scores: &mut Vec<ClipScore>) -> Result<(), InferError> {
        let numbers = self.spec.answer.outputs.count();
        let expected = if numbers == 1 { "[N, 1] or [N]" } else { "[N, 2]" };
        let found = take::<IxDyn>(&self.outputs, self.output, SCORES, expected)?;
        let dims = [Some(clips), Some(numbers)];
        let flat = numbers == 1 && fits(&dims[..1], found.shape());
        let rows = found.to_shape((clips, numbers));
        match rows {
            Ok(rows) if flat || fits(&dims, found.shape()) => {
                let score = |row: ArrayView1<'_, f32>| self.spec.answer.score(row);
                rows.rows().into_iter().try_for_each(|row| {
                    scores.push(score(row)?);
                    Ok(())
                })
            }
            _ => Err(shape_error(SCORES, &dims, found.shape())),
        }
    }
}

fn audio_spec(
    signature: &Signature<'_>,
    input: &TensorInfo,
) -> Result<(Batch, AudioSpec), InferError> {
    let [batch, channels, mels, frames] = signature.input(input)?;
    let batch = signature.batch(batch)?;
    signature.require(channels.is_none_or(|c| c == 1))?;
    match (mels, frames) {
        (Some(mels), Some(frames)) => {
            signature.bounded("audio", limits::MOST_AUDIO_SIDE, &[mels, frames])?;
            Ok((batch, AudioSpec { mels, frames }))
        }
        _ => Err(signature.wrong()),
    }
}
