//! The pool on a device: clips are copied there while others are scored.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use gstm2sd::core::modelinfo::ModelInfo;
use gstm2sd::infer::{
    CancelToken, Classifier, ClipJob, Engine, EngineInfo, InferError, Outputs, Pieces, Pool,
    PoolOptions, Precision, Provider, Scored, Staged, Stager, TensorIn,
};
use ndarray::{Array2, Array4};

use crate::common::{floats, tensor};

const PATIENCE: Duration = Duration::from_secs(20);
/// How often a run looks whether it is cancelled.
const GLANCE: Duration = Duration::from_millis(5);
/// Long enough for what should not happen.
const MOMENT: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq)]
enum Event {
    Staged { slot: usize, pixel: f32 },
    Ran { slot: usize },
}

/// A device whose runs wait for a test's word, or for being cancelled.
struct Device {
    info: EngineInfo,
    events: Sender<Event>,
    go: Receiver<()>,
}

struct Copier {
    next: usize,
    events: Sender<Event>,
}

impl Stager for Copier {
    fn stage(&mut self, inputs: &[Pieces<'_>]) -> Result<Staged, InferError> {
        let slot = self.next;
        self.next = (slot + 1) % Staged::SLOTS;
        let pixel = floats(&inputs[0].clone().join(&mut None))[[0, 0, 0, 0, 0]];
        if pixel < 0.0 {
            let reason = "no memory".to_owned();
            return Err(InferError::RunFailed { provider: Provider::Cuda, reason });
        }
        self.events.send(Event::Staged { slot, pixel }).unwrap();
        Ok(Staged { slot })
    }
}

impl Engine for Device {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn run(
        &mut self,
        _: &[TensorIn<'_>],
        _: &mut Outputs,
        _: &CancelToken,
    ) -> Result<(), InferError> {
        panic!("clips are staged")
    }

    fn stager(&mut self) -> Option<Box<dyn Stager>> {
        Some(Box::new(Copier { next: 0, events: self.events.clone() }))
    }

    fn run_staged(
        &mut self,
        staged: Staged,
        outputs: &mut Outputs,
        cancel: &CancelToken,
    ) -> Result<(), InferError> {
        if cancel.is_cancelled() {
            return Err(InferError::Cancelled);
        }
        self.events.send(Event::Ran { slot: staged.slot }).unwrap();
        let end = Instant::now() + PATIENCE;
        while self.go.recv_timeout(GLANCE).is_err() {
            if cancel.is_cancelled() {
                return Err(InferError::Cancelled);
            }
            assert!(Instant::now() < end, "the word never came");
        }
        let logits = vec![staged.slot as f32, 0.0];
        *outputs = Array2::from_shape_vec((1, 2), logits).unwrap().into();
        Ok(())
    }
}

fn device() -> (std::sync::Arc<Pool>, Receiver<Event>, Sender<()>) {
    let ((events, seen), (go, wait)) = (channel(), channel());
    let info = EngineInfo {
        model: "fake".to_owned(),
        inputs: vec![tensor("clip", &[-1, 3, 1, 2, 2])],
        outputs: vec![tensor("logits", &[-1, 2])],
        largest_batch: std::num::NonZeroUsize::new(1),
        provider: Provider::Cuda,
        precision: Precision::Auto,
        assigned: Vec::new(),
        runtime: "none".to_owned(),
        passed_over: Vec::new(),
    };
    let engine = Box::new(Device { info, events, go: wait });
    let classifier = Classifier::from_engine(engine, &ModelInfo::default()).unwrap();
    let options = PoolOptions { queue: 8, batch_size: 4, ..PoolOptions::default() };
    (Pool::new(classifier, options).unwrap(), seen, go)
}

fn job(pixel: f32) -> (ClipJob, Receiver<Scored>) {
    let (reply, scored) = channel();
    let frames = Array4::from_elem((3, 1, 2, 2), pixel).into();
    (ClipJob { frames, audio: None, reply: Box::new(move |s| reply.send(s).unwrap()) }, scored)
}

fn staged(slot: usize, pixel: f32) -> Event {
    Event::Staged { slot, pixel }
}

#[test]
fn one_clip_is_copied_while_another_is_scored_and_no_more() {
    let (pool, seen, go) = device();
    let next = || seen.recv_timeout(PATIENCE).unwrap();
    let submitter = pool.submitter();
    let scored: Vec<_> = [1.0, 2.0, 3.0]
        .map(job)
        .into_iter()
        .map(|(job, scored)| {
            assert!(submitter.submit(job, submitter.ticket()).is_ok());
            scored
        })
        .collect();
    assert_eq!(next(), staged(0, 1.0));
    let mut both = [next(), next()];
    both.sort_by_key(|event| matches!(event, Event::Staged { .. }));
    assert_eq!(both, [Event::Ran { slot: 0 }, staged(1, 2.0)]);
    // The third has no place while the first runs and the second waits.
    assert_eq!(seen.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
    go.send(()).unwrap();
    let mut both = [next(), next()];
    both.sort_by_key(|event| matches!(event, Event::Staged { .. }));
    assert_eq!(both, [Event::Ran { slot: 1 }, staged(0, 3.0)]);
    go.send(()).unwrap();
    go.send(()).unwrap();
    let fakes: Vec<_> =
        scored.iter().map(|s| s.recv_timeout(PATIENCE).unwrap().result.unwrap().fake).collect();
    assert!(fakes[0] == 0.5 && fakes[1] > 0.7 && fakes[2] == 0.5, "{fakes:?}");
}

#[test]
fn a_flush_discards_what_is_staged() {
    let (pool, seen, go) = device();
    let next = || seen.recv_timeout(PATIENCE).unwrap();
    let submitter = pool.submitter();
    let jobs = [1.0, 2.0].map(job);
    let scored = jobs.map(|(job, scored)| {
        assert!(submitter.submit(job, submitter.ticket()).is_ok());
        scored
    });
    let _three = [next(), next(), next()];
    submitter.flush();
    for scored in scored {
        assert_eq!(scored.recv_timeout(PATIENCE).map(|_| ()), Err(RecvTimeoutError::Disconnected));
    }
    let (fresh, scored) = job(5.0);
    assert!(submitter.submit(fresh, submitter.ticket()).is_ok());
    assert_eq!(next(), staged(0, 5.0));
    assert_eq!(next(), Event::Ran { slot: 0 });
    go.send(()).unwrap();
    assert!(scored.recv_timeout(PATIENCE).unwrap().result.is_ok());
}

#[test]
fn a_copy_that_fails_is_the_result_of_its_clip() {
    let (pool, _seen, go) = device();
    let submitter = pool.submitter();
    let (bad, scored) = job(-1.0);
    assert!(submitter.submit(bad, submitter.ticket()).is_ok());
    let error = scored.recv_timeout(PATIENCE).unwrap().result.unwrap_err();
    assert_eq!(error.to_string(), "the run on cuda failed: no memory");
    let (good, scored) = job(1.0);
    assert!(submitter.submit(good, submitter.ticket()).is_ok());
    go.send(()).unwrap();
    assert!(scored.recv_timeout(PATIENCE).unwrap().result.is_ok());
}

#[test]
fn the_end_of_the_pool_ends_both_threads() {
    let (pool, seen, _go) = device();
    let submitter = pool.submitter();
    let scored = [1.0, 2.0].map(job).map(|(job, scored)| {
        assert!(submitter.submit(job, submitter.ticket()).is_ok());
        scored
    });
    let _three = [(); 3].map(|()| seen.recv_timeout(PATIENCE).unwrap());
    // One runs and one is staged.
    drop((pool, submitter));
    for scored in scored {
        assert_eq!(scored.recv_timeout(PATIENCE).map(|_| ()), Err(RecvTimeoutError::Disconnected));
    }
    // Both halves of the engine are gone.
    assert_eq!(seen.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}
