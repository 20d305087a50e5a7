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
    pub frame: FrameNumber,
    /// Frames that were left out just before it, oldest first.
    left_out: Vec<FrameNumber>,
    pub span: Span,
    pub payload: P,
}

impl<P> Sample<P> {
    pub fn new(frame: FrameNumber, span: Span, payload: P) -> Self {
        Self { frame, left_out: Vec::new(), span, payload }
    }
}

/// The fewest frames of a track that reflection may extend to a clip.
pub const MIN_FRAMES_TO_PAD: usize = 3;

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
    pub track: TrackId,
    pub samples: Vec<Arc<Sample<P>>>,
}

impl<P> ClipWindow<P> {
    /// The running time from the start of the earliest frame to the end of the latest one.
    pub fn span(&self) -> Option<Span> {
        self.samples.iter().map(|s| s.span).reduce(Span::union)
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

#[derive(Debug)]
pub enum WindowEvent<P> {
    /// Score this clip.
    Clip(ClipWindow<P>),
    /// Every clip that contains this frame of this track has been announced.
    FrameClosed { track: TrackId, frame: FrameNumber },
    /// The track is over and was too short for any clip.
    Insufficient { track: TrackId },
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
#[derive(Debug)]
pub struct Windows<P> {
    params: WindowParams,
    tracks: BTreeMap<TrackId, Track<P>>,
}

impl<P> Windows<P> {
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
mod tests {
    use super::*;

    const TRACK: TrackId = TrackId(7);

    fn windows(frames: usize, stride: usize) -> Windows<()> {
        let (frames, stride) = (NonZeroUsize::new(frames), NonZeroUsize::new(stride));
        Windows::new(WindowParams { frames: frames.unwrap(), stride: stride.unwrap() })
    }

    fn sample(frame: u64) -> Sample<()> {
        let span = Span { start_ns: frame * 10, end_ns: frame * 10 + 10 };
        Sample::new(frame, span, ())
    }

    /// Pushes frames `0..n`, closes, and returns the clips' frames and the closed frames in order.
    fn run(frames: usize, stride: usize, n: u64, short: ShortTrack) -> (Vec<Vec<u64>>, Vec<u64>) {
        let mut windows = windows(frames, stride);
        let mut events: Vec<_> = (0..n).flat_map(|f| windows.push(TRACK, sample(f))).collect();
        events.extend(windows.close(TRACK, short));
        let (mut clips, mut closed) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                WindowEvent::Clip(clip) => clips.push(clip.frames()),
                WindowEvent::FrameClosed { frame, .. } => closed.push(frame),
                WindowEvent::Insufficient { .. } => {}
            }
        }
        (clips, closed)
    }

    #[test]
    fn windows_slide_and_every_frame_closes_once_in_order() {
        for (frames, stride, n) in [(16, 1, 40), (16, 4, 41), (16, 16, 50), (4, 9, 50), (1, 1, 5)] {
            let (clips, closed) = run(frames, stride, n, ShortTrack::Pad);
            assert_eq!(closed, (0..n).collect::<Vec<_>>(), "T={frames} stride={stride}");
            assert_eq!(clips[0], (0..frames as u64).collect::<Vec<_>>());
            assert_eq!(*clips.last().unwrap().last().unwrap(), n - 1, "the end is covered");
        }
        assert_eq!(run(16, 1, 40, ShortTrack::Drop).0.len(), 25);
    }

    #[test]
    fn a_frame_closes_with_its_last_clip_and_not_before() {
        let mut windows = windows(4, 2);
        for frame in 0..4 {
            let events = windows.push(TRACK, sample(frame));
            // The first window, 0..4, is also the last one that contains frames 0 and 1.
            assert_eq!(events.len(), if frame == 3 { 3 } else { 0 });
        }
        assert!(windows.push(TRACK, sample(4)).is_empty());
        assert_eq!(windows.push(TRACK, sample(5)).len(), 3);
    }

    #[test]
    fn short_tracks_are_padded_or_insufficient() {
        let (clips, closed) = run(16, 1, 10, ShortTrack::Pad);
        assert_eq!(clips.len(), 25);
        assert_eq!(clips[0], [3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(closed.len(), 10);
        assert_eq!(run(16, 1, 10, ShortTrack::Drop).0.len(), 0);
        assert_eq!(run(16, 1, 2, ShortTrack::Pad).0.len(), 0);
        assert_eq!(run(16, 1, 3, ShortTrack::Pad).0.len(), 18);

        let mut windows = windows(16, 1);
        windows.push(TRACK, sample(0));
        let events = windows.close(TRACK, ShortTrack::Pad);
        assert!(matches!(events[0], WindowEvent::Insufficient { track: TRACK }));
        assert_eq!(windows.tracks.len(), 0);
        assert!(windows.close(TRACK, ShortTrack::Pad).is_empty());
    }

    #[test]
    fn a_clip_spans_its_frames() {
        let mut windows = windows(2, 1);
        windows.push(TRACK, sample(4));
        let events = windows.push(TRACK, sample(5));
        let Some(WindowEvent::Clip(clip)) = events.first() else { panic!("no clip") };
        assert_eq!(clip.span(), Some(Span { start_ns: 40, end_ns: 60 }));
    }

    proptest::proptest! {
        /// Whatever the clip, the stride and the track: clips are full, hold frames of the track
        /// in steps of one, and every frame closes once, in order, after its last clip unless a
        /// last window looks back.
        #[test]
        fn any_track_is_cut_into_full_clips(
            frames in 1usize..20, stride in 1usize..30, n in 0u64..80, pad: bool,
        ) {
            let short = if pad { ShortTrack::Pad } else { ShortTrack::Drop };
            let (clips, closed) = run(frames, stride, n, short);
            proptest::prop_assert_eq!(closed, (0..n).collect::<Vec<_>>());
            for clip in &clips {
                proptest::prop_assert_eq!(clip.len(), frames);
                let steps = clip.windows(2).all(|pair| pair[0].abs_diff(pair[1]) == 1);
                proptest::prop_assert!(steps && clip.iter().all(|frame| *frame < n));
            }
            let scored = n as usize >= frames || (pad && n as usize >= MIN_FRAMES_TO_PAD);
            proptest::prop_assert_eq!(!clips.is_empty(), scored && n > 0);
            if stride <= frames && n as usize >= frames {
                let covered = |frame: u64| clips.iter().any(|clip| clip.contains(&frame));
                proptest::prop_assert!((0..n).all(covered));
            }
        }
    }

    #[test]
    fn frames_that_are_left_out_count_with_the_next_sample() {
        let mut windows = windows(2, 1);
        let mut events = Vec::new();
        // A track that begins and ends with frames that are left out.
        for (frame, taken) in [(0, false), (1, true), (2, false), (3, false), (4, true), (5, true)]
        {
            match taken {
                true => events.extend(windows.push(TRACK, sample(frame))),
                false => windows.leave_out(TRACK, frame),
            }
        }
        windows.leave_out(TRACK, 6);
        events.extend(windows.close(TRACK, ShortTrack::Pad));
        let told = |event: &WindowEvent<()>| match event {
            WindowEvent::Clip(clip) => {
                let shown: Vec<_> = clip.samples.iter().map(|sample| sample.frame).collect();
                format!("{shown:?} for {:?}", clip.frames())
            }
            WindowEvent::FrameClosed { frame, .. } => format!("{frame}"),
            WindowEvent::Insufficient { .. } => "too short".to_owned(),
        };
        let told: Vec<_> = events.iter().map(told).collect();
        let expected =
            ["[1, 4] for [0, 1, 2, 3, 4]", "0", "1", "[4, 5] for [2, 3, 4, 5]", "2", "3", "4"];
        assert_eq!(told[..7], expected);
        assert_eq!(told[7..], ["5", "6"]);
    }

    #[test]
    fn a_track_of_which_every_frame_is_left_out_is_too_short() {
        let mut windows = windows(2, 1);
        windows.leave_out(TRACK, 0);
        windows.leave_out(TRACK, 1);
        let events = windows.close(TRACK, ShortTrack::Pad);
        assert!(matches!(events[0], WindowEvent::Insufficient { .. }));
        assert_eq!(events.len(), 3);
    }

    proptest::proptest! {
        /// Every frame closes once and in order, also where some are left out, and a clip's frames
        /// have no holes.
        #[test]
        fn frames_close_in_order_whichever_are_left_out(
            frames in 1usize..6, stride in 1usize..9,
            taken in proptest::collection::vec(proptest::bool::ANY, 0..60),
        ) {
            let mut windows = windows(frames, stride);
            let mut events = Vec::new();
            for (frame, taken) in taken.iter().enumerate() {
                match taken {
                    true => events.extend(windows.push(TRACK, sample(frame as u64))),
                    false => windows.leave_out(TRACK, frame as u64),
                }
            }
            events.extend(windows.close(TRACK, ShortTrack::Drop));
            let mut closed = Vec::new();
            for event in events {
                match event {
                    WindowEvent::Clip(clip) => {
                        proptest::prop_assert_eq!(clip.samples.len(), frames);
                        let of = clip.frames();
                        proptest::prop_assert!(of.windows(2).all(|pair| pair[1] == pair[0] + 1));
                    }
                    WindowEvent::FrameClosed { frame, .. } => closed.push(frame),
                    WindowEvent::Insufficient { .. } => {}
                }
            }
            proptest::prop_assert_eq!(closed, (0..taken.len() as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn reflection_stays_inside() {
        for n in 1..20 {
            for position in -50..50 {
                assert!(reflect(position, n) < n);
            }
        }
    }
}
