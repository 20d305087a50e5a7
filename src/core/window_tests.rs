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
    for (frame, taken) in [(0, false), (1, true), (2, false), (3, false), (4, true), (5, true)] {
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
