//! A classifier on a thread of its own, or on several where runs wait for a server, serving several
//! submitters.
//!
//! Each submitter has a bounded queue; the worker takes from the queues in turn, so that a crowded
//! stream cannot starve a quiet one, up to a batch at a time. A flush makes a new generation:
//! what waits is dropped, and a run whose jobs are all of the past is cancelled.
//!
//! # Who waits for whom
//! Whoever drops the last handle of a pool waits for its thread, up to [`ABANDON_AFTER`]; on the
//! pool's own thread, where a last handle may go with a reply, nobody waits. What is still running
//! then is counted by [`settle`], which a program calls before it exits. A flush or a stop waits
//! for nobody, and may come from any thread, through a [`Canceller`].

mod submitter;
mod threads;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ndarray::{Array3, Ix4};

pub use self::submitter::{Canceller, Submitter};

use self::threads::Alive;
pub(crate) use self::threads::CountedThread;
pub use self::threads::{ABANDON_AFTER, settle};

use super::cancel::CancelToken;
use super::error::InferError;
use super::log::{Severity, log};
use super::roles::{Classifier, ClassifierSpec, ClipScore};
use super::tensor::Tensor;

/// How a pool takes and groups its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolOptions {
    /// How many clips of one submitter may wait, at least 1.
    pub queue: usize,
    /// How many waiting clips may share a run, at least 1.
    pub batch_size: usize,
    /// How long a clip may wait for others to share its run.
    pub batch_timeout: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { queue: 2, batch_size: 1, batch_timeout: Duration::ZERO }
    }
}

/// One clip to score.
pub struct ClipJob {
    /// Of [`ClassifierSpec::clip_dims`].
    pub frames: Tensor<Ix4>,
    /// `[1,mels,frames]`, for a classifier that listens.
    pub audio: Option<Array3<f32>>,
    /// Called once, on the pool's thread; must not block. Dropped uncalled when the job is
    /// discarded by a flush or the end of the pool, so that a channel inside it closes.
    pub reply: Box<dyn FnOnce(Scored) + Send>,
}

/// The outcome of a job.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Shared by the jobs of a batch when it failed.
    pub result: Result<ClipScore, Arc<InferError>>,
    /// From submission to the start of the run.
    pub queued: Duration,
    /// The whole run, which a batch shares.
    pub run: Duration,
    /// The job's own, given back: its memory can serve again.
    pub frames: Tensor<Ix4>,
}

/// The generation of a submitter that jobs belong to, see [`Submitter::ticket`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket(u64);

/// Why a job was not taken.
pub enum Refused {
    /// The submitter's queue is full; here is the job.
    Full(Box<ClipJob>),
    /// A flush came while waiting for room.
    Flushed,
    /// The pool's thread is gone: no job is taken any more.
    Closed,
}

/// The classifier's threads. Ends, with the run in flight cancelled and waited for, up to
/// [`ABANDON_AFTER`], when the last [`Arc`] goes, submitters' included.
///
/// With an engine of one's own, which finds every clip as likely fake as real:
///
/// ```
/// use std::sync::mpsc::channel;
///
/// use gstm2sd::core::modelinfo::ModelInfo;
/// use gstm2sd::infer::*;
/// use ndarray::{Array2, Array4};
///
/// struct Undecided(EngineInfo);
///
/// impl Engine for Undecided {
///     fn info(&self) -> &EngineInfo {
///         &self.0
///     }
///
///     fn run(
///         &mut self,
///         inputs: &[TensorIn<'_>],
///         outputs: &mut Outputs,
///         _: &CancelToken,
///     ) -> Result<(), InferError> {
///         let logits = Array2::zeros([inputs[0].shape()[0], 2]);
///         outputs.put(0, &logits.view().into_dyn());
///         Ok(())
///     }
/// }
///
/// let tensor = |name: &str, dims: &[usize]| TensorInfo {
///     name: name.to_owned(),
///     // As many clips as there are.
///     dims: [None].into_iter().chain(dims.iter().copied().map(Some)).collect(),
///     element: ElementType::F32,
/// };
/// let info = EngineInfo {
///     model: "undecided".to_owned(),
///     inputs: vec![tensor("clip", &[3, 1, 8, 8])],
///     outputs: vec![tensor("logits", &[2])],
///     largest_batch: None,
///     provider: Provider::Cpu,
///     precision: Precision::Auto,
///     assigned: Vec::new(),
///     runtime: "none".to_owned(),
///     passed_over: Vec::new(),
/// };
/// let classifier = Classifier::from_engine(Box::new(Undecided(info)), &ModelInfo::default())?;
/// let pool = Pool::new(classifier, PoolOptions::default())?;
/// let submitter = pool.submitter();
/// let (reply, scored) = channel();
/// let job = ClipJob {
///     frames: Tensor::F32(Array4::zeros([3, 1, 8, 8])),
///     audio: None,
///     reply: Box::new(move |outcome| drop(reply.send(outcome))),
/// };
/// assert!(submitter.submit(job, submitter.ticket()).is_ok());
/// assert_eq!(scored.recv().unwrap().result.unwrap().fake, 0.5);
/// # Ok::<(), InferError>(())
/// ```
pub struct Pool {
    shared: Arc<Shared>,
    spec: ClassifierSpec,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    options: PoolOptions,
    /// Lock order: before a [`CancelToken`]'s, as a stale run is cancelled under it, so that no run
    /// that begins later is. Held for bookkeeping only: never over a run, a reply or the drop of a
    /// job.
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<u64, Lane>,
    next_id: u64,
    /// The lane that was served last.
    served: u64,
    /// The runs that jobs were taken for: the one in progress, and one that is being staged or
    /// waits for its turn.
    running: Vec<Running>,
    closing: bool,
    /// Threads that are there.
    alive: usize,
    /// They are all gone.
    ended: bool,
}

#[derive(Default)]
struct Lane {
    generation: u64,
    waiting: VecDeque<Waiting>,
}

impl Lane {
    fn is_full(&self, options: PoolOptions) -> bool {
        self.waiting.len() >= options.queue.max(1)
    }

    fn push(&mut self, job: ClipJob) {
        self.waiting.push_back(Waiting { job, since: Instant::now() });
    }
}

struct Waiting {
    job: ClipJob,
    since: Instant,
}

/// The jobs of one run.
struct Batch {
    id: u64,
    cancel: CancelToken,
    jobs: Vec<Waiting>,
}

struct Running {
    id: u64,
    cancel: CancelToken,
    /// Lane and generation of each job.
    origins: Vec<(u64, u64)>,
}

impl State {
    fn is_current(&self, (lane, generation): (u64, u64)) -> bool {
        !self.closing && self.lanes.get(&lane).is_some_and(|lane| lane.generation == generation)
    }

    /// Cancels the runs that nobody waits for any more.
    fn cancel_if_stale(&self) {
        for running in &self.running {
            if !running.origins.iter().any(|origin| self.is_current(*origin)) {
                running.cancel.cancel();
            }
        }
    }

    /// The jobs of all lanes.
    fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }

    /// The next job of the lane after the one served last.
    fn take_in_turn(&mut self) -> Option<(u64, u64, Waiting)> {
        let after = (self.served + 1)..;
        let turn = self.lanes.range(after).chain(self.lanes.range(..=self.served));
        let id = turn.into_iter().find(|(_, lane)| !lane.waiting.is_empty()).map(|(id, _)| *id)?;
        self.served = id;
        let lane = self.lanes.get_mut(&id)?;
        Some((id, lane.generation, lane.waiting.pop_front()?))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work, and for company where that is wanted; `None` at the end.
    fn next_batch(&self, batch_size: usize) -> Option<Batch> {
        let mut state = self.state();
        while state.waiting() == 0 {
            let idle = |s: &mut State| !s.closing && s.waiting() == 0;
            state = self.work.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
            let timeout = self.options.batch_timeout;
            if batch_size > 1 && !timeout.is_zero() {
                let fewer = |s: &mut State| !s.closing && s.waiting() < batch_size;
                let filled = self.work.wait_timeout_while(state, timeout, fewer);
                state = filled.unwrap_or_else(PoisonError::into_inner).0;
            }
            if state.closing {
                return None;
            }
        }
        let (mut origins, mut jobs) = (Vec::new(), Vec::new());
        while jobs.len() < batch_size {
            let Some((lane, generation, job)) = state.take_in_turn() else { break };
            origins.push((lane, generation));
            jobs.push(job);
        }
        let cancel = CancelToken::new();
        state.next_id += 1;
        let id = state.next_id;
        state.running.push(Running { id, cancel: cancel.clone(), origins });
        self.room.notify_all();
        Some(Batch { id, cancel, jobs })
    }

    /// Ends a run; says for each of its jobs whether its submitter still wants the answer.
    fn finish(&self, id: u64) -> Vec<bool> {
        let mut state = self.state();
        let place = state.running.iter().position(|running| running.id == id);
        let origins = place.map(|place| state.running.remove(place).origins).unwrap_or_default();
        origins.into_iter().map(|origin| state.is_current(origin)).collect()
    }

    /// Removes jobs with `remove` and drops them outside of the lock: their replies are foreign.
    fn discard<T>(&self, id: u64, remove: impl FnOnce(&mut State, u64) -> T) {
        let mut state = self.state();
        let removed = remove(&mut state, id);
        state.cancel_if_stale();
        drop(state);
        self.room.notify_all();
        drop(removed);
    }
}

impl Pool {
    /// Starts the thread that runs `classifier`, and one for each that may run beside it.
    ///
    /// # Errors
    /// [`InferError::Thread`] when the system has no more threads.
    pub fn new(classifier: Classifier, options: PoolOptions) -> Result<Arc<Self>, InferError> {
        let spec = classifier.spec().clone();
        let shared = Arc::new(Shared {
            options,
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            ended: Condvar::new(),
        });
        let beside = classifier.beside();
        let mut workers = vec![start(&shared, classifier).map_err(InferError::Thread)?];
        // Fewer do as well.
        workers.extend(beside.into_iter().map_while(|beside| start(&shared, beside).ok()));
        Ok(Arc::new(Self { shared, spec, workers }))
    }

    /// What the classifier wants of clips.
    pub fn spec(&self) -> &ClassifierSpec {
        &self.spec
    }

    /// A new stream's way in, with a queue of its own.
    pub fn submitter(self: &Arc<Self>) -> Submitter {
        Submitter::new(Arc::clone(self))
    }
}

fn start(shared: &Arc<Shared>, classifier: Classifier) -> std::io::Result<JoinHandle<()>> {
    let alive = Alive::new(shared);
    let shared = Arc::clone(shared);
    thread::Builder::new().name("m2sd-classify".to_owned()).spawn(move || {
        // Ends after the classifier, which `work` drops.
        let _alive = alive;
        work::work(&shared, classifier);
    })
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closing = true;
        state.cancel_if_stale();
        let lanes = std::mem::take(&mut state.lanes);
        drop(state);
        drop(lanes);
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        let workers = std::mem::take(&mut self.workers);
        // The last handle may go with a reply, on a worker itself.
        if workers.iter().any(|worker| worker.thread().id() == thread::current().id()) {
            return;
        }
        if self.shared.wait_for_end(ABANDON_AFTER) {
            for worker in workers {
                let _panicked = worker.join();
            }
        } else {
            let (model, provider) = (&self.spec.info.model, self.spec.info.provider);
            let seconds = ABANDON_AFTER.as_secs();
            let text = format!(
                "a run of {model} on {provider} did not end within {seconds} s of being cancelled; \
                 its thread is abandoned"
            );
            log(Severity::Error, &text);
        }
    }
}
