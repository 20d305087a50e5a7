//! The log-mel spectrum of a clip.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use ndarray::Array3;
use realfft::{RealFftPlanner, RealToComplex};

use super::RATE_HZ;

/// 25 ms.
const WINDOW: usize = 400;
/// 10 ms.
const HOP: usize = 160;
/// The window is followed by silence up to this length: 31.25 Hz a bin.
const FFT: usize = 512;
/// What the logarithm sees at least, so that silence is -23.03.
const FLOOR: f32 = 1e-10;

/// Computes `[1,mels,frames]` from samples at 16 kHz.
///
/// Frame `f` is the 400 samples (25 ms) from sample `160 f` (10 ms) on, without padding before the
/// first. Each is weighted with a periodic Hann window and transformed with 512 points; the powers
/// |X|² of the bins (not scaled: a full-scale sine has 10⁴) are summed with triangular weights of
/// height 1 in `mels` bands. The bands' edges are equally spaced from 0 to 8 kHz on Slaney's mel
/// scale (linear below 1 kHz, logarithmic above); a band that is too narrow to hold a bin takes the
/// nearest one. The value is the natural logarithm of the sum, of 10⁻¹⁰ at least.
///
/// `frames` frames need `400 + 160 (frames - 1)` samples: of more the first are taken, fewer are
/// followed by silence.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::audio::LogMel;
///
/// let spectrum = LogMel::new(80, 3).spectrum(&[0.0; 720]);
/// assert_eq!(spectrum.dim(), (1, 80, 3));
/// assert_eq!(spectrum[[0, 0, 0]], 1e-10f32.ln(), "silence");
/// ```
pub struct LogMel {
    frames: usize,
    window: Vec<f32>,
    bands: Vec<Band>,
    fft: Arc<dyn RealToComplex<f32>>,
}

impl fmt::Debug for LogMel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMel")
            .field("mels", &self.bands.len())
            .field("frames", &self.frames)
            .finish()
    }
}

/// The weights of a band, for the bins from `first` on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl LogMel {
    /// For `mels` bands and `frames` frames; either may be 0, then so is the spectrum.
    pub fn new(mels: usize, frames: usize) -> Self {
        let hann = |n: usize| (PI * n as f64 / WINDOW as f64).sin().powi(2) as f32;
        let nyquist_mel = mel(f64::from(RATE_HZ) / 2.0);
        let edge = |k: usize| hz(nyquist_mel * k as f64 / (mels + 1) as f64);
        Self {
            frames,
            window: (0..WINDOW).map(hann).collect(),
            bands: (0..mels).map(|k| Band::new(edge(k), edge(k + 1), edge(k + 2))).collect(),
            fft: RealFftPlanner::new().plan_fft_forward(FFT),
        }
    }

    /// The spectrum of these samples.
    pub fn spectrum(&self, samples: &[f32]) -> Array3<f32> {
        let mut out = Array3::from_elem((1, self.bands.len(), self.frames), FLOOR.ln());
        let mut input = self.fft.make_input_vec();
        let mut bins = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        for frame in 0..self.frames {
            let Some(heard) = samples.get(frame * HOP..) else { break };
            input.fill(0.0);
            for ((x, sample), weight) in input.iter_mut().zip(heard).zip(&self.window) {
                *x = sample * weight;
            }
            // Fails for vectors of other lengths only.
            if self.fft.process_with_scratch(&mut input, &mut bins, &mut scratch).is_err() {
                break;
            }
            for (band, value) in self.bands.iter().zip(out.slice_mut(ndarray::s![0, .., frame])) {
                let powers = bins.iter().skip(band.first).map(|bin| bin.norm_sqr());
                let sum: f32 = powers.zip(&band.weights).map(|(power, w)| power * w).sum();
                *value = sum.max(FLOOR).ln();
            }
        }
        out
    }
}

impl Band {
    /// A triangle over frequencies in Hz.
    fn new(low: f64, middle: f64, high: f64) -> Self {
        let bin_hz = f64::from(RATE_HZ) / FFT as f64;
        let weight = |bin: usize| {
            let frequency = bin as f64 * bin_hz;
            ((frequency - low) / (middle - low)).min((high - frequency) / (high - middle))
        };
        let first = (low / bin_hz).floor() as usize + 1;
        let weights: Vec<_> =
            (first..=FFT / 2).map(weight).take_while(|w| *w > 0.0).map(|w| w as f32).collect();
        if weights.is_empty() {
            return Self { first: (middle / bin_hz).round() as usize, weights: vec![1.0] };
        }
        Self { first, weights }
    }
}

/// Slaney's scale: mels of 200/3 Hz up to 1 kHz, then 27 mels for each factor of 6.4.
const BREAK_HZ: f64 = 1000.0;
const BREAK_MEL: f64 = 15.0;
const MELS_PER_FACTOR: f64 = 27.0;
const FACTOR: f64 = 6.4;

fn mel(hz: f64) -> f64 {
    if hz < BREAK_HZ {
        return hz * BREAK_MEL / BREAK_HZ;
    }
    BREAK_MEL + (hz / BREAK_HZ).ln() * MELS_PER_FACTOR / FACTOR.ln()
}

fn hz(mel: f64) -> f64 {
    if mel < BREAK_MEL {
        return mel * BREAK_HZ / BREAK_MEL;
    }
    BREAK_HZ * ((mel - BREAK_MEL) * FACTOR.ln() / MELS_PER_FACTOR).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency_hz: f64, samples: usize) -> Vec<f32> {
        let turn = 2.0 * PI * frequency_hz / f64::from(RATE_HZ);
        (0..samples).map(|n| (n as f64 * turn).sin() as f32).collect()
    }

    fn loudest_band(spectrum: &Array3<f32>, frame: usize) -> usize {
        let column = spectrum.slice(ndarray::s![0, .., frame]);
        (0..column.len()).max_by(|a, b| column[*a].total_cmp(&column[*b])).unwrap()
    }

    #[test]
    fn a_sine_is_in_the_band_around_it() {
        let log_mel = LogMel::new(80, 10);
        for frequency in [150.0, 440.0, 1000.0, 2500.0, 6000.0] {
            let spectrum = log_mel.spectrum(&sine(frequency, 2000));
            let band = loudest_band(&spectrum, 5);
            let step = mel(8000.0) / 81.0;
            let distance = (mel(frequency) / step - 1.0 - band as f64).abs();
            assert!(distance < 1.0, "{frequency} Hz in band {band}");
        }
    }

    #[test]
    fn powers_are_those_of_the_definition() {
        // In the middle of a bin the transform of the windowed sine is half the window's sum.
        let spectrum = LogMel::new(80, 1).spectrum(&sine(1000.0, WINDOW));
        // The bin's own 10^4 and its neighbours', weighted with the band's triangle.
        let loudest = spectrum[[0, loudest_band(&spectrum, 0), 0]];
        assert!((9.0..10.0).contains(&loudest), "{loudest}");
    }

    /// As docs/metadata.md defines it, with sums where the code has a fast transform.
    #[test]
    fn a_spectrum_is_that_of_the_definition() {
        let (mels, frames) = (40, 3);
        let noise = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 8) / 8_388_608.0 - 1.0;
        let sound: Vec<f64> = (0..720).map(noise).collect();
        let samples: Vec<f32> = sound.iter().map(|s| *s as f32).collect();
        let found = LogMel::new(mels, frames).spectrum(&samples);

        // Slaney: 3 mels for each 200 Hz up to 1 kHz, then 27 for each factor of 6.4.
        let top = 15.0 + 27.0 * 8f64.ln() / 6.4f64.ln();
        let edge_hz = |k: usize| {
            let mel = top * k as f64 / (mels + 1) as f64;
            if mel < 15.0 { mel * 200.0 / 3.0 } else { 1000.0 * 6.4f64.powf((mel - 15.0) / 27.0) }
        };
        for frame in 0..frames {
            let power = |bin: usize| {
                let (mut real, mut imaginary) = (0.0, 0.0);
                for n in 0..400 {
                    let hann = 0.5 - 0.5 * (2.0 * PI * n as f64 / 400.0).cos();
                    let turn = 2.0 * PI * (bin * n) as f64 / 512.0;
                    real += sound[160 * frame + n] * hann * turn.cos();
                    imaginary += sound[160 * frame + n] * hann * turn.sin();
                }
                real * real + imaginary * imaginary
            };
            let powers: Vec<_> = (0..=256).map(power).collect();
            for band in 0..mels {
                let [low, middle, high] = [0, 1, 2].map(|side| edge_hz(band + side));
                let weight = |bin: usize| {
                    let hz = bin as f64 * 31.25;
                    ((hz - low) / (middle - low)).min((high - hz) / (high - middle)).max(0.0)
                };
                let sum: f64 = powers.iter().enumerate().map(|(bin, p)| p * weight(bin)).sum();
                let (found, wanted) = (f64::from(found[[0, band, frame]]), sum.ln());
                assert!((found - wanted).abs() < 1e-3, "band {band}: {found}, not {wanted}");
            }
        }
        let silence = LogMel::new(1, 1).spectrum(&[0.0; 400]);
        assert_eq!(silence[[0, 0, 0]], 1e-10f32.ln());
    }

    /// Bands narrower than a bin, 31.25 Hz: each takes the one next to its middle.
    #[test]
    fn a_band_without_a_bin_takes_the_nearest() {
        let band = Band::new(95.0, 105.0, 115.0);
        assert_eq!((band.first, band.weights), (3, vec![1.0]));
        let band = Band::new(93.0, 100.0, 124.0);
        assert_eq!(band.first, 3);
        assert!((band.weights[0] - 0.75 / 7.0).abs() < 1e-6 && band.weights.len() == 1);
    }

    #[test]
    fn samples_are_trimmed_and_followed_by_silence() {
        let log_mel = LogMel::new(80, 4);
        let needed = WINDOW + 3 * HOP;
        let sound = sine(700.0, 2 * needed);
        let whole = log_mel.spectrum(&sound);
        assert_eq!(whole.dim(), (1, 80, 4));
        assert_eq!(log_mel.spectrum(&sound[..needed]), whole);
        let short = log_mel.spectrum(&sound[..WINDOW]);
        assert_eq!(short.slice(ndarray::s![.., .., 0]), whole.slice(ndarray::s![.., .., 0]));
        assert!(short.slice(ndarray::s![.., .., 3]).iter().all(|v| *v == FLOOR.ln()));
        assert!(log_mel.spectrum(&[]).iter().all(|v| *v == FLOOR.ln()));
    }

    #[test]
    fn frames_are_ten_milliseconds_apart() {
        let mut click = vec![0.0; 4000];
        click[1000] = 1.0;
        let spectrum = LogMel::new(80, 20).spectrum(&click);
        let hears = |frame: usize| spectrum[[0, 40, frame]] > FLOOR.ln();
        // Frames from 160 f to 160 f + 400; the window is 0 at its first sample.
        let expected: Vec<_> =
            (0..20).filter(|f| (160 * f + 1..160 * f + 400).contains(&1000)).collect();
        assert_eq!((0..20).filter(|f| hears(*f)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn any_number_of_bands_hears_something() {
        let noise: Vec<f32> = (0..WINDOW as u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0)
            .collect();
        for mels in [1, 40, 64, 128, 400] {
            let spectrum = LogMel::new(mels, 1).spectrum(&noise);
            assert!(spectrum.iter().all(|v| *v > FLOOR.ln() && v.is_finite()), "{mels}");
        }
        assert_eq!(LogMel::new(0, 0).spectrum(&noise).len(), 0);
    }
}
