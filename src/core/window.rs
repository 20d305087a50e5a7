//! Clip windows (docs/method.md, "Clips"): which frames of a face form a clip, and when.
//!
//! A face that a tracker follows delivers one *sample* a frame. [`Windows`] keeps the newest
//! `T` samples of every track and, asked nothing but "here is the next frame", answers with
//! [`WindowEvent`]s: clips to score, and frames that no further clip will contain. It never looks
//! at a clock and starts no thread, so whoever drives it decides what is live and what is a file.
//!
//! A window of `T` frames starts every `stride` frames of a track. A track that ends is closed:
//! when it was shorter than one window and padding is asked for, it is extended on both sides by
//! reflection, exactly as the reference does; when the stride left frames at its end without any
//! window, one more window covers the last `T` frames. (A frame that was announced as closed
//! before stays closed: that last window then speaks for the frames that were still open.)
//!
//! Where clips are made of some frames only ([`super::sampling`]), the frames of a track that are
//! left out count with the next one that is taken: they are in the clips that it is in, and closed
//! when it is, though no clip shows them.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::span::Span;
use super::track::TrackId;

/// The place of a frame in its stream, counted from 0; never reused within a stream.
pub type FrameNumber = u64;

/// What a track keeps of one frame. `P` is whatever scoring needs, such as the face's crop.
#[derive(Debug)]
pub struct Sample<P> {
    /// The place of the frame in its stream.
    pub frame: FrameNumber,
    /// Frames that were left out just before it, oldest first.
    left_out: Vec<FrameNumber>,
    /// The running time for which the frame is shown.
    pub span: Span,
    /// What scoring needs of it.
    pub payload: P,
}

impl<P> Sample<P> {
    /// A frame before which none was left out.
    pub fn new(frame: FrameNumber, span: Span, payload: P) -> Self {
        Self { frame, left_out: Vec::new(), span, payload }
    }
}

/// The fewest frames of a track that reflection may extend to a clip.
pub const MIN_FRAMES_TO_PAD: usize = 3;

/// How long clips are, and how far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowParams {
    /// `T`, the frames of a clip.
    pub frames: NonZeroUsize,
    /// Frames from the start of one window to the start of the next.
    pub stride: NonZeroUsize,
}

/// A window that is full: `T` samples in playing order. Reflection repeats samples.
#[derive(Debug)]
pub struct ClipWindow<P> {
    /// Whose clip it is.
    pub track: TrackId,
    /// `T` of them, in playing order.
    pub samples: Vec<Arc<Sample<P>>>,
}

impl<P> ClipWindow<P> {
    /// The running time that its frames cover.
    pub fn span(&self) -> Option<Span> {
        Span::of_frames(self.samples.iter().map(|sample| sample.span))
    }

    /// The numbers of the frames that it speaks of in playing order, repetitions and those that were
    /// left out included.
    pub fn frames(&self) -> Vec<FrameNumber> {
        let mut frames = Vec::with_capacity(self.samples.len());
        for sample in &self.samples {
            frames.extend_from_slice(&sample.left_out);
            frames.push(sample.frame);
        }
        frames
    }
}

/// What became of frames and tracks.
#[derive(Debug)]
pub enum WindowEvent<P> {
    /// Score this clip.
    Clip(ClipWindow<P>),
    /// Every clip that contains this frame of this track has been announced.
    FrameClosed {
        /// Whose frame it is.
        track: TrackId,
        /// Its place in the stream.
        frame: FrameNumber,
    },
    /// The track is over and was too short for any clip.
    Insufficient {
        /// The track that has ended.
        track: TrackId,
    },
}

/// What becomes of a track that ends before it filled one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortTrack {
    /// Extend it by reflection, if it has [`MIN_FRAMES_TO_PAD`] frames.
    Pad,
    /// Leave it without a clip.
    Drop,
}

#[derive(Debug)]
struct Track<P> {
    /// The newest samples, at most `T`.
    recent: VecDeque<Arc<Sample<P>>>,
    /// Samples seen since the track began.
    seen: usize,
    /// Samples that the clips so far have covered, counted from the track's beginning.
    covered: usize,
    /// Frames not yet announced as closed, oldest first, each with the sample that it counts with.
    open: VecDeque<(usize, FrameNumber)>,
    /// Frames left out since the newest sample.
    left_out: Vec<FrameNumber>,
}

impl<P> Default for Track<P> {
    fn default() -> Self {
        let (recent, open, left_out) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Self { recent, seen: 0, covered: 0, open, left_out }
    }
}

/// The clip windows of all tracks of one stream.
///
/// ```
/// use gstm2sd::core::span::Span;
/// use gstm2sd::core::track::TrackId;
/// use gstm2sd::core::window::{Sample, WindowEvent, WindowParams, Windows};
///
/// let [frames, stride] = [3, 1].map(|n| n.try_into().unwrap());
/// let mut windows = Windows::new(WindowParams { frames, stride });
/// let mut clips = Vec::new();
/// for frame in 0..5 {
///     let span = Span { start_ns: frame * 40_000_000, end_ns: (frame + 1) * 40_000_000 };
///     for event in windows.push(TrackId(0), Sample::new(frame, span, ())) {
///         if let WindowEvent::Clip(clip) = event {
///             clips.push(clip.frames());
///         }
///     }
/// }
/// assert_eq!(clips, [[0, 1, 2], [1, 2, 3], [2, 3, 4]]);
/// ```
#[derive(Debug)]
pub struct Windows<P> {
    params: WindowParams,
    tracks: BTreeMap<TrackId, Track<P>>,
}

impl<P> Windows<P> {
    /// Without tracks.
    pub fn new(params: WindowParams) -> Self {
        Self { params, tracks: BTreeMap::new() }
    }

    /// The track is on this frame, which no clip shows: it counts with the next sample.
    pub fn leave_out(&mut self, track: TrackId, frame: FrameNumber) {
        let state = self.tracks.entry(track).or_default();
        state.open.push_back((state.seen, frame));
        state.left_out.push(frame);
    }

    /// Adds the next sample of a track.
    pub fn push(&mut self, track: TrackId, sample: Sample<P>) -> Vec<WindowEvent<P>> {
        let state = self.tracks.entry(track).or_default();
        state.append(sample, self.params.frames.get());

        let mut events = Vec::new();
        if state.window_is_due(&self.params) {
            state.covered = state.seen;
            events.push(WindowEvent::Clip(ClipWindow {
                track,
                samples: state.recent.iter().cloned().collect(),
            }));
        }
        while let Some(&(index, frame)) = state.open.front() {
            if !state.no_more_windows_for(index, &self.params) {
                break;
            }
            state.open.pop_front();
            events.push(WindowEvent::FrameClosed { track, frame });
        }
        events
    }

    /// Ends one track. A track that is not known has nothing to end.
    pub fn close(&mut self, track: TrackId, short: ShortTrack) -> Vec<WindowEvent<P>> {
        let Some(state) = self.tracks.remove(&track) else { return Vec::new() };
        let frames = self.params.frames.get();
        let mut events: Vec<_> = if state.seen >= frames {
            state.tail_window(track).into_iter().map(WindowEvent::Clip).collect()
        } else if short == ShortTrack::Pad && state.seen >= MIN_FRAMES_TO_PAD {
            state.padded_windows(track, &self.params).map(WindowEvent::Clip).collect()
        } else {
            vec![WindowEvent::Insufficient { track }]
        };
        let closed = state.open.iter();
        events.extend(closed.map(|&(_, frame)| WindowEvent::FrameClosed { track, frame }));
        events
    }
}

impl<P> Track<P> {
    fn append(&mut self, mut sample: Sample<P>, frames: usize) {
        sample.left_out = std::mem::take(&mut self.left_out);
        self.open.push_back((self.seen, sample.frame));
        self.seen += 1;
        self.recent.push_back(Arc::new(sample));
        if self.recent.len() > frames {
            self.recent.pop_front();
        }
    }

    /// Whether the newest sample is the last one of a window that starts on the stride's grid.
    fn window_is_due(&self, params: &WindowParams) -> bool {
        let frames = params.frames.get();
        self.seen >= frames && (self.seen - frames).is_multiple_of(params.stride.get())
    }

    /// Whether the last window on the stride's grid that starts at or before `index` is full.
    fn no_more_windows_for(&self, index: usize, params: &WindowParams) -> bool {
        let last_start = index - index % params.stride.get();
        self.seen >= last_start + params.frames.get()
    }

    /// One more window over the last `T` samples when the stride left some of them uncovered.
    fn tail_window(&self, track: TrackId) -> Option<ClipWindow<P>> {
        (self.covered < self.seen)
            .then(|| ClipWindow { track, samples: self.recent.iter().cloned().collect() })
    }

    /// The windows of a track of `n < T` frames, extended by `T - 1` reflected frames on both
    /// sides.
    fn padded_windows<'a>(
        &'a self,
        track: TrackId,
        params: &WindowParams,
    ) -> impl Iterator<Item = ClipWindow<P>> + use<'a, P> {
        let frames = params.frames.get() as isize;
        let starts = (1 - frames)..self.recent.len() as isize;
        starts.step_by(params.stride.get()).map(move |start| ClipWindow {
            track,
            samples: (start..start + frames)
                .map(|position| {
                    let index = reflect(position, self.recent.len());
                    Arc::clone(&self.recent[index])
                })
                .collect(),
        })
    }
}

/// The index into `0..n` of a position before, in or behind it, mirrored at the first and the
/// last element without repeating them: `… 2 1 0 1 2 … n-2 n-1 n-2 …`.
///
/// `n` is at least 1.
fn reflect(position: isize, n: usize) -> usize {
    let last = n as isize - 1;
    if last == 0 {
        return 0;
    }
    let folded = position.rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
