//! The pool's threads: one that runs, and for a device one that copies ahead.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use super::{Batch, ClipJob, Scored, Shared, Waiting};
use crate::infer::cancel::CancelToken;
use crate::infer::error::{InferError, panic_text};
use crate::infer::roles::{Classifier, Clip, ClipScore, ClipStager, StagedClips};

/// Runs the jobs as they come. Where the classifier runs on a device, another thread brings the
/// clips of the next run there meanwhile.
pub(super) fn work(shared: &Shared, mut classifier: Classifier) {
    let together = classifier.together(shared.options.batch_size);
    let stager = classifier.stager();
    let mut serve = |batch, staged| serve(shared, &mut classifier, batch, staged);
    let Some(mut stager) = stager else {
        while let Some(batch) = shared.next_batch(together) {
            serve(batch, None);
        }
        return;
    };
    thread::scope(|scope| {
        // Without room, so that no more than one run waits beside the one in progress.
        let (hand_over, staged) = sync_channel(0);
        let ahead = thread::Builder::new().name("m2sd-stage".to_owned());
        let ahead = ahead.spawn_scoped(scope, move || {
            while let Some(batch) = shared.next_batch(together) {
                let clips = stage(&mut stager, &batch.jobs);
                if hand_over.send((batch, Some(clips))).is_err() {
                    return;
                }
            }
        });
        if ahead.is_ok() {
            staged.into_iter().for_each(|(batch, clips)| serve(batch, clips));
        } else {
            // No more threads: runs that copy their own clips do as well.
            while let Some(batch) = shared.next_batch(together) {
                serve(batch, None);
            }
        }
    });
}

type Staging = Result<StagedClips, InferError>;

fn stage(stager: &mut ClipStager, jobs: &[Waiting]) -> Staging {
    let staged = catch_unwind(AssertUnwindSafe(|| stager.stage(&clips(jobs))));
    staged.unwrap_or_else(|payload| Err(panicked("classifier", payload.as_ref())))
}

/// Scores the jobs of one run and answers those that are still wanted.
fn serve(
    shared: &Shared,
    classifier: &mut Classifier,
    Batch { id, cancel, jobs }: Batch,
    staged: Option<Staging>,
) {
    let started = Instant::now();
    let scores = score(classifier, &jobs, staged, &cancel);
    let mut alone = one_by_one(classifier, &jobs, &scores, &cancel).map(Vec::into_iter);
    let run = started.elapsed();
    let wanted = shared.finish(id);
    let mut scores = scores.map(Vec::into_iter).map_err(Arc::new);
    for (Waiting { job, since }, wanted) in jobs.into_iter().zip(wanted) {
        let missing = || Err(Arc::new(panicked("classifier", &"fewer scores than clips")));
        let result = match (&mut alone, &mut scores) {
            (Some(alone), _) => alone.next().unwrap_or_else(missing),
            (None, Ok(scores)) => scores.next().map_or_else(missing, Ok),
            (None, Err(error)) => Err(error.clone()),
        };
        if wanted {
            let queued = started.duration_since(since);
            let ClipJob { frames, reply, .. } = job;
            let scored = Scored { result, queued, run, frames };
            // A reply that panics is its submitter's loss, not the other streams'.
            let _panicked = catch_unwind(AssertUnwindSafe(|| reply(scored)));
        }
    }
}

/// Where the classifier has no number for one of several clips, they are run again one by one: the
/// others may be of other streams, and have theirs. `None` where that is not the case.
fn one_by_one(
    classifier: &mut Classifier,
    jobs: &[Waiting],
    scores: &Result<Vec<ClipScore>, InferError>,
    cancel: &CancelToken,
) -> Option<Vec<Result<ClipScore, Arc<InferError>>>> {
    let is_without_number = matches!(scores, Err(InferError::WrongValues { .. }));
    if !is_without_number || jobs.len() < 2 {
        return None;
    }
    let alone = |job| {
        let scores = score(classifier, std::slice::from_ref(job), None, cancel);
        let missing = || Arc::new(panicked("classifier", &"no score for a clip"));
        scores.map_err(Arc::new)?.into_iter().next().ok_or_else(missing)
    };
    Some(jobs.iter().map(alone).collect())
}

fn score(
    classifier: &mut Classifier,
    jobs: &[Waiting],
    staged: Option<Staging>,
    cancel: &CancelToken,
) -> Result<Vec<ClipScore>, InferError> {
    let run = catch_unwind(AssertUnwindSafe(|| match staged {
        Some(staged) => classifier.run_staged(staged?, cancel),
        None => classifier.run(&clips(jobs), cancel),
    }));
    run.unwrap_or_else(|payload| Err(panicked("classifier", payload.as_ref())))
}

fn clips(jobs: &[Waiting]) -> Vec<Clip<'_>> {
    let clips = jobs.iter().map(|Waiting { job, .. }| Clip {
        frames: job.frames.view(),
        audio: job.audio.as_ref().map(|audio| audio.view()),
    });
    clips.collect()
}

fn panicked(what: &'static str, payload: &(dyn Any + Send)) -> InferError {
    InferError::Panicked { what, reason: panic_text(payload) }
}
