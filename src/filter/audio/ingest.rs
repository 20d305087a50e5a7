//! Buffers of any format, rate and channels as 16 kHz mono samples with their running time.

use std::time::Duration;

use gst_audio::AudioPackFlags;

use super::history::AudioHistory;
use crate::core::audio::{Resampler, SAMPLE_NS};
use crate::filter::debug::CAT;

/// How far timestamps may drift from the count of samples before they are believed. Below what
/// anyone sees or hears between picture and sound; far above the rounding of any container.
const TOLERANCE_NS: u64 = 10_000_000;

/// What the caps say, where sound of these caps can be analysed.
struct Format {
    info: gst_audio::AudioInfo,
    resampler: Resampler,
}

/// A stretch of sound whose samples follow one another.
struct Run {
    start_ns: u64,
    /// Input samples since.
    inputs: u64,
}

impl Run {
    /// The running time at which a sample of the history's rate begins.
    fn sample_ns(&self, number: u64) -> u64 {
        self.start_ns.saturating_add(number.saturating_mul(SAMPLE_NS))
    }
}

/// Listens to one audio stream. Channels are averaged.
#[derive(Default)]
pub struct AudioIngest {
    format: Option<Format>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    run: Option<Run>,
    /// Working space: unpacked bytes, mono input, output.
    unpacked: Vec<u8>,
    mono: Vec<f32>,
    heard: Vec<f32>,
}

impl AudioIngest {
    pub fn set_caps(&mut self, caps: &gst::CapsRef, history: &AudioHistory) {
        self.end_run(history);
        self.format = gst_audio::AudioInfo::from_caps(caps).ok().and_then(|info| {
            let resampler = Resampler::new(info.rate())?;
            Some(Format { info, resampler })
        });
        if self.format.is_none() {
            gst::warning!(CAT, "Sound of {caps} passes, but is not analysed");
        }
    }

    /// What follows has nothing to do with what was heard. Caps stay.
    pub fn flush(&mut self) {
        self.run = None;
        self.segment = None;
        if let Some(format) = &mut self.format {
            format.resampler.reset();
        }
    }

    /// How long a buffer plays at these caps.
    pub fn duration(&self, buffer: &gst::BufferRef) -> Duration {
        let Some(Format { info, .. }) = &self.format else { return Duration::ZERO };
        let frames = buffer.size() / info.bpf().max(1) as usize;
        Duration::from_secs_f64(frames as f64 / f64::from(info.rate().max(1)))
    }

    /// Sound of a segment that is not played at its own speed passes unheard: its samples would
    /// not last as long as its pictures.
    pub fn set_segment(&mut self, segment: &gst::Segment) {
        let time = segment.clone().downcast::<gst::ClockTime>().ok();
        self.segment = time.filter(|segment| segment.rate() == 1.0);
        if self.segment.is_none() {
            gst::info!(CAT, "Sound at rate {} passes unheard", segment.rate());
        }
    }

    /// There is no sound in this interval of stream time.
    pub fn gap(&mut self, gap: &gst::event::Gap, history: &AudioHistory) {
        self.end_run(history);
        let (start, duration) = gap.get();
        let end = start.saturating_add(duration.unwrap_or_default());
        if let Some(time) = self.segment.as_ref().and_then(|s| s.to_running_time(end)) {
            history.skip(time.nseconds());
        }
    }

    /// The sound of the last samples, which waits for those that follow.
    pub fn end_run(&mut self, history: &AudioHistory) {
        let (Some(run), Some(format)) = (self.run.take(), &mut self.format) else { return };
        let first = format.resampler.outputs();
        self.heard.clear();
        format.resampler.finish(&mut self.heard);
        history.hear(run.sample_ns(first), &self.heard);
    }

    /// Copies a buffer's sound into the history.
    pub fn hear(&mut self, buffer: &gst::Buffer, history: &AudioHistory) {
        let (Some(format), Some(segment)) = (&self.format, &self.segment) else { return };
        let (rate, bpf) = (format.info.rate(), format.info.bpf());
        let clipped = gst_audio::audio_buffer_clip(buffer.clone(), segment.upcast_ref(), rate, bpf);
        let Some(clipped) = clipped else { return };
        let time = clipped.pts().and_then(|pts| segment.to_running_time(pts));
        let time_ns = time.map(gst::ClockTime::nseconds);
        let discont = clipped.flags().contains(gst::BufferFlags::DISCONT);
        if !self.continues(time_ns, discont, rate) {
            self.end_run(history);
            // Without a time there is nothing to go by.
            let Some(start_ns) = time_ns else { return };
            self.run = Some(Run { start_ns, inputs: 0 });
        }
        let (Some(run), Some(format)) = (&mut self.run, &mut self.format) else { return };
        let Ok(map) = clipped.map_readable() else { return };
        mix(&format.info, &map, &mut self.unpacked, &mut self.mono);
        run.inputs += self.mono.len() as u64;
        let first = format.resampler.outputs();
        self.heard.clear();
        format.resampler.push(&self.mono, &mut self.heard);
        history.hear(run.sample_ns(first), &self.heard);
    }

    /// Whether a buffer follows the one before without a break.
    fn continues(&self, time_ns: Option<u64>, discont: bool, rate: u32) -> bool {
        let Some(run) = &self.run else { return false };
        let Some(time_ns) = time_ns else { return !discont };
        let played = u128::from(run.inputs) * 1_000_000_000 / u128::from(rate);
        let played = u64::try_from(played).unwrap_or(u64::MAX);
        let expected = run.start_ns.saturating_add(played);
        let tolerance = if discont { SAMPLE_NS } else { TOLERANCE_NS };
        expected.abs_diff(time_ns) <= tolerance
    }
}

/// The mean of the channels of interleaved samples, -1..=1.
fn mix(info: &gst_audio::AudioInfo, bytes: &[u8], unpacked: &mut Vec<u8>, mono: &mut Vec<f32>) {
    let format = info.format_info();
    let (channels, bytes_per_frame) = (info.channels() as usize, info.bpf() as usize);
    let bytes = &bytes[..bytes.len() - bytes.len() % bytes_per_frame];
    let wide = gst_audio::AudioFormatInfo::from_format(format.unpack_format());
    let wide_bytes = wide.width() as usize / 8;
    let size = bytes.len() / bytes_per_frame * channels * wide_bytes;
    // The unpacking routines write whole numbers, so they want their alignment.
    unpacked.resize(size + size_of::<f64>(), 0);
    let aligned = unpacked.as_ptr().align_offset(align_of::<f64>()).min(size_of::<f64>());
    let wide_samples = &mut unpacked[aligned..aligned + size];
    format.unpack(AudioPackFlags::empty(), wide_samples, bytes);

    mono.clear();
    let frames = wide_samples.chunks_exact(channels * wide_bytes);
    let scale = 1.0 / channels as f64;
    if wide.is_float() {
        mono.extend(frames.map(|frame| {
            let samples = frame.as_chunks().0.iter().copied().map(f64::from_ne_bytes);
            (samples.sum::<f64>() * scale) as f32
        }));
    } else {
        let scale = scale / -f64::from(i32::MIN);
        mono.extend(frames.map(|frame| {
            let samples = frame.as_chunks().0.iter().copied().map(i32::from_ne_bytes);
            (samples.map(f64::from).sum::<f64>() * scale) as f32
        }));
    }
}

#[cfg(test)]
mod tests {
    use gst_audio::AudioFormat;

    use super::*;
    use crate::core::audio::{Loudness, RATE_HZ};
    use crate::core::span::Span;

    fn info(format: AudioFormat, rate: u32, channels: u32) -> gst_audio::AudioInfo {
        gst::init().unwrap();
        gst_audio::AudioInfo::builder(format, rate, channels).build().unwrap()
    }

    /// Half of full scale in every sample of the first channel, silence in the others.
    fn half(info: &gst_audio::AudioInfo, frames: usize) -> Vec<u8> {
        let format = info.format_info();
        let wide = gst_audio::AudioFormatInfo::from_format(format.unpack_format());
        let sample = |channel: u32| match (channel, wide.is_float()) {
            (0, true) => 0.5f64.to_ne_bytes().to_vec(),
            (0, false) => (i32::MAX / 2 + 1).to_ne_bytes().to_vec(),
            (_, true) => 0f64.to_ne_bytes().to_vec(),
            (_, false) => 0i32.to_ne_bytes().to_vec(),
        };
        let wide_frame: Vec<u8> = (0..info.channels()).flat_map(sample).collect();
        let mut packed = vec![0; frames * info.bpf() as usize];
        format.pack(AudioPackFlags::empty(), &mut packed, &wide_frame.repeat(frames));
        packed
    }

    struct Listening {
        ingest: AudioIngest,
        history: AudioHistory,
        _pad: gst::Pad,
    }

    fn listen(info: &gst_audio::AudioInfo) -> Listening {
        let (mut ingest, history) = (AudioIngest::default(), AudioHistory::default());
        let pad = gst::Pad::new(gst::PadDirection::Sink);
        history.attach(&pad);
        ingest.set_caps(&info.to_caps().unwrap(), &history);
        ingest.set_segment(gst::FormattedSegment::<gst::ClockTime>::new().upcast_ref());
        Listening { ingest, history, _pad: pad }
    }

    fn buffer(bytes: Vec<u8>, pts_ns: u64) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds(pts_ns));
        buffer
    }

    impl Listening {
        /// Hears everything, the last samples included.
        fn loudness(&mut self, span: Span) -> Loudness {
            self.ingest.end_run(&self.history);
            self.history.loudness(span).unwrap()
        }
    }

    fn ms(from: u64, to: u64) -> Span {
        Span { start_ns: from * 1_000_000, end_ns: to * 1_000_000 }
    }

    #[test]
    fn every_format_is_heard_alike() {
        gst::init().unwrap();
        for format in AudioFormat::iter_raw() {
            for channels in [1, 2, 5] {
                let info = info(format, RATE_HZ, channels);
                let mut listening = listen(&info);
                listening.ingest.hear(&buffer(half(&info, 160), 0), &listening.history);
                listening.ingest.end_run(&listening.history);
                let clip = listening.history.clip(ms(0, 10)).unwrap();
                assert_eq!(clip.loudness.coverage, 1.0, "{format}");
                let expected = 0.5 / channels as f32;
                let worst = clip.samples.iter().map(|s| (s - expected).abs()).fold(0.0, f32::max);
                let steps = 2f32.powi(info.depth().min(20) as i32 - 1);
                assert!(worst < 1.5 / steps, "{format} {channels}: {worst}");
            }
        }
    }

    /// Ten buffers of 10 ms whose timestamps are `step_ns` apart.
    fn coverage_of(step_ns: u64) -> (f64, u32) {
        let info = info(AudioFormat::S16le, 48_000, 2);
        let mut listening = listen(&info);
        for n in 0..10 {
            listening.ingest.hear(&buffer(half(&info, 480), n * step_ns), &listening.history);
        }
        let loudness = listening.loudness(ms(0, 9 * step_ns / 1_000_000 + 10));
        (loudness.coverage, loudness.gaps)
    }

    #[test]
    fn drift_is_followed_and_gaps_are_not() {
        assert_eq!(coverage_of(10_000_000), (1.0, 0));
        // Rounded timestamps are one run.
        assert_eq!(coverage_of(10_000_007).1, 0);
        // A clock that is off by 10 %: believed as soon as it shows, here once.
        let (coverage, gaps) = coverage_of(11_500_000);
        assert_eq!(gaps, 2, "one hole, and the end that is not there yet");
        assert!((0.8..0.95).contains(&coverage), "{coverage}");
        // Every other buffer is missing.
        let (coverage, gaps) = coverage_of(20_000_000 + TOLERANCE_NS);
        assert_eq!(gaps, 9);
        assert!((coverage - 100.0 / 280.0).abs() < 1e-9, "{coverage}");
    }

    #[test]
    fn what_the_segment_leaves_out_is_not_heard() {
        let info = info(AudioFormat::F32le, RATE_HZ, 1);
        let mut listening = listen(&info);
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(gst::ClockTime::from_mseconds(5));
        listening.ingest.set_segment(segment.upcast_ref());
        listening.ingest.hear(&buffer(half(&info, 160), 0), &listening.history);
        assert_eq!(listening.loudness(ms(0, 10)).coverage, 0.5);

        segment.set_rate(2.0);
        listening.ingest.set_segment(segment.upcast_ref());
        listening.ingest.hear(&buffer(half(&info, 160), 10_000_000), &listening.history);
        assert_eq!(listening.loudness(ms(0, 15)).coverage, 1.0 / 3.0);
    }

    #[test]
    fn a_buffer_without_a_time_follows_the_one_before() {
        let info = info(AudioFormat::S16le, RATE_HZ, 1);
        let mut listening = listen(&info);
        let untimed = || gst::Buffer::from_mut_slice(half(&info, 160));
        listening.ingest.hear(&untimed(), &listening.history);
        assert_eq!(listening.loudness(ms(0, 10)).coverage, 0.0);
        listening.ingest.hear(&buffer(half(&info, 160), 0), &listening.history);
        listening.ingest.hear(&untimed(), &listening.history);
        assert_eq!(listening.loudness(ms(0, 20)).coverage, 1.0);
    }
}
