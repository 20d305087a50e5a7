use proptest::prelude::*;

use super::*;

const TRAINED: FrameRates = FrameRates { lowest: 23.0, highest: 31.0 };
const MS: u64 = 1_000_000;

/// The frames that are taken of those that start at these times.
fn taken(sampling: Sampling, starts_ns: impl IntoIterator<Item = u64>) -> Vec<usize> {
    let mut sampler = FrameSampler::new(sampling);
    let taken = starts_ns.into_iter().enumerate().filter(|(_, start)| sampler.takes(*start));
    taken.map(|(number, _)| number).collect()
}

/// `count` frames at `fps`, rounded to `unit_ns`.
fn regular(fps: f64, count: u64, unit_ns: u64) -> Vec<u64> {
    let start = |number: u64| {
        let ns = (number as f64 * 1e9 / fps) as u64;
        (ns + unit_ns / 2) / unit_ns * unit_ns
    };
    (0..count).map(start).collect()
}

fn step(fps: f64) -> Option<u64> {
    Some((1e9 / fps).round() as u64)
}

#[test]
fn what_users_say_is_read() {
    for (text, fps) in [
        ("auto", ClipFps::Auto),
        ("", ClipFps::Auto),
        ("native", ClipFps::Native),
        ("25", ClipFps::Fps(25.0)),
        ("29.97", ClipFps::Fps(29.97)),
        ("1", ClipFps::Fps(1.0)),
        ("1000", ClipFps::Fps(1000.0)),
    ] {
        assert_eq!(text.parse(), Ok(fps));
        assert_eq!(fps.to_string().parse(), Ok(fps));
    }
    for wrong in ["0", "0.99", "1000.5", "-1", "nan", "1e9", "fast"] {
        assert!(
            wrong.parse::<ClipFps>().unwrap_err().to_string().contains("expected auto, native")
        );
    }
    assert_eq!(ClipFps::Auto.rates(None), None);
    assert_eq!(ClipFps::Auto.rates(Some(TRAINED)), Some(TRAINED));
    assert_eq!(ClipFps::Native.rates(Some(TRAINED)), None);
    let asked = ClipFps::Fps(10.0).rates(Some(TRAINED)).unwrap();
    assert_eq!((asked.lowest, asked.highest), (10.0, 10.0));
}

/// Whatever a stream says of its rate, and however coarse its times are: the same frames, for hours.
#[test]
fn every_nth_frame_is_taken_where_that_gives_a_rate_that_is_wanted() {
    for (fps, nth) in
        [(60.0, 2), (50.0, 2), (120.0, 4), (100.0, 4), (59.94, 2), (48.0, 2), (90.0, 3), (240.0, 8)]
    {
        let expected: Vec<_> = (0..400_000).step_by(nth).collect();
        let starts = regular(fps, 400_000, 1);
        assert_eq!(
            taken(Sampling::of(Some(TRAINED), step(fps)), starts.clone()),
            expected,
            "{fps}"
        );
        // Times in whole ms, as Matroska has them.
        if fps < 200.0 {
            let coarse = regular(fps, 400_000, MS);
            let found = taken(Sampling::of(Some(TRAINED), step(fps)), coarse.clone());
            assert_eq!(found, expected, "{fps} in ms");
        }
        // As they come: at first the rate is a guess.
        let found = taken(Sampling::of(Some(TRAINED), None), starts);
        assert_eq!(found[2..], expected[2..found.len()], "{fps} measured");
    }
}

#[test]
fn streams_within_the_rates_and_below_them_are_taken_as_they_are() {
    for fps in [24.0, 25.0, 29.97, 30.0, 31.0, 23.976, 15.0, 5.0, 1.0] {
        assert_eq!(Sampling::of(Some(TRAINED), step(fps)), Sampling::All, "{fps}");
        let all: Vec<_> = (0..2000).collect();
        let found = taken(Sampling::of(Some(TRAINED), None), regular(fps, 2000, 1));
        assert_eq!(found, all, "{fps} measured");
    }
    assert_eq!(Sampling::of(None, step(60.0)), Sampling::All);
    assert_eq!(Sampling::of(None, None), Sampling::All);
    assert_eq!((Sampling::All.most_frames_for_one(), Sampling::All.period_ns()), (1, None));
}

#[test]
fn where_no_whole_number_of_frames_fits_the_highest_rate_is_kept() {
    let narrow = FrameRates { lowest: 29.0, highest: 30.0 };
    for fps in [40.0, 45.0, 50.0, 37.0] {
        for sampling in [Sampling::of(Some(narrow), step(fps)), Sampling::of(Some(narrow), None)] {
            let frames = (fps * 1000.0) as u64;
            let found = taken(sampling, regular(fps, frames, 1)).len();
            assert!((29_990..=30_010).contains(&found), "{fps}: {found} in 1000 s, {sampling:?}");
        }
    }
}

#[test]
fn the_nearest_frame_stands_for_one_that_was_dropped_and_the_grid_stays() {
    let sampling = Sampling::of(Some(TRAINED), step(60.0));
    let mut starts = regular(60.0, 24, 1);
    // 6 is missing, and 14 to 17.
    starts.retain(|start| {
        let number = (*start as f64 * 60.0 / 1e9).round() as u64;
        number != 6 && !(14..18).contains(&number)
    });
    let numbers: Vec<_> = taken(sampling, starts.clone())
        .into_iter()
        .map(|place| (starts[place] as f64 * 60.0 / 1e9).round() as u64)
        .collect();
    assert_eq!(numbers, [0, 2, 4, 7, 8, 10, 12, 18, 20, 22]);
}

#[test]
fn a_rate_that_changes_is_followed() {
    let mut starts = Vec::new();
    let mut now = 0;
    for (fps, frames) in [(30, 60), (60, 120), (24, 48), (120, 240)] {
        for _ in 0..frames {
            starts.push(now);
            now += 1_000_000_000 / fps;
        }
    }
    let found = taken(Sampling::of(Some(TRAINED), None), starts.clone());
    let times: Vec<_> = found.iter().map(|place| starts[*place]).collect();
    // Each of the clips spans what it would at a rate that is wanted, and half a frame.
    for clip in times.windows(16) {
        let span = (clip[15] - clip[0]) as f64 / 1e9;
        assert!((15.0 / 31.6 - 0.02..=15.0 / 23.0 + 0.02).contains(&span), "{span}");
    }
}

#[test]
fn streams_that_are_too_slow_are_noticed_once_that_is_sure() {
    let slow = |fps: f64, frames: u64| {
        let mut sampler = FrameSampler::new(Sampling::of(Some(TRAINED), None));
        regular(fps, frames, 1).into_iter().for_each(|start| {
            sampler.takes(start);
        });
        sampler.slow_fps()
    };
    assert_eq!(slow(15.0, 10), None);
    assert!((slow(15.0, 40).unwrap() - 15.0).abs() < 0.01);
    assert_eq!(slow(25.0, 40), None);
    assert!(is_slow(TRAINED, 1e9 / 15.0) && !is_slow(TRAINED, 1e9 / 23.0));
}

#[test]
fn a_rate_that_is_off_by_two_per_cent_is_this_rate() {
    let thirty = FrameRates { lowest: 30.0, highest: 30.0 };
    for (fps, takes_all, is_slow_for_it) in
        [(30.6, true, false), (30.65, false, false), (29.41, true, false), (29.39, true, true)]
    {
        let step_ns = step(fps).unwrap();
        let sampling = Sampling::of(Some(thirty), Some(step_ns));
        assert_eq!(sampling == Sampling::All, takes_all, "{fps}");
        assert_eq!(is_slow(thirty, step_ns as f64), is_slow_for_it, "{fps}");
    }
}

#[test]
fn sixteen_steps_are_a_rate_and_one_of_half_as_much_again_is_the_last_that_counts() {
    for (last_ms, mean_ms) in [(150, 103.125), (151, 100.0)] {
        let mut sampler = FrameSampler::new(Sampling::Measured(TRAINED));
        for frame in 0..16 {
            sampler.takes(frame * 100 * MS);
        }
        assert_eq!(sampler.slow_fps(), None, "15 steps");
        sampler.takes((1500 + last_ms) * MS);
        assert_eq!(sampler.step_ns(), Some(mean_ms * MS as f64));
        assert_eq!(sampler.slow_fps(), Some(1e3 / mean_ms));
    }
}

#[test]
fn what_a_stream_says_tells_how_long_a_frame_may_wait() {
    let sampling = Sampling::of(Some(TRAINED), step(60.0));
    assert_eq!(sampling.most_frames_for_one(), 3);
    assert!(sampling.period_ns().unwrap().abs_diff(33_333_333) < 10);
    let measured = Sampling::of(Some(TRAINED), None);
    assert_eq!((measured.most_frames_for_one(), measured.period_ns()), (16, Some(43_478_260)));
}

#[test]
fn a_restart_begins_the_grid_anew() {
    let mut sampler = FrameSampler::new(Sampling::of(Some(TRAINED), step(60.0)));
    let mut taken = |starts: &[u64]| starts.iter().map(|s| sampler.takes(*s)).collect::<Vec<_>>();
    assert_eq!(taken(&regular(60.0, 4, 1)), [true, false, true, false]);
    sampler.restart();
    let later: Vec<_> = regular(60.0, 4, 1).into_iter().map(|t| t + 1_007 * MS).collect();
    let taken: Vec<_> = later.iter().map(|start| sampler.takes(*start)).collect();
    assert_eq!(taken, [true, false, true, false]);
}

#[test]
fn time_that_goes_back_does_not_stop_the_choice() {
    let hour = 3_600_000 * MS;
    let starts = regular(60.0, 20, 1).into_iter().map(|t| t + hour);
    let back = regular(60.0, 20, 1);
    let found = taken(Sampling::of(Some(TRAINED), step(60.0)), starts.chain(back));
    assert_eq!(found, (0..40).step_by(2).collect::<Vec<_>>());
}

proptest! {
    /// Whatever the times: no panic, no endless waiting, and the first frame is taken.
    #[test]
    fn no_more_frames_are_left_out_than_is_said(
        times in proptest::collection::vec(proptest::num::u64::ANY, 1..200),
        fps in proptest::option::of(0.01f64..2000.0),
    ) {
        let sampling = Sampling::of(Some(TRAINED), fps.and_then(step));
        let found = taken(sampling, times.iter().copied());
        prop_assert_eq!(found[0], 0);
        let most = sampling.most_frames_for_one();
        prop_assert!(found.windows(2).all(|pair| pair[1] - pair[0] <= most));
        prop_assert!(times.len() - found[found.len() - 1] <= most);
    }

    /// Frames that are dropped and times that jitter: as many as the grid has points, each near one.
    #[test]
    fn there_is_no_drift(
        fps in prop_oneof![Just(60.0), Just(50.0), Just(100.0), Just(75.0)],
        jitter in proptest::collection::vec((-0.2f64..0.2, 0u8..10), 2000),
    ) {
        let sampling = Sampling::of(Some(TRAINED), step(fps));
        let Sampling::Grid { period_ns, step_ns } = sampling else { panic!("{sampling:?}") };
        let frames = jitter.iter().enumerate().filter(|(number, (_, kept))| *number == 0 || *kept > 0);
        let starts: Vec<_> = frames
            .map(|(number, (jitter, _))| {
                let jitter = if number == 0 { 0.2 } else { 0.2 + jitter };
                ((number as f64 + jitter) * step_ns) as u64
            })
            .collect();
        let found = taken(sampling, starts.iter().copied());
        let origin = starts[0] as f64;
        let mut points = Vec::new();
        for place in found {
            let phase = (starts[place] as f64 - origin) / period_ns;
            let off_ns = (phase - phase.round()).abs() * period_ns;
            // Where two frames in a row are missing, the nearest is farther.
            prop_assert!(off_ns <= period_ns / 2.0 + 1.0);
            points.push(off_ns <= 1.2 * step_ns);
        }
        let near = points.iter().filter(|near| **near).count();
        prop_assert!(near * 100 >= points.len() * 95, "{} of {}", near, points.len());
        let expected = 2000.0 * step_ns / period_ns;
        prop_assert!(points.len() as f64 >= 0.95 * expected && points.len() as f64 <= expected + 2.0);
    }
}
