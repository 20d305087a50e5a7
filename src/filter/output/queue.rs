//! The queue from the analysis thread to the source pad's task, and the verdict board it waits on.
//!
//! Frames and events leave in the order in which they came; queries too, but those that do not
//! drain overtake frames. The head leaves when it is *ready*: in live mode a frame always is; in
//! complete mode when nothing can change its faces' scores any more. What ends the stream
//! ([`is_end`]) waits, in both modes, until no clip is under way, so that its scores reach the bus
//! before the end does.
//!
//! What is to be said of a clip leaves the same way, so that no message is posted on a thread that
//! elements share: in live mode as soon as it is known, in complete mode just before the clip's
//! last frame, always in the same order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::core::evidence::{ExpectedClip, FrameRule, Judge, Judgement, Probability, VerdictBoard};
use crate::core::quality::FaceQuality;
use crate::core::span::Span;
use crate::core::track::TrackId;
use crate::core::window::FrameNumber;
use crate::filter::generation::{Generation, Stale};
use crate::filter::input::queue::PendingQuery;
use crate::filter::output::frame::{Frame, FrameFace};
use crate::filter::output::metadata::messages::ClipReport;
use crate::filter::settings::Delivery;

/// What the analysis thread sends on.
pub enum Output {
    Frame(Frame),
    Event(gst::Event),
    Query(PendingQuery),
    /// The track has ended, for this reason, while this frame was analysed: neither it nor a later one
    /// holds the track.
    TrackEnd {
        track: TrackId,
        reason: &'static str,
        at: FrameNumber,
    },
}

/// A frame with one judgement a face, ready to leave.
pub struct Judged {
    pub frame: Frame,
    pub judgements: Vec<Judgement>,
}

/// What may leave.
pub enum Ready {
    Frame(Judged),
    Event(gst::Event),
    Query(PendingQuery),
    Clip(ClipReport),
    /// What held last, as far as it is known.
    TrackEnd(TrackId, &'static str, Option<Judgement>),
}

/// Whether nothing more of the stream follows this event: clips are closed and waited for.
pub fn is_end(event: &gst::EventRef) -> bool {
    use gst::EventType as T;
    matches!(event.type_(), T::Eos | T::SegmentDone | T::StreamGroupDone)
}

struct State {
    generation: Generation,
    flushing: bool,
    items: VecDeque<Output>,
    frames: usize,
    capacity: usize,
    delivery: Delivery,
    board: VerdictBoard,
    /// What is to be said of clips, in the order of their announcement, with the frame before
    /// which it is said; several of a clip that several classifiers score.
    reports: BTreeMap<(u64, usize), (FrameNumber, ClipReport)>,
}

/// See the module's text.
///
/// Lock order: a leaf, like [`crate::filter::input::queue::InputQueue`]. The two are never held
/// together.
pub struct OutputQueue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for OutputQueue {
    fn default() -> Self {
        let state = State {
            generation: Generation::default(),
            flushing: true,
            items: VecDeque::new(),
            frames: 0,
            capacity: 1,
            delivery: Delivery::Live,
            board: VerdictBoard::default(),
            reports: BTreeMap::new(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl OutputQueue {
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
        state.generation = state.generation.next();
        state.flushing = true;
        state.frames = 0;
        let dropped = (std::mem::take(&mut state.items), std::mem::take(&mut state.reports));
        state.board.clear();
        drop(state);
        self.changed.notify_all();
        drop(dropped);
    }

    /// Takes items of the present generation again.
    pub fn open(&self) {
        self.lock().flushing = false;
    }

    /// How frames leave from here on, how many may wait, and who judges their faces.
    pub fn configure(&self, delivery: Delivery, capacity: usize, judge: Judge) {
        let rule = match delivery {
            Delivery::Live => FrameRule::Newest,
            Delivery::Complete => FrameRule::Own,
        };
        let mut state = self.lock();
        state.delivery = delivery;
        state.capacity = capacity.max(1);
        state.board.configure(rule, judge);
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

    /// Changes the board, if the caller is not stale.
    fn with_board<R>(
        &self,
        generation: Generation,
        change: impl FnOnce(&mut VerdictBoard) -> R,
    ) -> Option<R> {
        let mut state = self.lock();
        let changed = (state.generation == generation).then(|| change(&mut state.board));
        drop(state);
        self.changed.notify_all();
        changed
    }

    /// A face of `track` is on `frame`. To be called before the frame is pushed.
    pub fn face_seen(&self, generation: Generation, track: TrackId, frame: FrameNumber) {
        self.with_board(generation, |board| board.open(track, frame));
    }

    /// No further clip contains this frame of the track.
    pub fn frame_closed(&self, generation: Generation, track: TrackId, frame: FrameNumber) {
        self.with_board(generation, |board| board.close(track, frame));
    }

    /// A clip is about to be scored. `None` when that is of a time before the last flush.
    pub fn clip_submitted(
        &self,
        generation: Generation,
        track: TrackId,
        frames: Vec<FrameNumber>,
        span: Span,
        due: FrameNumber,
        quality: Option<FaceQuality>,
    ) -> Option<ExpectedClip> {
        let expect = |board: &mut VerdictBoard| board.expect(track, frames, span, due, quality);
        self.with_board(generation, expect).flatten()
    }

    /// A clip announced by [`Self::clip_submitted`] has its score, or `None` if it failed or was
    /// skipped, and what is to be said of it.
    pub fn clip_settled(
        &self,
        generation: Generation,
        clip: &ExpectedClip,
        fake: Option<Probability>,
        reports: Vec<ClipReport>,
    ) {
        let mut state = self.lock();
        if state.generation == generation {
            state.board.settle(clip, fake);
            let number = clip.id.number();
            let reports = reports.into_iter().enumerate();
            let reports = reports.map(|(place, report)| ((number, place), (clip.due, report)));
            state.reports.extend(reports);
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Whether the caller's work is still wanted.
    pub fn is_current(&self, generation: Generation) -> bool {
        let state = self.lock();
        state.generation == generation && !state.flushing
    }

    /// Frames that wait, and clips that are being scored.
    pub fn depths(&self) -> (usize, usize) {
        let state = self.lock();
        (state.frames, state.board.under_way())
    }

    /// The next thing that may leave, waiting for it. `None`: flushed or stopped.
    pub fn pop(&self) -> Option<Ready> {
        let mut state = self.lock();
        loop {
            if state.flushing {
                return None;
            }
            if let Some(report) = state.due_report() {
                return Some(Ready::Clip(report));
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
                    Output::TrackEnd { track, reason, .. } => {
                        let last = state.board.forget_track(track);
                        return Some(Ready::TrackEnd(track, reason, last));
                    }
                }
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

    /// In complete mode a frame also waits for clips of others that are told of before it.
    fn frame_is_ready(&self, frame: &Frame) -> bool {
        self.delivery == Delivery::Live
            || (self.board.are_settled_up_to(frame.number)
                && frame.tracks().all(|track| self.board.is_settled(track, frame.number)))
    }

    fn head_is_ready(&self) -> bool {
        let live = self.delivery == Delivery::Live;
        match self.items.front() {
            None => false,
            Some(Output::Frame(frame)) => self.frame_is_ready(frame),
            Some(Output::Event(event)) => !is_end(event) || self.board.under_way() == 0,
            Some(Output::Query(query)) => {
                live || !query.closes_windows || self.board.under_way() == 0
            }
            Some(Output::TrackEnd { at, .. }) => live || self.board.are_settled_up_to(*at),
        }
    }

    /// The earliest clip, if it is to be told of before the head leaves.
    fn due_report(&mut self) -> Option<ClipReport> {
        let (_, (due, _)) = self.reports.first_key_value()?;
        let due = *due;
        let is_due = match (self.delivery, self.items.front()) {
            (Delivery::Live, _) => true,
            (Delivery::Complete, None) => false,
            (Delivery::Complete, Some(Output::Frame(frame))) => {
                due < frame.number || (due == frame.number && self.frame_is_ready(frame))
            }
            (Delivery::Complete, Some(Output::TrackEnd { at, .. })) => {
                due <= *at && self.head_is_ready()
            }
            (Delivery::Complete, Some(Output::Event(event))) => {
                is_end(event) && self.head_is_ready()
            }
            (Delivery::Complete, Some(Output::Query(query))) => {
                query.closes_windows && self.head_is_ready()
            }
        };
        is_due.then(|| self.reports.pop_first()).flatten().map(|(_, (_, report))| report)
    }

    fn judge(&mut self, frame: Frame) -> Judged {
        let judge = |face: &FrameFace| match face.track {
            Some(track) => self.board.judge(track, frame.number, face.quality.as_ref()),
            None => self.board.judge_stray(face.quality.as_ref()),
        };
        let judgements = frame.faces.iter().map(judge).collect();
        Judged { frame, judgements }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
