//! The queue from the analysis thread to the source pad's task, and the score board it waits on.
//!
//! Frames and events leave in the order in which they came; queries too, but those that do not
//! drain overtake frames. The head leaves when it is
//! *ready*: in live mode a frame always is; in complete mode when all clips that contain it are
//! scored. EOS waits, in both modes, until no clip is under way, so that its scores reach the bus
//! before the end does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::inbox::PendingQuery;
use super::settings::Delivery;
use crate::core::audio::Loudness;
use crate::core::detect::Face;
use crate::core::geometry::Point;
use crate::core::score::{Label, Probability, Score, ScoreBoard, Verdict};
use crate::core::track::TrackId;
use crate::core::window::{FrameNumber, Span};

/// Raised by every flush and stop. What carries an older one is stale and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// A face on one frame.
#[derive(Clone, Debug)]
pub struct FrameFace {
    /// `None`: no track follows this face; its detection score is too low to start one.
    pub track: Option<TrackId>,
    pub face: Face,
    /// The aligner's 68 points in frame pixels.
    pub landmarks: Option<Box<[Point; 68]>>,
}

pub struct Frame {
    pub number: FrameNumber,
    pub buffer: gst::Buffer,
    pub faces: Arc<[FrameFace]>,
    /// When upstream handed it over.
    pub arrived: Instant,
}

impl Frame {
    fn tracks(&self) -> impl Iterator<Item = TrackId> {
        self.faces.iter().filter_map(|f| f.track)
    }
}

pub enum Output {
    Frame(Frame),
    Event(gst::Event),
    Query(PendingQuery),
    /// The track has ended: no later frame holds it.
    TrackEnd(TrackId),
}

/// What is known about a face when its frame leaves.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    pub label: Label,
    pub score: Option<Score>,
    /// The label that held before, where this frame changed it.
    pub before: Option<Label>,
    /// How loud the time was that the score speaks of; `None` without an audio pad or a score.
    pub loudness: Option<Loudness>,
}

impl Judgement {
    /// A face that no track follows, or that has no score yet.
    pub const NONE: Self =
        Self { label: Label::Insufficient, score: None, before: None, loudness: None };
}

/// A frame with one judgement a face, ready to leave.
pub struct Judged {
    pub frame: Frame,
    pub judgements: Vec<Judgement>,
}

pub enum Ready {
    Frame(Judged),
    Event(gst::Event),
    Query(PendingQuery),
}

struct State {
    generation: Generation,
    flushing: bool,
    items: VecDeque<Output>,
    frames: usize,
    capacity: usize,
    delivery: Delivery,
    threshold: Probability,
    board: ScoreBoard,
    /// With the score that was judged last.
    verdicts: HashMap<TrackId, (Verdict, Option<Score>)>,
    clips_under_way: usize,
}

/// See the module's text.
///
/// Lock order: `Outbox` is a leaf, like [`super::inbox::Inbox`]. The two are never held together.
pub struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

/// The queue was flushed or stopped: what the caller holds is stale.
pub struct Stale;

impl Default for Outbox {
    fn default() -> Self {
        let state = State {
            generation: Generation::default(),
            flushing: true,
            items: VecDeque::new(),
            frames: 0,
            capacity: 1,
            delivery: Delivery::Live,
            threshold: Probability::HALF,
            board: ScoreBoard::default(),
            verdicts: HashMap::new(),
            clips_under_way: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below leaves the state whole, so a panicking holder has broken nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn generation(&self) -> Generation {
        self.lock().generation
    }

    /// Drops everything, raises the generation and refuses items until [`Self::open`].
    pub fn flush(&self) {
        let mut state = self.lock();
        state.generation.0 += 1;
        state.flushing = true;
        state.frames = 0;
        state.clips_under_way = 0;
        let dropped = std::mem::take(&mut state.items);
        state.board = ScoreBoard::default();
        state.verdicts.clear();
        drop(state);
        self.changed.notify_all();
        drop(dropped);
    }

    /// Takes items of the present generation again.
    pub fn open(&self) {
        self.lock().flushing = false;
    }

    /// How frames leave from here on, and how many may wait.
    pub fn configure(&self, delivery: Delivery, capacity: usize, threshold: Probability) {
        let mut state = self.lock();
        state.delivery = delivery;
        state.capacity = capacity.max(1);
        state.threshold = threshold;
        drop(state);
        self.changed.notify_all();
    }

    /// Appends an item; a frame waits while too many are in.
    pub fn push(&self, generation: Generation, item: Output) -> Result<(), Stale> {
        let is_frame = matches!(item, Output::Frame(_));
        let stale = |s: &State| s.flushing || s.generation != generation;
        let full = |s: &mut State| is_frame && s.frames >= s.capacity && !stale(s);
        let waited = self.changed.wait_while(self.lock(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if stale(&state) {
            return Err(Stale);
        }
        state.frames += usize::from(is_frame);
        let place = state.place_of(&item);
        state.items.insert(place, item);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Changes the score board, if the caller is not stale.
    fn with_board(&self, generation: Generation, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        if state.generation == generation {
            change(&mut state);
            drop(state);
            self.changed.notify_all();
        }
    }

    /// A face of `track` is on `frame`. To be called before the frame is pushed.
    pub fn face_seen(&self, generation: Generation, track: TrackId, frame: FrameNumber) {
        self.with_board(generation, |s| s.board.open(track, frame));
    }

    /// No further clip contains this frame of the track.
    pub fn frame_closed(&self, generation: Generation, track: TrackId, frame: FrameNumber) {
        self.with_board(generation, |s| s.board.close(track, frame));
    }

    /// A clip is about to be scored.
    pub fn clip_submitted(&self, generation: Generation, track: TrackId, frames: &[FrameNumber]) {
        self.with_board(generation, |s| {
            s.clips_under_way += 1;
            s.board.expect(track, frames);
        });
    }

    /// A clip announced by [`Self::clip_submitted`] has its score, or `None` if it failed or was
    /// skipped.
    pub fn clip_settled(
        &self,
        generation: Generation,
        track: TrackId,
        frames: &[FrameNumber],
        span: Span,
        fake: Option<Probability>,
    ) {
        self.with_board(generation, |s| {
            s.clips_under_way = s.clips_under_way.saturating_sub(1);
            s.board.settle(track, frames, span, fake);
        });
    }

    /// Whether the caller's work is still wanted.
    pub fn is_current(&self, generation: Generation) -> bool {
        let state = self.lock();
        state.generation == generation && !state.flushing
    }

    /// Frames that wait, and clips that are being scored.
    pub fn depths(&self) -> (usize, usize) {
        let state = self.lock();
        (state.frames, state.clips_under_way)
    }

    /// The next thing that may leave, waiting for it. `None`: flushed or stopped.
    pub fn pop(&self) -> Option<Ready> {
        let mut state = self.lock();
        loop {
            if state.flushing {
                return None;
            }
            if state.head_is_ready()
                && let Some(item) = state.items.pop_front()
            {
                match item {
                    Output::Frame(frame) => {
                        state.frames -= 1;
                        let judged = state.judge(frame);
                        drop(state);
                        self.changed.notify_all();
                        return Some(Ready::Frame(judged));
                    }
                    Output::Event(event) => return Some(Ready::Event(event)),
                    Output::Query(query) => return Some(Ready::Query(query)),
                    Output::TrackEnd(track) => state.forget(track),
                }
                continue;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// Where an item belongs: at the end, unless it must not wait for the frames there. They may
    /// wait for frames behind them, which upstream cannot send before its query is answered.
    fn place_of(&self, item: &Output) -> usize {
        match item {
            Output::Query(query) if !query.closes_windows => {
                let is_caps = |item: &Output| match item {
                    Output::Event(event) => event.type_() == gst::EventType::Caps,
                    _ => false,
                };
                // Frames ahead of a caps event wait for nothing behind it.
                self.items.iter().rposition(is_caps).map_or(0, |caps| caps + 1)
            }
            _ => self.items.len(),
        }
    }

    fn head_is_ready(&self) -> bool {
        match self.items.front() {
            None => false,
            Some(Output::Frame(frame)) => {
                self.delivery == Delivery::Live
                    || frame.tracks().all(|track| self.board.is_settled(track, frame.number))
            }
            Some(Output::Event(event)) => {
                event.type_() != gst::EventType::Eos || self.clips_under_way == 0
            }
            Some(Output::Query(_) | Output::TrackEnd(_)) => true,
        }
    }

    fn judge(&mut self, frame: Frame) -> Judged {
        let judge = |face: &FrameFace| {
            let Some(track) = face.track else { return Judgement::NONE };
            self.judge_face(track, frame.number)
        };
        let judgements = frame.faces.iter().map(judge).collect();
        Judged { frame, judgements }
    }

    fn judge_face(&mut self, track: TrackId, frame: FrameNumber) -> Judgement {
        let newest = self.board.newest_score(track);
        let score = match self.delivery {
            Delivery::Live => newest,
            // A stride beyond the clip's length leaves frames without a clip of their own.
            Delivery::Complete => self.board.frame_score(track, frame).or(newest),
        };
        self.board.forget_frame(track, frame);
        let Some(score) = score else { return Judgement::NONE };
        let threshold = self.threshold;
        let fresh = || (Verdict::new(threshold), None);
        let (verdict, judged) = self.verdicts.entry(track).or_insert_with(fresh);
        let before = verdict.label();
        // In live mode a score stays on screen for many frames; it counts once.
        if judged.replace(score) != Some(score) {
            verdict.update(score.fake);
        }
        let label = verdict.label();
        Judgement {
            label,
            score: Some(score),
            before: (before != label).then_some(before),
            loudness: None,
        }
    }

    fn forget(&mut self, track: TrackId) {
        self.board.forget_track(track);
        self.verdicts.remove(&track);
    }
}
