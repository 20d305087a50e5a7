//! Clips on their way through the classifier.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ndarray::{Array3, Ix4};
use thiserror::Error;

use super::FaceSample;
use super::buffer_pool::BufferPool;
use super::clip_observer::ClipPixels;
use crate::core::align::{AlignError, AlignedClip};
use crate::core::audio::{ClipAudio, Loudness, sample_at};
use crate::core::evidence::{ExpectedClip, Fusion, Probability};
use crate::core::geometry::BBox;
use crate::core::image::{ChannelOrder, ImageError, PixelValues};
use crate::core::quality::FaceQuality;
use crate::core::span::Span;
use crate::core::track::TrackId;
use crate::core::window::{ClipWindow, FrameNumber, Sample};
use crate::filter::debug::CAT;
use crate::filter::engines::loading::{ClipEngine, ClipMember, Tickets};
use crate::filter::generation::Generation;
use crate::filter::output::metadata::classifier_name::ClassifierName;
use crate::filter::output::metadata::messages::ClipReport;
use crate::filter::shared::{ClipAnswer, Shared};
use crate::filter::stats::ClipEnd;
use crate::filter::stats::stages::{Stage, Stages};
use crate::infer::{
    ClassifierSpec, ClipJob, ClipScore, InferError, Precision, Provider, Scored, Tensor,
};

/// How well the face of a clip can be seen: the medians over its frames. `None`: not measured.
pub fn clip_quality(clip: &ClipWindow<FaceSample>) -> Option<FaceQuality> {
    FaceQuality::median(clip.samples.iter().filter_map(|sample| sample.payload.quality.as_ref()))
}

/// A clip that the verdict board waits for. However it ends, the board hears of it once: also when
/// the job that holds it is thrown away.
pub struct PendingClip {
    shared: Arc<Shared>,
    generation: Generation,
    expected: ExpectedClip,
    /// The face in the newest frame.
    bbox: BBox,
    /// What the board will hear; skipped, unless something else becomes of the clip.
    end: ClipEnd,
    fake: Option<Probability>,
    reports: Vec<ClipReport>,
    quality: Option<FaceQuality>,
    loudness: Option<Loudness>,
}

impl PendingClip {
    /// Announces a clip, made while the frame `due` is analysed, to the verdict board. `None` for a
    /// window without frames, and after a flush: nobody waits for it.
    pub fn announce(
        shared: &Arc<Shared>,
        generation: Generation,
        clip: &ClipWindow<FaceSample>,
        due: FrameNumber,
    ) -> Option<Self> {
        let newest = clip.samples.iter().max_by_key(|sample| sample.frame)?;
        let (frames, span) = (clip.frames(), clip.span()?);
        let quality = clip_quality(clip);
        let expected =
            shared.output.clip_submitted(generation, clip.track, frames, span, due, quality)?;
        shared.stats.clip_begins(clip.track, newest.frame);
        Some(Self {
            shared: Arc::clone(shared),
            generation,
            expected,
            bbox: newest.payload.bbox,
            end: ClipEnd::Skipped,
            fake: None,
            reports: Vec::new(),
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

    /// All classifiers have answered. Called on the thread of one of them, which elements share: what
    /// is to be said of the clip is said elsewhere.
    fn finish(mut self, fusion: Option<&Fusion>, answers: Vec<Answered>) {
        let mut scored = Vec::with_capacity(answers.len());
        for Answered { by, result, run } in answers {
            match result {
                Ok(score) => scored.push((by, score, run)),
                // A clip that it has no number for is no failure of the engine.
                Err(error) if matches!(*error, InferError::WrongValues { .. }) => {
                    return self.fail_with(&error.to_string(), ClipAnswer::WithoutScore);
                }
                Err(error) => {
                    let text = error.to_string();
                    return self.fail_with(&text, ClipAnswer::Failed(text.clone()));
                }
            }
        }
        let fakes = scored.iter().map(|(_, score, _)| Probability::new(score.fake));
        let fakes = match fakes.collect::<Result<Vec<_>, _>>() {
            Ok(fakes) => fakes,
            Err(error) => return self.fail_with(&error.to_string(), ClipAnswer::WithoutScore),
        };
        let fused = fusion.and_then(|fusion| fusion.score(&fakes));
        self.shared.clip_answered(ClipAnswer::Scored);
        self.fake = fused.or(fakes.first().copied());
        let mut longest = Duration::ZERO;
        for (place, ((by, score, run), fake)) in scored.into_iter().zip(fakes).enumerate() {
            self.shared.stats.stages.add(Stage::Classify, run);
            longest = longest.max(run);
            let fused = fused.filter(|_| place == 0);
            self.reports.push(self.report(by, fake, fused, score.outputs, run));
        }
        self.end = ClipEnd::Scored(longest);
    }

    fn fail_with(mut self, text: &str, answer: ClipAnswer) {
        gst::warning!(CAT, "Track {}: a clip has no score: {text}", self.track());
        self.end = ClipEnd::Failed;
        self.shared.clip_answered(answer);
    }

    fn report(
        &self,
        by: ScoredBy,
        fake: Probability,
        fused: Option<Probability>,
        outputs: [f32; 2],
        took: Duration,
    ) -> ClipReport {
        ClipReport {
            track: self.track(),
            fake,
            fused,
            outputs,
            span: by.span,
            bbox: self.bbox,
            took,
            provider: by.provider.as_str(),
            precision: by.precision.as_str(),
            classifier: by.classifier,
            frames: by.frames,
            quality: self.quality,
            loudness: self.loudness,
        }
    }
}

impl Drop for PendingClip {
    fn drop(&mut self) {
        self.shared.stats.clip(self.end);
        let reports = std::mem::take(&mut self.reports);
        self.shared.output.clip_settled(self.generation, &self.expected, self.fake, reports);
    }
}

/// Who scores a clip, how, and which part of it.
struct ScoredBy {
    provider: Provider,
    precision: Precision,
    classifier: Arc<ClassifierName>,
    span: Span,
    frames: usize,
}

/// What one classifier has said.
struct Answered {
    by: ScoredBy,
    result: Result<ClipScore, Arc<InferError>>,
    run: Duration,
}

/// A clip that several classifiers score: it is finished when the last of them has answered. Where
/// one is not asked or does not answer, the clip goes with the last that holds it, and was skipped.
struct Joint {
    fusion: Option<Fusion>,
    /// A leaf lock, held for a push. The answers come in any order.
    state: Mutex<Option<(PendingClip, Vec<Option<Answered>>)>>,
}

impl Joint {
    fn answer(&self, place: usize, answered: Answered) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, answers)) = state.as_mut()
            && let Some(answer) = answers.get_mut(place)
        {
            *answer = Some(answered);
        }
        let is_complete =
            state.as_ref().is_some_and(|(_, answers)| answers.iter().all(Option::is_some));
        let complete = if is_complete { state.take() } else { None };
        drop(state);
        if let Some((pending, answers)) = complete {
            pending.finish(self.fusion.as_ref(), answers.into_iter().flatten().collect());
        }
    }
}

/// A full clip and its way to the classifiers.
pub struct Submission {
    pub clip: ClipWindow<FaceSample>,
    pub pending: PendingClip,
    pub engine: Arc<ClipEngine>,
    /// Of the generation that the clip is of: after a flush it is refused.
    pub tickets: Tickets,
}

impl Submission {
    /// Sends the clip to the classifiers, with its sound for those that listen.
    pub fn send(self, sound: Option<ClipAudio>) {
        let Self { clip, mut pending, engine, tickets } = self;
        pending.loudness = sound.as_ref().map(|sound| sound.loudness);
        let (shared, span) = (Arc::clone(&pending.shared), pending.span());
        let samples = sound.map(|sound| sound.samples).unwrap_or_default();
        let mut jobs = Vec::with_capacity(engine.members.len());
        for member in &engine.members {
            let part = part_of(&clip, member.spec().frames);
            match job_of(member, part, (clip.track, span), &samples, &shared) {
                Ok(job) => jobs.push(job),
                Err(error) => {
                    gst::warning!(CAT, "Track {}: no clip: {error}", clip.track);
                    return pending.fail();
                }
            }
        }
        let answers = jobs.iter().map(|_| None).collect();
        // Not the engine itself: were it to go with its last reply, nobody would wait for the
        // pool's thread.
        let fusion = engine.fusion.clone();
        let joint = Arc::new(Joint { fusion, state: Mutex::new(Some((pending, answers))) });
        let members = engine.members.iter().zip(tickets.iter());
        for (place, ((member, ticket), (frames, audio, by))) in members.zip(jobs).enumerate() {
            let (joint, buffers) = (Arc::clone(&joint), member.buffers.clone());
            let reply = Box::new(move |scored: Scored| {
                buffers.give(scored.frames);
                joint.answer(place, Answered { by, result: scored.result, run: scored.run });
            });
            if member.submitter.submit(ClipJob { frames, audio, reply }, *ticket).is_err() {
                gst::debug!(CAT, "Track {}: flushed before it was scored", clip.track);
            }
        }
    }
}

/// The samples of a clip that a classifier of fewer frames reads: those in the middle.
fn part_of(clip: &ClipWindow<FaceSample>, frames: usize) -> &[Arc<Sample<FaceSample>>] {
    let first = clip.samples.len().saturating_sub(frames) / 2;
    clip.samples.get(first..first + frames.min(clip.samples.len())).unwrap_or_default()
}

type Job = (Tensor<Ix4>, Option<Array3<f32>>, ScoredBy);

/// What one classifier is given: its part of a clip of `track` that covers `span` and sounds like
/// `samples`.
fn job_of(
    member: &ClipMember,
    part: &[Arc<Sample<FaceSample>>],
    (track, span): (TrackId, Span),
    samples: &[f32],
    shared: &Shared,
) -> Result<Job, ClipError> {
    let spec = member.spec();
    let own = Span::of_frames(part.iter().map(|sample| sample.span)).unwrap_or(span);
    let show = |clip: &AlignedClip| {
        if let Some(observer) = shared.clip_observer() {
            observer(&ClipPixels { track, span: own, pixels: clip.pixels() });
        }
    };
    let frames = clip_tensor(part, spec, &member.buffers, &shared.stats.stages, show)?;
    let heard = |time_ns: u64| {
        let place = sample_at(time_ns.saturating_sub(span.start_ns));
        usize::try_from(place).unwrap_or(usize::MAX).min(samples.len())
    };
    let samples = match own == span {
        true => samples,
        false => samples.get(heard(own.start_ns)..heard(own.end_ns)).unwrap_or_default(),
    };
    let audio = member.log_mel.as_ref().map(|log_mel| log_mel.spectrum(samples));
    let by = ScoredBy {
        provider: spec.info.provider,
        precision: spec.info.precision,
        classifier: Arc::clone(&member.classifier),
        span: own,
        frames: part.len(),
    };
    Ok((frames, audio, by))
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
    clip: &[Arc<Sample<FaceSample>>],
    spec: &ClassifierSpec,
    buffers: &BufferPool,
    stages: &Stages,
    show: impl FnOnce(&AlignedClip),
) -> Result<Tensor<Ix4>, ClipError> {
    let crops = clip.iter().map(|sample| &*sample.payload.crop);
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
