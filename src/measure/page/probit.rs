//! The axes of a DET plot: error rates by the normal deviate that leaves them below it.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// The value that a standard normal variable is below with probability `p` in 0..1 (P. J. Acklam's
/// rational approximation, relative error below 1.15e-9).
pub(super) fn probit(p: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
        1.0,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_4,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        0.007_784_695_709_041_462,
        0.322_467_129_070_039_8,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |y, c| y * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    if p < 0.024_25 {
        tail(p)
    } else if p > 1.0 - 0.024_25 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    }
}

/// An axis of error rates, which are given as deviates.
pub(super) struct Rates;

/// Marks in percent.
const MARKS: [f64; 10] = [0.1, 1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 95.0, 99.0];
/// What is less or more is drawn at the edge.
const LEAST: f64 = 5e-4;

/// A rate as a value of the axis.
pub(super) fn deviate(rate: f64) -> f64 {
    probit(rate.clamp(LEAST, 1.0 - LEAST))
}

impl Ranged for Rates {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let (low, high) = (deviate(0.0), deviate(1.0));
        let part = (value - low) / (high - low);
        let length = f64::from(limit.1) - f64::from(limit.0);
        limit.0 + (part * length).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        MARKS.iter().map(|percent| deviate(percent / 100.0)).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        deviate(0.0)..deviate(1.0)
    }
}

impl ValueFormatter<f64> for Rates {
    fn format_ext(&self, value: &f64) -> String {
        let distance = |percent: &&f64| (deviate(**percent / 100.0) - value).abs();
        let nearest = MARKS.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.map(|percent| format!("{percent}")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviates_are_those_of_the_tables() {
        for (p, x) in
            [(0.5, 0.0), (0.975, 1.959_963_985), (0.01, -2.326_347_874), (0.001, -3.090_232_306)]
        {
            assert!((probit(p) - x).abs() < 1e-7, "{p}: {}", probit(p));
        }
        assert_eq!(Rates.format_ext(&deviate(0.05)), "5");
        assert_eq!(Rates.map(&deviate(0.5), (0, 100)), 50);
    }
}
