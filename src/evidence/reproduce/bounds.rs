//! How far two scans of the same may be apart.

use serde::Serialize;

use crate::evidence::records::Header;

/// What two runs may differ by. The same program on the same processor with the same libraries and the
/// provider `cpu` computes the same bits; all else sums up in another order, or rounds elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bounds {
    /// Of P(fake) and of the detector's confidence; 0: equal in every bit.
    pub score: f64,
    /// Why, in words.
    pub why: String,
}

/// Of 32-bit floats.
const SINGLE: f64 = 1e-3;
/// Of 16-bit floats, which round at the third to fourth digit.
const HALF: f64 = 2e-2;
/// Of quantised networks.
const QUANTISED: f64 = 5e-2;

impl Bounds {
    /// Between two scans, by what ran each of them.
    pub fn between(was: &Header, is: &Header) -> Self {
        let ran = |header: &Header| {
            [
                (header.provider.clone(), header.precision.clone()),
                (header.detect_provider.clone(), header.detect_precision.clone()),
            ]
        };
        let (first, second) = (ran(was), ran(is));
        let on_cpu = |ran: &[(String, String); 2]| {
            // Without a classifier there is nothing that could have run it.
            ran.iter().all(|(provider, _)| matches!(provider.as_str(), "cpu" | ""))
        };
        let precisions: Vec<_> =
            first.iter().chain(&second).map(|(_, precision)| &**precision).collect();
        let has = |names: &[&str]| precisions.iter().any(|precision| names.contains(precision));
        let of_precision = |reason: &str| {
            let (score, kind) = if has(&["int8"]) {
                (QUANTISED, "quantised networks")
            } else if has(&["fp16", "bf16", "fp8"]) {
                (HALF, "16-bit floats")
            } else {
                (SINGLE, "32-bit floats")
            };
            Self { score, why: format!("{reason}: {score} for {kind}") }
        };
        if !(on_cpu(&first) && on_cpu(&second)) {
            return of_precision("a provider other than cpu");
        }
        if first != second {
            return of_precision("another precision");
        }
        if was.host.cpu != is.host.cpu || was.host.arch != is.host.arch {
            return of_precision("another processor, whose sums are in another order");
        }
        if was.versions != is.versions {
            return of_precision("other versions of the programs");
        }
        Self { score: 0.0, why: "provider cpu, same processor, same versions".to_owned() }
    }

    /// Whether a number may be this far off. `name` is that of its field.
    pub(super) fn allow(&self, name: &str, was: f64, is: f64) -> bool {
        if self.score == 0.0 {
            return was.to_bits() == is.to_bits();
        }
        let bound = match name {
            "score" | "frame-score" | "fused-score" | "detection" => self.score,
            // Before they were squashed to 0..1.
            "logits" | "llr" => 10.0 * self.score * was.abs().max(1.0),
            "box" => 1.0 + 100.0 * self.score,
            "track" | "frame" | "clips" | "time" | "start" | "end" => 0.0,
            // Qualities, of the face where the detector saw it.
            _ => 10.0 * self.score * was.abs().max(1.0),
        };
        (was - is).abs() <= bound
    }
}
