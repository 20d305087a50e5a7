//! From any sample rate to 16 kHz, without moving anything in time.

use std::f64::consts::PI;

use super::RATE_HZ;

/// The fastest input that is analysed.
const MAX_RATE_HZ: u32 = 768_000;
/// Zero crossings of the filter on either side of its middle.
const CROSSINGS: f64 = 16.0;
/// Where the filter has cut by half (-6 dB), as a part of the lower rate's Nyquist frequency. Leaves
/// room for the filter's slope: what folds back below 7.5 kHz is quieter than -70 dB.
const ROLL_OFF: f64 = 0.9;
/// Coefficients that the table of filter phases may hold.
const MAX_COEFFICIENTS: usize = 1 << 18;

/// A resampler to [`RATE_HZ`]: a windowed sine cardinal (Blackman window), whose output `n` is
/// the input at the time of `n` output samples after the first input, with no delay.
///
/// Before the first sample and after the last one it hears silence. 16 kHz pass unchanged.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::audio::Resampler;
///
/// let mut resampler = Resampler::new(48_000).expect("a rate of sound");
/// let mut heard = Vec::new();
/// resampler.push(&[0.25; 4800], &mut heard);
/// resampler.finish(&mut heard);
/// assert_eq!(heard.len(), 1600);
/// assert!((heard[800] - 0.25).abs() < 1e-4);
/// ```
#[derive(Debug)]
pub struct Resampler {
    /// Input samples for each output sample, reduced to lowest terms.
    step: (u64, u64),
    /// Half the length of the filter, in input samples.
    half: usize,
    phases: u64,
    /// The filter for each phase, `2 * half` coefficients.
    table: Vec<f32>,
    /// Input that is still needed. It begins `half - 1` samples before input `forgotten`.
    pending: Vec<f32>,
    forgotten: u64,
    inputs: u64,
    outputs: u64,
}

impl Resampler {
    /// `None` for a rate of 0, or beyond what sound needs (768 kHz).
    pub fn new(rate_hz: u32) -> Option<Self> {
        if !(1..=MAX_RATE_HZ).contains(&rate_hz) {
            return None;
        }
        let divisor = gcd(rate_hz, RATE_HZ);
        let step = (u64::from(rate_hz / divisor), u64::from(RATE_HZ / divisor));
        let lower = (f64::from(RATE_HZ) / f64::from(rate_hz)).min(1.0);
        let cutoff = lower * ROLL_OFF;
        // A filter that reaches no neighbour is the identity.
        let half = if rate_hz == RATE_HZ { 1 } else { (CROSSINGS / cutoff).ceil() as usize };
        let phases = step.1.min((MAX_COEFFICIENTS / (2 * half)) as u64);
        let phase = |phase| filter(half, cutoff, phase as f64 / phases as f64);
        let table = (0..phases).flat_map(phase).collect();
        let mut resampler = Self {
            step,
            half,
            phases,
            table,
            pending: Vec::new(),
            forgotten: 0,
            inputs: 0,
            outputs: 0,
        };
        resampler.reset();
        Some(resampler)
    }

    /// What comes next is another stretch of sound.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(self.half - 1, 0.0);
        (self.forgotten, self.inputs, self.outputs) = (0, 0, 0);
    }

    /// How many samples have come out since the last reset.
    pub fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Takes input and appends all output to `out` for which it suffices.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.pending.extend_from_slice(input);
        self.inputs += input.len() as u64;
        self.produce(out);
    }

    /// Appends the output that waits for input, hearing silence, and resets.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        self.pending.extend(std::iter::repeat_n(0.0, self.half + 1));
        self.produce(out);
        self.reset();
    }

    fn produce(&mut self, out: &mut Vec<f32>) {
        let taps = 2 * self.half;
        let (numerator, denominator) = self.step;
        loop {
            let position = u128::from(self.outputs) * u128::from(numerator);
            let whole = (position / u128::from(denominator)) as u64;
            if whole >= self.inputs {
                break;
            }
            let rest = (position % u128::from(denominator)) as u64;
            let nearest = (rest * self.phases + denominator / 2) / denominator;
            // Rounding may lead to the next input sample.
            let (input, phase) = (whole + nearest / self.phases, nearest % self.phases);
            let from = (input - self.forgotten) as usize;
            let Some(heard) = self.pending.get(from..from + taps) else { break };
            let first = phase as usize * taps;
            let coefficients = self.table.get(first..first + taps).unwrap_or_default();
            out.push(heard.iter().zip(coefficients).map(|(sample, c)| sample * c).sum());
            self.outputs += 1;
        }
        self.forget();
    }

    /// Drops input that no further output needs.
    fn forget(&mut self) {
        let (numerator, denominator) = self.step;
        let next = u128::from(self.outputs) * u128::from(numerator) / u128::from(denominator);
        let unneeded = (next as u64).saturating_sub(self.forgotten);
        let dropped = self.pending.len().min(unneeded as usize);
        self.pending.drain(..dropped);
        self.forgotten += dropped as u64;
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The coefficients for a point that lies `fraction` of a sample after the middle one.
fn filter(half: usize, cutoff: f64, fraction: f64) -> impl Iterator<Item = f32> {
    let weight = move |tap: usize| {
        let distance = tap as f64 - (half as f64 - 1.0) - fraction;
        let turn = PI * distance / half as f64;
        let inside = distance.abs() < half as f64;
        let window = if inside { 0.42 + 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos() } else { 0.0 };
        let x = PI * cutoff * distance;
        window * if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
    };
    // A constant input gives the same constant in every phase.
    let sum: f64 = (0..2 * half).map(weight).sum();
    (0..2 * half).map(move |tap| (weight(tap) / sum) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate_hz: u32, frequency_hz: f64, samples: usize) -> Vec<f32> {
        let turn = 2.0 * PI * frequency_hz / f64::from(rate_hz);
        (0..samples).map(|n| (n as f64 * turn).sin() as f32).collect()
    }

    fn resample(rate_hz: u32, input: &[f32], piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(rate_hz).unwrap();
        let mut out = Vec::new();
        input.chunks(piece).for_each(|piece| resampler.push(piece, &mut out));
        resampler.finish(&mut out);
        out
    }

    #[test]
    fn a_sine_stays_where_it_is_at_every_rate() {
        for rate in [8_000, 11_025, 16_001, 22_050, 44_100, 48_000, 96_000, 767_999] {
            let input = sine(rate, 1000.0, rate as usize / 5);
            let found = resample(rate, &input, 777);
            let expected = sine(RATE_HZ, 1000.0, found.len());
            // Away from the ends, where silence begins.
            let inside = 100..found.len() - 100;
            let error = found[inside.clone()].iter().zip(&expected[inside]);
            let worst = error.map(|(f, e)| (f - e).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-3, "{rate} Hz: {worst}");
        }
    }

    #[test]
    fn every_input_has_its_output() {
        for (rate, inputs, outputs) in
            [(16_000, 1000, 1000), (48_000, 4800, 1600), (44_100, 44_100, 16_000), (8_000, 5, 10)]
        {
            let input = vec![0.5; inputs];
            assert_eq!(resample(rate, &input, 100).len(), outputs, "{rate} Hz");
        }
        let input: Vec<_> = sine(16_000, 440.0, 300);
        assert_eq!(resample(16_000, &input, 7), input, "16 kHz pass unchanged");
    }

    #[test]
    fn how_the_input_is_cut_does_not_matter() {
        let input = sine(44_100, 523.0, 5000);
        let whole = resample(44_100, &input, 5000);
        for piece in [1, 13, 441, 1024] {
            assert_eq!(resample(44_100, &input, piece), whole);
        }
    }

    #[test]
    fn what_16_khz_cannot_hold_is_removed() {
        let found = resample(48_000, &sine(48_000, 11_000.0, 9600), 480);
        let loudest = found[100..found.len() - 100].iter().fold(0.0, |m: f32, s| m.max(s.abs()));
        assert!(loudest < 1e-3, "{loudest}");
    }

    /// Rolling off by half, -6 dB, at nine tenths of what 16 kHz can hold.
    #[test]
    fn the_roll_off_is_where_the_documentation_says() {
        let loudness = |frequency| {
            let found = resample(48_000, &sine(48_000, frequency, 19_200), 480);
            let inside = &found[200..found.len() - 200];
            (inside.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / inside.len() as f64).sqrt()
        };
        let passed = |frequency| loudness(frequency) / loudness(1000.0);
        assert!((passed(7200.0) - 0.5).abs() < 0.01, "{}", passed(7200.0));
        assert!(passed(6000.0) > 0.99 && passed(8000.0) < 0.02);
    }

    /// 16 zero crossings on either side: 16 / (0.5 · 0.9) samples of 32 kHz, rounded up.
    #[test]
    fn the_filter_hears_as_far_as_the_documentation_says() {
        let mut click = vec![0.0; 401];
        click[200] = 1.0;
        for (n, heard) in resample(32_000, &click, 401).iter().enumerate() {
            let distance = (2 * n).abs_diff(200);
            assert!(*heard == 0.0 || distance < 36, "{heard} at a distance of {distance}");
            assert!(*heard != 0.0 || distance >= 36, "nothing at a distance of {distance}");
        }
    }

    #[test]
    fn the_table_of_phases_is_bounded() {
        for rate in [767_999, 16_001, 44_100] {
            let resampler = Resampler::new(rate).unwrap();
            assert!(resampler.table.len() <= 262_144, "{rate} Hz");
            assert_eq!(resampler.table.len(), 2 * resampler.half * resampler.phases as usize);
            let all = resampler.phases == resampler.step.1;
            assert!(all || resampler.table.len() + 2 * resampler.half > 262_144, "{rate} Hz");
        }
    }

    #[test]
    fn rates_that_are_no_sound_are_refused() {
        for rate in [0, 768_001, u32::MAX] {
            assert!(Resampler::new(rate).is_none());
        }
        assert!(Resampler::new(1).is_some() && Resampler::new(768_000).is_some());
    }
}
