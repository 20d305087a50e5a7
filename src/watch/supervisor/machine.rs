//! When a camera's pipeline is started and stopped, and what is said of it: a state machine without
//! pipelines, threads and clocks.

use std::time::Duration;

use crate::core::backoff::Backoff;
use crate::events::body::CameraState;

/// Waits after a refused password at least: cameras lock accounts that fail often.
const REFUSED_WAIT: Duration = Duration::from_secs(15);
/// Online for so long, a camera counts as recovered.
const RECOVERED: Duration = Duration::from_secs(30);
/// Not looked at for so long, nothing can be said of the time between.
const BLIND: Duration = Duration::from_secs(1);

/// How long what may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start to the first frame.
    pub connect: Duration,
    /// From one frame to the next; from one byte to the next while it connects.
    pub stall: Duration,
}

/// What has come of the present pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// From the source.
    pub bytes: u64,
    /// Decoded.
    pub frames: u64,
}

/// What is to be done with the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Make one and start it.
    Start,
    /// Stop it.
    Stop,
    /// Play it from its beginning.
    BeginAgain,
}

/// What is said of the camera from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it does.
    pub state: CameraState,
    /// Why.
    pub reason: Option<String>,
    /// Whether it is news: every try of a camera that stays away is not.
    pub is_news: bool,
}

/// What follows from what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// For the pipeline.
    pub order: Option<Order>,
    /// For those who watch.
    pub change: Option<Change>,
}

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A file's, which begins again.
    Repeats,
    /// A file's.
    Finite,
    /// That of a camera, which has no end.
    Lost,
}

/// A failure, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub reason: String,
    /// Whether it refuses who logs in.
    pub is_refused: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Waiting { until: Duration },
    Connecting { since: Duration, progress: Progress, told: bool },
    Online { since: Duration, progress: Progress },
    Stalled { since: Duration, progress: Progress },
    Ended,
}

/// When what came last.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Progress {
    seen: Seen,
    bytes_at: Duration,
    frames_at: Duration,
    /// Bytes when the newest frame came.
    bytes_then: u64,
}

impl Progress {
    fn new(now: Duration) -> Self {
        Self { seen: Seen::default(), bytes_at: now, frames_at: now, bytes_then: 0 }
    }

    /// Returns whether frames came.
    fn update(&mut self, now: Duration, seen: Seen) -> bool {
        let frames = seen.frames > self.seen.frames;
        if seen.bytes > self.seen.bytes {
            self.bytes_at = now;
        }
        if frames {
            self.frames_at = now;
            self.bytes_then = seen.bytes;
        }
        self.seen = seen;
        frames
    }

    /// As if the time between had not been.
    fn skip(&mut self, time: Duration) {
        self.bytes_at += time;
        self.frames_at += time;
    }
}

/// The state machine. Times are of any clock that only goes forward.
#[derive(Debug)]
pub struct Machine {
    limits: Limits,
    phase: Phase,
    backoff: Backoff,
    random: fastrand::Rng,
    /// What was told last.
    told: Option<(CameraState, Option<String>)>,
    looked: Option<Duration>,
    reconnects: u64,
}

impl Machine {
    /// One whose camera is started at once. `seed` makes the waits.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            phase: Phase::Waiting { until: Duration::ZERO },
            backoff: Backoff::default(),
            random: fastrand::Rng::with_seed(seed),
            told: None,
            looked: None,
            reconnects: 0,
        }
    }

    /// Connections that were lost.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// What follows from the time, and from what has come by now.
    pub fn look(&mut self, now: Duration, seen: Seen) -> Step {
        let blind = self.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked));
        self.looked = Some(now);
        if blind > BLIND
            && let Some(progress) = self.progress()
        {
            progress.skip(blind);
        }
        match &mut self.phase {
            Phase::Waiting { until } if now < *until => Step::default(),
            Phase::Waiting { .. } => {
                let progress = Progress::new(now);
                self.phase = Phase::Connecting { since: now, progress, told: false };
                self.step(Some(Order::Start), CameraState::Connecting, None)
            }
            Phase::Connecting { since, progress, .. } => {
                let since = *since;
                if progress.update(now, seen) {
                    self.phase = Phase::Online { since: now, progress: *progress };
                    return self.step(None, CameraState::Online, None);
                }
                self.connecting(now, since)
            }
            Phase::Online { since, progress } => {
                if progress.update(now, seen) {
                    if now.saturating_sub(*since) > RECOVERED {
                        self.backoff.succeeded();
                    }
                    return Step::default();
                }
                if now.saturating_sub(progress.frames_at) <= self.limits.stall {
                    return Step::default();
                }
                let reason = stalled(now, progress, self.limits.stall);
                self.phase = Phase::Stalled { since: now, progress: *progress };
                self.step(None, CameraState::Stalled, Some(reason))
            }
            Phase::Stalled { since, progress } => {
                if progress.update(now, seen) {
                    self.phase = Phase::Online { since: now, progress: *progress };
                    let reason = "frames come again".to_owned();
                    return self.step(None, CameraState::Online, Some(reason));
                }
                if now.saturating_sub(*since) <= 2 * self.limits.stall {
                    return Step::default();
                }
                let reason = stalled(now, progress, self.limits.stall);
                self.failed(now, Failure { reason, is_refused: false })
            }
            Phase::Ended => Step::default(),
        }
    }

    /// One that has connected to nothing so far, or has no frame.
    fn connecting(&mut self, now: Duration, began: Duration) -> Step {
        let Limits { connect, stall } = self.limits;
        let Phase::Connecting { progress, told, .. } = &mut self.phase else {
            return Step::default();
        };
        let took = now.saturating_sub(began);
        let reason = match progress.seen.bytes {
            0 => format!("nothing has come for {}", seconds(took)),
            bytes => format!("{bytes} bytes have come, and no picture for {}", seconds(took)),
        };
        // A key frame may be some seconds away while bytes come.
        let comes = now.saturating_sub(progress.bytes_at) < stall && progress.seen.bytes > 0;
        let limit = if comes { 2 * connect } else { connect };
        if took > limit {
            return self.failed(now, Failure { reason, is_refused: false });
        }
        if took > stall && !*told {
            *told = true;
            return self.step(None, CameraState::Connecting, Some(reason));
        }
        Step::default()
    }

    /// The pipeline has failed.
    pub fn failed(&mut self, now: Duration, failure: Failure) -> Step {
        if matches!(self.phase, Phase::Waiting { .. } | Phase::Ended) {
            return Step::default();
        }
        if matches!(self.phase, Phase::Online { .. } | Phase::Stalled { .. }) {
            self.reconnects += 1;
        }
        let wait = self.backoff.failed();
        let wait = if failure.is_refused { wait.max(REFUSED_WAIT) } else { wait };
        // Cameras behind one switch come back together.
        let wait = Backoff::jittered(wait, self.random.f64());
        self.phase = Phase::Waiting { until: now + wait };
        self.step(Some(Order::Stop), CameraState::Offline, Some(failure.reason))
    }

    /// The stream is at its end.
    pub fn ended(&mut self, now: Duration, end: End) -> Step {
        match end {
            End::Lost => {
                let reason = "the camera has ended its stream".to_owned();
                self.failed(now, Failure { reason, is_refused: false })
            }
            // One without a single frame would begin again for ever.
            End::Repeats if self.progress().is_some_and(|progress| progress.seen.frames > 0) => {
                if let Some(progress) = self.progress() {
                    progress.frames_at = now;
                }
                Step { order: Some(Order::BeginAgain), change: None }
            }
            End::Finite | End::Repeats => {
                self.phase = Phase::Ended;
                self.step(Some(Order::Stop), CameraState::Ended, None)
            }
        }
    }

    /// Whether there is a pipeline.
    #[cfg(test)]
    fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Waiting { .. } | Phase::Ended)
    }

    fn progress(&mut self) -> Option<&mut Progress> {
        match &mut self.phase {
            Phase::Connecting { progress, .. }
            | Phase::Online { progress, .. }
            | Phase::Stalled { progress, .. } => Some(progress),
            Phase::Waiting { .. } | Phase::Ended => None,
        }
    }

    fn step(&mut self, order: Option<Order>, state: CameraState, reason: Option<String>) -> Step {
        let told = self.told.as_ref();
        let is_retry = state == CameraState::Connecting
            && told.is_some_and(|(s, _)| *s == CameraState::Offline);
        let is_same = told.is_some_and(|(s, r)| *s == state && *r == reason);
        let is_news = !is_retry && !is_same;
        if is_news {
            self.told = Some((state, reason.clone()));
        }
        Step { order, change: Some(Change { state, reason, is_news }) }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

/// What a camera does that brings no frames.
fn stalled(now: Duration, progress: &Progress, stall: Duration) -> String {
    let quiet = seconds(now.saturating_sub(progress.frames_at));
    if now.saturating_sub(progress.bytes_at) * 2 >= stall {
        return format!("nothing comes: no frame and no byte for {quiet}");
    }
    let bytes = progress.seen.bytes.saturating_sub(progress.bytes_then);
    format!("{bytes} bytes have come, and no frame for {quiet}")
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
