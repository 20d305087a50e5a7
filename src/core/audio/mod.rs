//! The sound of a clip: samples addressed by running time, their level, their log-mel spectrum.
//!
//! Analysis hears 16 kHz mono, samples of -1..=1. At that rate a sample lasts exactly
//! [`SAMPLE_NS`], so a running time names a sample and intervals that touch share none.

mod logmel;
mod resample;
mod ring;

pub use logmel::LogMel;
pub use resample::Resampler;
pub use ring::{ClipAudio, Loudness, SampleRing};

/// The rate of all analysed sound.
pub const RATE_HZ: u32 = 16_000;
/// The duration of a sample.
pub const SAMPLE_NS: u64 = 1_000_000_000 / RATE_HZ as u64;

/// What counts as silence, and the level of nothing at all.
pub const SILENCE_DB: f64 = -120.0;

/// The number of the sample that is nearest to a running time: sample `n` begins at `n` times
/// [`SAMPLE_NS`].
pub fn sample_at(time_ns: u64) -> u64 {
    time_ns / SAMPLE_NS + u64::from(time_ns % SAMPLE_NS >= SAMPLE_NS / 2)
}

/// The level of sound with this mean square, in dB relative to full scale: a square wave of ±1
/// has 0, a sine wave -3.01. At least [`SILENCE_DB`].
pub fn level_db(mean_square: f64) -> f64 {
    // NaN, from samples that are no numbers, counts as silence.
    (10.0 * mean_square.log10()).max(SILENCE_DB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_known_waves() {
        assert_eq!(level_db(1.0), 0.0);
        assert!((level_db(0.5) + 3.0103).abs() < 1e-4);
        assert_eq!([level_db(0.0), level_db(f64::NAN), level_db(1e-30)], [-120.0; 3]);
    }

    #[test]
    fn times_name_the_nearest_sample() {
        assert_eq!([0, 31_249, 31_250, 62_500, 93_749].map(sample_at), [0, 0, 1, 1, 1]);
        assert_eq!(sample_at(1_000_000_000), 16_000);
        assert_eq!(sample_at(u64::MAX), u64::MAX / SAMPLE_NS + 1);
    }
}
