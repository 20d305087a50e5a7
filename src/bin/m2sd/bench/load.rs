//! `m2sd bench --remote`: virtual streams that offer clips to one classifier as live ones do, without
//! video: what an inference server takes, and how late its answers are.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstm2sd::core::modelinfo::Role;
use gstm2sd::core::percentile::percentile;
use gstm2sd::core::redact::redact;
use gstm2sd::infer::{
    CancelToken, ClassifierSpec, ClipJob, Connection, EngineOptions, Pool, PoolOptions, Refused,
    Scored, Submitter, Tensor, shared_classifier,
};
use gstm2sd::models::ModelSource;
use gstm2sd::models::remote::RemoteModel;
use ndarray::{Array3, Array4, Ix4};
use serde::Serialize;

use super::BenchArgs;
use crate::error::CliError;
use crate::options;
use crate::signals::Signals;
use crate::terminal::note;

/// How long answers that are under way at the end are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(10);
/// Memory for clips that wait. The streams of this process are those of many machines.
const MOST_BYTES: usize = 1 << 30;

/// What the virtual streams offer.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Offer {
    streams: u32,
    faces: u32,
    fps: u32,
    stride: u32,
}

impl Offer {
    fn clips_per_second(self) -> f64 {
        f64::from(self.streams) * f64::from(self.faces) * f64::from(self.fps)
            / f64::from(self.stride)
    }
}

/// How it went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadReport {
    model: String,
    provider: String,
    precision: String,
    #[serde(flatten)]
    offer: Offer,
    seconds: f64,
    /// Clips that were due.
    offered: u64,
    scored: u64,
    /// Their stream had as many waiting as it may, as in live mode, or all memory for clips waited.
    skipped: u64,
    failed: u64,
    /// The first failure.
    failure: Option<String>,
    /// Requests that a second server was asked, too; of an address with `hedge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hedged: Option<u64>,
    clips_per_second: f64,
    /// From a clip's offer to its score.
    latency_p50_ms: f64,
    latency_p95_ms: f64,
    latency_p99_ms: f64,
    /// Of that, before its run began.
    queued_p95_ms: f64,
    clip_bytes: usize,
}

impl LoadReport {
    pub fn table(&self) -> String {
        let Self { offer, clip_bytes, .. } = self;
        let megabits = self.clips_per_second * *clip_bytes as f64 * 8.0 / 1e6;
        let mut text = format!(
            "{} on {} in {}\n{} streams, {} faces each, {} frames/s, stride {}: {:.1} clips/s\n  \
             {:.1} s: offered {}, scored {} ({:.1} clips/s), skipped {}, failed {}\n  latency \
             {:.1} ms, 95 % within {:.1} ms, 99 % within {:.1} ms; waiting, 95 % within {:.1} ms\n  \
             {:.2} MB a clip, {megabits:.0} Mbit/s as they are\n",
            self.model,
            self.provider,
            self.precision,
            offer.streams,
            offer.faces,
            offer.fps,
            offer.stride,
            offer.clips_per_second(),
            self.seconds,
            self.offered,
            self.scored,
            self.clips_per_second,
            self.skipped,
            self.failed,
            self.latency_p50_ms,
            self.latency_p95_ms,
            self.latency_p99_ms,
            self.queued_p95_ms,
            *clip_bytes as f64 / 1e6,
        );
        if let Some(hedged) = self.hedged {
            text.push_str(&format!("  {hedged} requests were sent to a second server, too\n"));
        }
        if let Some(failure) = &self.failure {
            text.push_str(&format!("  the first failure: {failure}\n"));
        }
        text
    }
}

/// Answers, as they come.
#[derive(Default)]
struct Answers {
    latencies_ms: Vec<f64>,
    queued_ms: Vec<f64>,
    failed: u64,
    failure: Option<String>,
    /// Memory of clips that are done with.
    free: Vec<Tensor<Ix4>>,
    /// Clips that there is memory for.
    made: usize,
}

impl Answers {
    fn take(&mut self, scored: Scored, since: Instant) {
        match scored.result {
            Ok(_) => {
                self.latencies_ms.push(since.elapsed().as_secs_f64() * 1e3);
                self.queued_ms.push(scored.queued.as_secs_f64() * 1e3);
            }
            Err(error) => {
                self.failed += 1;
                self.failure.get_or_insert_with(|| error.to_string());
            }
        }
        self.free.push(scored.frames);
    }
}

/// Offers clips to the classifier `model` for the time that `args` give.
///
/// # Errors
/// When it cannot be loaded, and when not a single clip is scored.
pub fn run(args: &BenchArgs, model: &str) -> Result<LoadReport, CliError> {
    let offer = Offer {
        streams: args.streams,
        faces: args.faces,
        fps: args.fps,
        stride: if args.stride == 0 { 16 } else { args.stride },
    };
    let cancel = CancelToken::new();
    let signals = Signals::take()?;
    let on_signal = cancel.clone();
    signals.clone().on_first(move || on_signal.cancel());
    let pool = load(args, model, offer, &cancel)?;
    let load = Load::new(&pool, offer)?;
    load.warm_up(&cancel)?;
    let (counts, seconds) = load.offer_for(Duration::from_secs_f64(args.seconds), &cancel);
    load.await_answers(counts, &cancel);
    let mut report = load.report(model, pool.spec(), counts, seconds);
    report.hedged = hedged(model, &cancel);
    if let Some(signal) = signals.received() {
        note(report.table().trim_end());
        return Err(CliError::Signal(signal));
    }
    match &report.failure {
        Some(failure) if report.scored == 0 => Err(CliError::runtime(failure)),
        _ => Ok(report),
    }
}

/// Of an address that says so, as long as its pool lives.
fn hedged(model: &str, cancel: &CancelToken) -> Option<u64> {
    let remote = Arc::new(RemoteModel::parse(model).ok().filter(|remote| remote.hedge.is_some())?);
    Some(Connection::open(&remote, cancel).ok()?.hedged())
}

fn load(
    args: &BenchArgs,
    model: &str,
    offer: Offer,
    cancel: &CancelToken,
) -> Result<Arc<Pool>, CliError> {
    let networks = &args.networks;
    let source = match RemoteModel::is_address(model) {
        true => RemoteModel::parse(model).map_err(CliError::usage)?.into(),
        false => {
            let search = options::search(networks.engines.as_deref())?;
            let found = search.find(Role::Classifier, Some(model)).map_err(CliError::runtime)?;
            ModelSource::from(found.path)
        }
    };
    let options = EngineOptions {
        provider: networks.provider,
        precision: networks.precision,
        device: networks.device,
        ..EngineOptions::default()
    };
    // As the element's in live mode: two clips of each face may wait.
    let pool = PoolOptions {
        queue: 2 * offer.faces as usize,
        batch_size: networks.batch_size as usize,
        ..PoolOptions::default()
    };
    shared_classifier(source, &options, pool, cancel).map_err(CliError::runtime)
}

/// Clips that were offered, and those that nobody took.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    offered: u64,
    skipped: u64,
}

struct Load {
    offer: Offer,
    submitters: Vec<Submitter>,
    pixels: Tensor<Ix4>,
    audio: Option<Array3<f32>>,
    clip_bytes: usize,
    answers: Arc<Mutex<Answers>>,
}

impl Load {
    fn new(pool: &Arc<Pool>, offer: Offer) -> Result<Self, CliError> {
        let spec = pool.spec();
        // Not flat, as a network may be quicker on zeros.
        let mut noise = 0x2545_f491_u32;
        let dims = (3, spec.frames, spec.size_px, spec.size_px);
        let pixels = Array4::from_shape_simple_fn(dims, || {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            (noise >> 24) as u8
        });
        let pixels = spec.clip(pixels.view(), Vec::new).map_err(CliError::runtime)?;
        let element = match pixels {
            Tensor::F32(_) => size_of::<f32>(),
            Tensor::U8(_) => size_of::<u8>(),
        };
        let clip_bytes = element * spec.clip_dims().iter().product::<usize>().max(1);
        let audio = spec.audio.map(|audio| Array3::zeros([1, audio.mels, audio.frames]));
        let submitters = (0..offer.streams).map(|_| pool.submitter()).collect();
        Ok(Self { offer, submitters, pixels, audio, clip_bytes, answers: Arc::default() })
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next clip of a stream; `None` while all memory waits. Whoever waits for `done` hears of its
    /// end, scored or not.
    fn job(&self, done: Option<mpsc::Sender<()>>) -> Option<ClipJob> {
        let free = {
            let mut answers = self.answers();
            let free = answers.free.pop();
            if free.is_none() && answers.made >= MOST_BYTES / self.clip_bytes {
                return None;
            }
            answers.made += usize::from(free.is_none());
            free
        };
        let frames = free.unwrap_or_else(|| self.pixels.clone());
        let (answers, since) = (Arc::clone(&self.answers), Instant::now());
        let reply = move |scored| {
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.take(scored, since);
            drop((answers, done));
        };
        Some(ClipJob { frames, audio: self.audio.clone(), reply: Box::new(reply) })
    }

    /// One clip, whose time does not count.
    fn warm_up(&self, cancel: &CancelToken) -> Result<(), CliError> {
        let Some(submitter) = self.submitters.first() else { return Ok(()) };
        let (done, ended) = mpsc::channel::<()>();
        let job = self.job(Some(done));
        if job.is_none_or(|job| submitter.try_submit(job).is_err()) {
            return Err(CliError::runtime("the classifier takes no clips"));
        }
        while ended.recv_timeout(GLANCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            if cancel.is_cancelled() {
                return Ok(());
            }
        }
        let mut answers = self.answers();
        answers.latencies_ms.clear();
        answers.queued_ms.clear();
        answers.failure.take().map_or(Ok(()), |failure| Err(CliError::runtime(failure)))
    }

    /// Offers the clips of all streams, evenly spread, in their order; returns how many, and for how long.
    fn offer_for(&self, time: Duration, cancel: &CancelToken) -> (Counts, f64) {
        let interval = 1.0 / self.offer.clips_per_second();
        let (mut counts, begin) = (Counts::default(), Instant::now());
        // Each face of a stream has a turn of its own.
        for submitter in self.submitters.iter().cycle() {
            let due = Duration::from_secs_f64(counts.offered as f64 * interval);
            if due >= time || cancel.is_cancelled() {
                break;
            }
            std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
            counts.offered += 1;
            let Some(job) = self.job(None) else {
                counts.skipped += 1;
                continue;
            };
            match submitter.try_submit(job) {
                Ok(()) => {}
                Err(Refused::Full(job)) => {
                    counts.skipped += 1;
                    self.answers().free.push(job.frames);
                }
                Err(Refused::Flushed | Refused::Closed) => break,
            }
        }
        (counts, begin.elapsed().as_secs_f64())
    }

    fn await_answers(&self, counts: Counts, cancel: &CancelToken) {
        let until = Instant::now() + PATIENCE;
        let taken = counts.offered - counts.skipped;
        let answered = || {
            let answers = self.answers();
            answers.latencies_ms.len() as u64 + answers.failed
        };
        while answered() < taken && Instant::now() < until && !cancel.is_cancelled() {
            std::thread::sleep(GLANCE);
        }
    }

    fn report(
        &self,
        model: &str,
        spec: &ClassifierSpec,
        counts: Counts,
        seconds: f64,
    ) -> LoadReport {
        let answers = self.answers();
        let at = |all: &[f64], part| percentile(all.iter().copied(), part).unwrap_or(0.0);
        LoadReport {
            model: redact(model).into_owned(),
            provider: spec.info.provider.to_string(),
            precision: spec.info.precision.to_string(),
            offer: self.offer,
            seconds,
            offered: counts.offered,
            scored: answers.latencies_ms.len() as u64,
            skipped: counts.skipped,
            failed: answers.failed,
            failure: answers.failure.clone(),
            hedged: None,
            clips_per_second: answers.latencies_ms.len() as f64 / seconds,
            latency_p50_ms: at(&answers.latencies_ms, 0.5),
            latency_p95_ms: at(&answers.latencies_ms, 0.95),
            latency_p99_ms: at(&answers.latencies_ms, 0.99),
            queued_p95_ms: at(&answers.queued_ms, 0.95),
            clip_bytes: self.clip_bytes,
        }
    }
}
