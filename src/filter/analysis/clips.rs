//! Clips on their way through the classifier.

use std::sync::Arc;

use ndarray::Ix4;
use thiserror::Error;

use super::FaceSample;
use super::buffer_pool::BufferPool;
use super::clip_observer::ClipPixels;
use crate::core::align::{AlignError, AlignedClip};
use crate::core::audio::{ClipAudio, Loudness};
use crate::core::evidence::{ExpectedClip, Probability};
use crate::core::geometry::BBox;
use crate::core::image::{ChannelOrder, ImageError, PixelValues};
use crate::core::quality::FaceQuality;
use crate::core::span::Span;
use crate::core::track::TrackId;
use crate::core::window::{ClipWindow, FrameNumber};
use crate::filter::debug::CAT;
use crate::filter::engines::loading::ClipEngine;
use crate::filter::generation::Generation;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::output::metadata::messages::ClipReport;
use crate::filter::shared::{ClipAnswer, Shared};
use crate::filter::stats::ClipEnd;
use crate::filter::stats::stages::{Stage, Stages};
use crate::infer::{
    ClassifierSpec, ClipJob, InferError, Precision, Provider, Scored, Tensor, Ticket,
};

/// A clip that the verdict board waits for. However it ends, the board hears of it once: also when
/// the job that holds it is thrown away.
pub struct PendingClip {
    shared: Arc<Shared>,
    generation: Generation,
    expected: ExpectedClip,
    /// Frames in it, repetitions included.
    frames: usize,
    /// The face in the newest frame.
    bbox: BBox,
    /// What the board will hear; skipped, unless something else becomes of the clip.
    end: ClipEnd,
    report: Option<ClipReport>,
    quality: Option<FaceQuality>,
    loudness: Option<Loudness>,
}

impl PendingClip {
    /// Announces a clip, made while the frame `due` is analysed, to the verdict board. `None` for a window without frames, and after a
    /// flush: nobody waits for it.
    pub fn announce(
        shared: &Arc<Shared>,
        generation: Generation,
        clip: &ClipWindow<FaceSample>,
        due: FrameNumber,
    ) -> Option<Self> {
        let newest = clip.samples.iter().max_by_key(|sample| sample.frame)?;
        let (frames, span) = (clip.frames(), clip.span()?);
        let count = clip.samples.len();
        let seen = clip.samples.iter().filter_map(|sample| sample.payload.quality.as_ref());
        let quality = FaceQuality::median(seen);
        let expected =
            shared.output.clip_submitted(generation, clip.track, frames, span, due, quality)?;
        shared.stats.clip_begins(clip.track, newest.frame);
        Some(Self {
            shared: Arc::clone(shared),
            generation,
            expected,
            frames: count,
            bbox: newest.payload.bbox,
            end: ClipEnd::Skipped,
            report: None,
            quality,
            loudness: None,
        })
    }

    pub fn span(&self) -> Span {
        self.expected.span
    }

    fn track(&self) -> TrackId {
        self.expected.track
    }

    /// The clip could not be made, or there is nobody to score it.
    pub fn fail(mut self) {
        self.end = ClipEnd::Failed;
    }

    /// The classifier has answered. Called on its thread, which elements share: what is to be said
    /// of the clip is said elsewhere.
    fn finish(mut self, scored_by: ScoredBy, buffers: &BufferPool, scored: Scored) {
        buffers.give(scored.frames);
        let (text, answer) = match scored.result {
            Ok(score) => match Probability::new(score.fake) {
                Ok(fake) => {
                    self.shared.clip_answered(ClipAnswer::Scored);
                    self.shared.stats.stages.add(Stage::Classify, scored.run);
                    self.end = ClipEnd::Scored(scored.run);
                    self.report = Some(self.report(scored_by, fake, score.outputs, scored.run));
                    return;
                }
                Err(error) => (error.to_string(), ClipAnswer::WithoutScore),
            },
            // A clip that it has no number for is no failure of the engine.
            Err(error) if matches!(*error, InferError::WrongValues { .. }) => {
                (error.to_string(), ClipAnswer::WithoutScore)
            }
            Err(error) => (error.to_string(), ClipAnswer::Failed(error.to_string())),
        };
        gst::warning!(CAT, "Track {}: a clip has no score: {text}", self.track());
        self.end = ClipEnd::Failed;
        self.shared.clip_answered(answer);
    }

    fn report(
        &self,
        scored_by: ScoredBy,
        fake: Probability,
        outputs: [f32; 2],
        took: std::time::Duration,
    ) -> ClipReport {
        ClipReport {
            track: self.track(),
            fake,
            outputs,
            span: self.span(),
            bbox: self.bbox,
            took,
            provider: scored_by.provider.as_str(),
            precision: scored_by.precision.as_str(),
            classifier: scored_by.classifier,
            frames: self.frames,
            quality: self.quality,
            loudness: self.loudness,
        }
    }
}

impl Drop for PendingClip {
    fn drop(&mut self) {
        self.shared.stats.clip(self.end);
        let report = self.report.take();
        self.shared.output.clip_settled(self.generation, &self.expected, report);
    }
}

/// Who scores a clip, and how.
struct ScoredBy {
    provider: Provider,
    precision: Precision,
    classifier: Arc<ClassifierName>,
}

/// A full clip and its way to the classifier.
pub struct Submission {
    pub clip: ClipWindow<FaceSample>,
    pub pending: PendingClip,
    pub engine: Arc<ClipEngine>,
    /// Of the generation that the clip is of: after a flush it is refused.
    pub ticket: Ticket,
}

impl Submission {
    /// Sends the clip to the classifier, with its sound for one that listens.
    pub fn send(self, sound: Option<ClipAudio>) {
        let Self { clip, mut pending, engine, ticket } = self;
        pending.loudness = sound.as_ref().map(|sound| sound.loudness);
        let spec = engine.submitter.pool().spec();
        let observer = pending.shared.clip_observer();
        let show = |clip: &AlignedClip| {
            if let Some(observer) = observer {
                let (track, span) = (pending.track(), pending.span());
                observer(&ClipPixels { track, span, pixels: clip.pixels() });
            }
        };
        let stages = &pending.shared.stats.stages;
        let frames = match clip_tensor(&clip, spec, &engine.buffers, stages, show) {
            Ok(frames) => frames,
            Err(error) => {
                gst::warning!(CAT, "Track {}: no clip: {error}", clip.track);
                return pending.fail();
            }
        };
        let samples = sound.map(|sound| sound.samples).unwrap_or_default();
        let audio = engine.log_mel.as_ref().map(|log_mel| log_mel.spectrum(&samples));
        let scored_by = ScoredBy {
            provider: spec.info.provider,
            precision: spec.info.precision,
            classifier: Arc::clone(&engine.classifier),
        };
        // Not the engine itself: were it to go with its last reply, nobody would wait for the
        // pool's thread.
        let buffers = engine.buffers.clone();
        let reply = Box::new(move |scored| pending.finish(scored_by, &buffers, scored));
        let job = ClipJob { frames, audio, reply };
        if engine.submitter.submit(job, ticket).is_err() {
            gst::debug!(CAT, "Track {}: flushed before it was scored", clip.track);
        }
    }
}

#[derive(Debug, Error)]
pub enum ClipError {
    #[error(transparent)]
    Align(#[from] AlignError),
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Aligns a clip, shows it to `show` and writes it as the classifier reads it, in memory from
/// `buffers`.
fn clip_tensor(
    clip: &ClipWindow<FaceSample>,
    spec: &ClassifierSpec,
    buffers: &BufferPool,
    stages: &Stages,
    show: impl FnOnce(&AlignedClip),
) -> Result<Tensor<Ix4>, ClipError> {
    let crops = clip.samples.iter().map(|sample| &*sample.payload.crop);
    let mut warp = buffers.warp();
    let align = || AlignedClip::align_in(buffers.u8s(), &mut warp, crops, &spec.alignment);
    let aligned = stages.time(Stage::Warp, align)?;
    buffers.give_warp(warp);
    show(&aligned);
    if spec.values == PixelValues::U8 {
        return Ok(spec.bytes(aligned.into_u8(ChannelOrder::Rgb)));
    }
    stages.time(Stage::Normalise, || {
        let planes = spec.clip(aligned.pixels(), || buffers.floats())?;
        buffers.give(aligned.into_u8(ChannelOrder::Rgb).into());
        Ok(planes)
    })
}
