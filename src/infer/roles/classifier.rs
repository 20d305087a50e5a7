//! The network that scores clips, docs/method.md, "Clips" to "Scores".

use ndarray::Ix2;

use super::clips::{Clip, ClipStager, Packer, StagedClips};
use super::signature::{Batch, Signature, fits, shape_error, take};
use super::spec::{AudioSpec, ClassifierSpec};
use crate::core::evidence::Probability;
use crate::core::image::ChannelOrder;
use crate::core::modelinfo::{ClassifierOutput, ModelInfo, Role};
use crate::infer::cancel::CancelToken;
use crate::infer::engine::Engine;
use crate::infer::error::InferError;
use crate::infer::info::TensorInfo;
use crate::infer::limits;
use crate::infer::outputs::Outputs;

/// The name that makes a second input the audio.
const AUDIO: &str = "audio";
const SCORES: &str = "the classifier's scores";

/// What the network says about one clip. All numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipScore {
    /// The network's own two numbers, fake first: logits, or probabilities where the sidecar
    /// says so.
    pub outputs: [f32; 2],
    /// P(fake), 0..=1.
    pub fake: f64,
}

impl ClipScore {
    fn new(outputs: [f32; 2], kind: ClassifierOutput) -> Result<Self, InferError> {
        let [fake, real] = outputs.map(f64::from);
        let fake = match kind {
            ClassifierOutput::Logit | ClassifierOutput::Logits => {
                Probability::fake_from_logits(outputs)
                    .map_err(|e| InferError::WrongValues { what: SCORES, reason: e.to_string() })?
                    .get()
            }
            ClassifierOutput::Probability | ClassifierOutput::Probabilities => {
                // What fp16 rounding can do to a sum of one, and no more.
                if fake < -0.01 || real < -0.01 || (fake + real - 1.0).abs() > 0.01 {
                    let reason = format!(
                        "{outputs:?} are no two probabilities; \
                         if they are logits, set outputs=logits in the model's sidecar"
                    );
                    return Err(InferError::WrongValues { what: SCORES, reason });
                }
                fake.clamp(0.0, 1.0)
            }
        };
        Ok(Self { outputs, fake })
    }
}

/// Clips `[N,3,T,S,S]` → `[N,2]`, index 0 "fake". A second input called `audio`,
/// `[N,1,mels,frames]`, makes it audio-visual.
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
    /// [`InferError::WrongSignature`] for a network that scores no clips.
    pub fn from_engine(engine: Box<dyn Engine>, sidecar: &ModelInfo) -> Result<Self, InferError> {
        let expected =
            "clip f32 or u8[N,3,T,S,S], perhaps audio f32[N,1,mels,frames] -> f32[N,2], fake first";
        let signature = Signature { info: engine.info(), role: Role::Classifier, expected };
        let (clip, audio_input, audio_first) = match signature.info.inputs.as_slice() {
            [clip] => (clip, None, false),
            [clip, audio] if audio.name == AUDIO => (clip, Some(audio), false),
            [audio, clip] if audio.name == AUDIO => (clip, Some(audio), true),
            _ => return Err(signature.wrong()),
        };
        let normalization = sidecar.normalization_as(Role::Classifier);
        let ([batch, channels, frames, height_px, width_px], values) =
            signature.pixels(clip, normalization)?;
        let mut batch = signature.batch(batch)?;
        signature.require(channels.is_none_or(|c| c == 3))?;
        let frames = frames.unwrap_or(limits::CLIP_FRAMES);
        let size_px = height_px.or(width_px).unwrap_or(limits::CLIP_PX);
        signature.require(frames > 0 && size_px > 0 && width_px.is_none_or(|w| w == size_px))?;
        signature.bounded("clips", limits::MOST_SIDE, &[3, frames, size_px, size_px])?;
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
        signature.require(sidecar.outputs.unwrap_or_default().count() == 2)?;
        let output = signature.output(2, 2)?;
        let spec = ClassifierSpec {
            frames,
            size_px,
            channel_order: sidecar.channel_order.unwrap_or(ChannelOrder::Rgb),
            values,
            audio,
            batches: batch != Batch::One,
            sidecar: sidecar.clone(),
            info: engine.info().clone(),
        };
        let packer = Packer::new(&spec, batch, audio_first);
        Ok(Self { engine, spec, packer, output, outputs: Outputs::default() })
    }

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
            self.engine.run(&inputs.views(), &mut self.outputs, cancel)?;
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
        let found = take::<Ix2>(&self.outputs, self.output, SCORES, "[N, 2]")?;
        let dims = [Some(clips), Some(2)];
        if !fits(&dims, found.shape()) {
            return Err(shape_error(SCORES, &dims, found.shape()));
        }
        let kind = self.spec.sidecar.outputs.unwrap_or_default();
        for row in found.rows() {
            scores.push(ClipScore::new([row[0], row[1]], kind)?);
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_probabilities_whatever_the_logits() {
        let logits = |outputs| ClipScore::new(outputs, ClassifierOutput::Logits).unwrap().fake;
        assert_eq!(logits([0.0, 0.0]), 0.5);
        assert!((logits([2.0, 0.0]) - 0.880_797_077_977_882_4).abs() < 1e-12);
        assert_eq!(logits([f32::MAX, f32::MIN]), 1.0);
        assert_eq!(logits([f32::MIN, f32::MAX]), 0.0);
    }

    #[test]
    fn logits_that_were_called_probabilities_are_noticed() {
        let score = |outputs| ClipScore::new(outputs, ClassifierOutput::Probabilities);
        assert_eq!(score([0.25, 0.75]).unwrap().fake, 0.25);
        assert_eq!(score([1.0005, -0.0005]).unwrap().fake, 1.0);
        for wrong in [[3.0, -2.0], [0.2, 0.2]] {
            assert!(matches!(score(wrong), Err(InferError::WrongValues { .. })));
        }
    }
}
