//! Clips on their way through the classifier.

use std::sync::Arc;

use glib::subclass::prelude::*;
use gst::prelude::*;
use ndarray::{Array4, ArrayView4, Ix4};
use thiserror::Error;

use super::imp::CAT;
use super::messages::{self, ClipReport};
use super::outbox::Generation;
use super::scene::FaceSample;
use super::session::ClipEngine;
use super::shared::Shared;
use super::spare::SpareClips;
use super::stages::{Stage, Stages};
use super::stats::ClipEnd;
use crate::core::align::{AlignError, AlignedClip};
use crate::core::audio::{ClipAudio, Loudness};
use crate::core::geometry::BBox;
use crate::core::image::{ChannelOrder, ImageError, PixelValues};
use crate::core::score::Probability;
use crate::core::track::TrackId;
use crate::core::window::{ClipWindow, FrameNumber, Span};
use crate::infer::{ClassifierSpec, ClipJob, Precision, Provider, Scored, Tensor};

/// The pictures of a clip on its way to the classifier.
pub struct ClipPixels<'a> {
    pub track: TrackId,
    /// In running time.
    pub span: Span,
    /// Red, green and blue planes `[3,T,S,S]` of the aligned face, before any normalization.
    pub pixels: ArrayView4<'a, u8>,
}

/// Who is shown every clip before it is scored.
pub type ClipTap = dyn Fn(&ClipPixels<'_>) + Send + Sync;

/// A clip that the score board waits for. However it ends, the board hears of it once: also when
/// the job that holds it is thrown away.
pub struct PendingClip {
    element: glib::WeakRef<super::M2sdFilter>,
    shared: Arc<Shared>,
    generation: Generation,
    track: TrackId,
    frames: Vec<FrameNumber>,
    span: Span,
    /// The face in the newest frame.
    bbox: BBox,
    /// What the board will hear; skipped, unless something else becomes of the clip.
    end: ClipEnd,
    fake: Option<Probability>,
    loudness: Option<Loudness>,
}

impl PendingClip {
    /// Announces a clip to the score board. `None` for a window without frames.
    pub fn announce(
        element: &glib::WeakRef<super::M2sdFilter>,
        shared: &Arc<Shared>,
        generation: Generation,
        clip: &ClipWindow<FaceSample>,
    ) -> Option<Self> {
        let newest = clip.samples.iter().max_by_key(|sample| sample.frame)?;
        let frames = clip.frames();
        shared.outbox.clip_submitted(generation, clip.track, &frames);
        shared.stats.clip_begins(clip.track, newest.frame);
        Some(Self {
            element: element.clone(),
            shared: Arc::clone(shared),
            generation,
            track: clip.track,
            frames,
            span: clip.span()?,
            bbox: newest.payload.bbox,
            end: ClipEnd::Skipped,
            fake: None,
            loudness: None,
        })
    }

    pub fn span(&self) -> Span {
        self.span
    }

    /// The clip could not be made.
    pub fn fail(mut self) {
        self.end = ClipEnd::Failed;
    }

    /// The classifier has answered, run by a provider in a precision; the clip's memory goes back.
    pub fn finish(mut self, run_by: (Provider, Precision), spare: &SpareClips, scored: Scored) {
        spare.give(scored.frames);
        let fake = scored.result.map_err(|e| e.to_string()).and_then(|score| {
            let fake = Probability::new(score.fake).map_err(|e| e.to_string())?;
            Ok((fake, score.outputs))
        });
        match fake {
            Ok((fake, outputs)) => {
                self.shared.clip_answered(None);
                self.shared.stats.stages.add(Stage::Classify, scored.run);
                self.end = ClipEnd::Scored(scored.run);
                self.fake = Some(fake);
                self.post(run_by, fake, outputs, scored.run);
            }
            Err(error) => {
                gst::warning!(CAT, "Track {}: a clip was not scored: {error}", self.track);
                self.end = ClipEnd::Failed;
                self.shared.clip_answered(Some(error));
            }
        }
    }

    fn post(
        &self,
        (provider, precision): (Provider, Precision),
        fake: Probability,
        outputs: [f32; 2],
        took: std::time::Duration,
    ) {
        let Some(element) = self.element.upgrade() else { return };
        if !self.shared.outbox.is_current(self.generation)
            || !element.imp().with_settings(|settings| settings.post_messages)
        {
            return;
        }
        let report = ClipReport {
            track: self.track,
            fake,
            outputs,
            span: self.span,
            bbox: self.bbox,
            took,
            provider: provider.as_str(),
            precision: precision.as_str(),
            classifier: &self.shared.classifier(),
            frames: self.frames.len(),
            loudness: self.loudness,
        };
        // Without a bus nobody asked to hear it.
        let _ = element.post_message(messages::clip(&element, &report));
    }
}

impl Drop for PendingClip {
    fn drop(&mut self) {
        self.shared.stats.clip(self.end);
        let outbox = &self.shared.outbox;
        outbox.clip_settled(self.generation, self.track, &self.frames, self.span, self.fake);
    }
}

/// A full clip and its way to the classifier.
pub struct Submission {
    pub clip: ClipWindow<FaceSample>,
    pub pending: PendingClip,
    pub engines: Arc<ClipEngine>,
}

impl Submission {
    /// Sends the clip to the classifier, with its sound for one that listens.
    pub fn send(self, sound: Option<ClipAudio>) {
        let Self { clip, mut pending, engines } = self;
        pending.loudness = sound.as_ref().map(|sound| sound.loudness);
        let pool = Arc::clone(engines.submitter.pool());
        let tap = pending.shared.clip_tap();
        let show = |clip: &AlignedClip| {
            if let Some(tap) = tap {
                let (track, span) = (pending.track, pending.span);
                tap(&ClipPixels { track, span, pixels: clip.pixels() });
            }
        };
        let stages = &pending.shared.stats.stages;
        let frames = match clip_tensor(&clip, pool.spec(), &engines.spare, stages, show) {
            Ok(frames) => frames,
            Err(error) => {
                gst::warning!(CAT, "Track {}: no clip: {error}", clip.track);
                return pending.fail();
            }
        };
        let samples = sound.map(|sound| sound.samples).unwrap_or_default();
        let audio = engines.log_mel.as_ref().map(|log_mel| log_mel.spectrum(&samples));
        // Not the pool itself: were it to go with its last reply, nobody would wait for its thread.
        let run_by = (pool.spec().info.provider, pool.spec().info.precision);
        let spare = Arc::clone(&engines.spare);
        let reply = Box::new(move |scored| pending.finish(run_by, &spare, scored));
        let job = ClipJob { frames, audio, reply };
        if engines.submitter.submit(job).is_err() {
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

/// Aligns a clip, shows it to `show` and writes it as the classifier reads it, `[3,T,S,S]`, in
/// memory from `spare`.
fn clip_tensor(
    clip: &ClipWindow<FaceSample>,
    spec: &ClassifierSpec,
    spare: &SpareClips,
    stages: &Stages,
    show: impl FnOnce(&AlignedClip),
) -> Result<Tensor<Ix4>, ClipError> {
    let crops = clip.samples.iter().map(|sample| &*sample.payload.crop);
    let mut warp = spare.warp();
    let align = || AlignedClip::align_in(spare.levels(), &mut warp, crops, spec.size_px as u32);
    let aligned = stages.time(Stage::Warp, align)?;
    spare.give_warp(warp);
    show(&aligned);
    let norm = match spec.values {
        PixelValues::Normalized(norm) => norm,
        PixelValues::Levels => return Ok(aligned.into_levels(spec.channel_order).into()),
    };
    stages.time(Stage::Normalise, || {
        let dims = aligned.pixels().dim();
        let mut memory = spare.floats();
        memory.resize(aligned.pixels().len(), 0.0);
        let planes = Array4::from_shape_vec(dims, memory);
        let mut planes = planes.unwrap_or_else(|_| Array4::zeros(dims));
        aligned.write_planes(spec.channel_order, norm, planes.view_mut())?;
        spare.give(aligned.into_levels(ChannelOrder::Rgb).into());
        Ok(planes.into())
    })
}
