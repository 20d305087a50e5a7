//! Which frames of a stream clips are made of, so that a clip spans the time that its classifier was
//! trained on: at 60 frames a second, every second frame of a stream for one of 30.
//!
//! Frames are chosen by running time: the one nearest to each point of a grid, so that neither
//! variable frame rates nor dropped frames add up to a drift. Whether a frame is the nearest is told
//! as it comes, by the time to the next one: the stream's own where it says a rate, else the mean of
//! the steps so far. Nothing is made up: where a stream has fewer frames than wanted, all are taken.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::modelinfo::FrameRates;

/// So much beyond a rate still is this rate: 29.97 is 30.
const TOLERANCE: f64 = 0.02;
/// Steps from frame to frame that a rate is the mean of.
const STEPS: usize = 16;
/// A step that is longer than so many of the usual ones is a hole.
const HOLE_STEPS: f64 = 1.5;
/// Of a stream that says no rate, the most frames of which one is taken: with more, each waits for
/// too many.
const MOST_FRAMES_FOR_ONE: usize = 16;
/// Rates that somebody may ask for, in frames/s.
const ASKED: std::ops::RangeInclusive<f64> = 1.0..=1000.0;

/// At which rate clips are to be made, as users say it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ClipFps {
    /// The classifier's own, where its sidecar says one.
    #[default]
    Auto,
    /// The stream's, as the method was published.
    Native,
    /// So many frames/s.
    Fps(f64),
}

/// What is no rate for clips.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no rate for clips: expected auto, native, or frames a second from 1 to 1000")]
pub struct NoClipFps(String);

impl FromStr for ClipFps {
    type Err = NoClipFps;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "" | "auto" => Ok(Self::Auto),
            "native" => Ok(Self::Native),
            number => number
                .parse()
                .ok()
                .filter(|fps| ASKED.contains(fps))
                .map(Self::Fps)
                .ok_or_else(|| NoClipFps(text.to_owned())),
        }
    }
}

impl fmt::Display for ClipFps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Native => f.write_str("native"),
            Self::Fps(fps) => write!(f, "{fps}"),
        }
    }
}

impl ClipFps {
    /// The rates that clips may have, where `trained` are those of the classifier; `None`: that of
    /// the stream.
    pub fn rates(self, trained: Option<FrameRates>) -> Option<FrameRates> {
        match self {
            Self::Auto => trained,
            Self::Native => None,
            Self::Fps(fps) => Some(FrameRates { lowest: fps, highest: fps }),
        }
    }
}

/// How frames of one stream are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sampling {
    /// Every frame.
    #[default]
    All,
    /// The stream has more than wanted: one every so many ns.
    Grid {
        /// Between the frames that are wanted.
        period_ns: f64,
        /// Between the frames of the stream.
        step_ns: f64,
    },
    /// The stream says no rate: as its frames come.
    Measured(FrameRates),
}

impl Sampling {
    /// For clips of these rates of a stream whose frames are `step_ns` apart, as far as it says.
    pub fn of(rates: Option<FrameRates>, step_ns: Option<u64>) -> Self {
        match (rates, step_ns.filter(|step| *step > 0)) {
            (None, _) => Self::All,
            (Some(rates), None) => Self::Measured(rates),
            (Some(rates), Some(step)) => {
                let step_ns = step as f64;
                let period_ns = period_ns(rates, step_ns);
                let thins = period_ns > step_ns * (1.0 + TOLERANCE);
                if thins { Self::Grid { period_ns, step_ns } } else { Self::All }
            }
        }
    }

    /// Of so many successive frames one is taken at least.
    pub fn most_frames_for_one(&self) -> usize {
        match self {
            Self::All => 1,
            // Times that jitter move the choice by one.
            Self::Grid { period_ns, step_ns } => (period_ns / step_ns).ceil() as usize + 1,
            Self::Measured(_) => MOST_FRAMES_FOR_ONE,
        }
    }

    /// The time from one frame of a clip to the next, where that is not the stream's own: at most,
    /// where frames are chosen as they come.
    pub fn period_ns(&self) -> Option<u64> {
        match self {
            Self::All => None,
            Self::Grid { period_ns, .. } => Some(*period_ns as u64),
            Self::Measured(rates) => Some((SECOND_NS / rates.lowest) as u64),
        }
    }
}

const SECOND_NS: f64 = 1e9;

/// Whether a stream of frames that are `step_ns` apart has fewer than `rates` want.
pub fn is_slow(rates: FrameRates, step_ns: f64) -> bool {
    SECOND_NS / step_ns < rates.lowest * (1.0 - TOLERANCE)
}

/// The time from one chosen frame to the next: a whole number of steps where that gives a rate that
/// is wanted, and otherwise the highest one.
fn period_ns(rates: FrameRates, step_ns: f64) -> f64 {
    let shortest_ns = SECOND_NS / rates.highest;
    let steps = (shortest_ns * (1.0 - TOLERANCE) / step_ns).ceil().max(1.0);
    let whole_ns = steps * step_ns;
    if steps == 1.0 {
        // Of a stream within the rates, or below them.
        whole_ns.min(shortest_ns)
    } else if is_slow(rates, whole_ns) {
        shortest_ns
    } else {
        whole_ns
    }
}

/// Chooses the frames of one stream.
#[derive(Clone, Debug)]
pub struct FrameSampler {
    sampling: Sampling,
    /// The point of the grid that the frame taken last is for.
    point_ns: Option<f64>,
    newest_ns: Option<u64>,
    /// The newest steps from frame to frame.
    steps_ns: VecDeque<u64>,
    /// Frames since the one taken last.
    left_out: usize,
}

impl FrameSampler {
    /// Before the first frame.
    pub fn new(sampling: Sampling) -> Self {
        let (point_ns, newest_ns, steps_ns) = (None, None, VecDeque::new());
        Self { sampling, point_ns, newest_ns, steps_ns, left_out: 0 }
    }

    /// What comes has nothing to do with what was: the next frame is taken, and the grid begins with
    /// it.
    pub fn restart(&mut self) {
        (self.point_ns, self.newest_ns, self.left_out) = (None, None, 0);
    }

    /// Takes the next frame's start in running time, and says whether clips have this frame.
    pub fn takes(&mut self, start_ns: u64) -> bool {
        let (step_ns, period_ns) = match self.sampling {
            Sampling::All => return true,
            Sampling::Grid { period_ns, step_ns } => (step_ns, period_ns),
            Sampling::Measured(rates) => {
                self.measure(start_ns);
                match self.step_ns() {
                    Some(step_ns) => (step_ns, period_ns(rates, step_ns)),
                    None => return self.take(start_ns as f64),
                }
            }
        };
        let start = start_ns as f64;
        let Some(point) = self.point_ns else { return self.take(start) };
        // Time went back, or there were too many.
        let is_lost =
            start + period_ns < point || self.left_out + 1 >= self.sampling.most_frames_for_one();
        // Nearer to this frame than to the next, as far as that can be said.
        let points = ((start + step_ns / 2.0 - point) / period_ns).floor();
        if points >= 1.0 {
            self.take(point + points * period_ns)
        } else if is_lost {
            self.take(start)
        } else {
            self.left_out += 1;
            false
        }
    }

    fn take(&mut self, point_ns: f64) -> bool {
        (self.point_ns, self.left_out) = (Some(point_ns), 0);
        true
    }

    fn measure(&mut self, start_ns: u64) {
        let before = self.newest_ns.replace(start_ns);
        let step = before.and_then(|before| start_ns.checked_sub(before)).filter(|step| *step > 0);
        if let Some(step) = step {
            if self.steps_ns.len() == STEPS {
                self.steps_ns.pop_front();
            }
            self.steps_ns.push_back(step);
        }
    }

    /// The mean of the newest steps, holes left out.
    fn step_ns(&self) -> Option<f64> {
        let mut steps: Vec<_> = self.steps_ns.iter().map(|step| *step as f64).collect();
        steps.sort_by(f64::total_cmp);
        let usual = *steps.get(steps.len() / 2)?;
        let near = || steps.iter().filter(|step| **step <= usual * HOLE_STEPS);
        Some(near().sum::<f64>() / near().count().max(1) as f64)
    }

    /// The frames a second of a stream that has fewer than are wanted, once that can be said.
    pub fn slow_fps(&self) -> Option<f64> {
        let Sampling::Measured(rates) = self.sampling else { return None };
        let step_ns = self.step_ns().filter(|_| self.steps_ns.len() == STEPS)?;
        is_slow(rates, step_ns).then_some(SECOND_NS / step_ns)
    }
}

#[cfg(test)]
#[path = "sampling_tests.rs"]
mod tests;
