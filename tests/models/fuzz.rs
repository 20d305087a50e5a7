//! The fuzz targets' entries over mutated seeds: the same every time, and bounded.

use gstm2sd::models::synth::{self, Synth};

use crate::entries;
use crate::forge::Forge;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// Flips, overwrites, removes, repeats: what damages lengths, opcodes and structure.
    fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut data = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len());
            let len = self.below(9).min(data.len() - at);
            match self.below(5) {
                0 => data[at..at + len].fill(0xff),
                1 => drop(data.drain(at..at + len)),
                2 => data.extend_from_within(at..at + len),
                3 => data.truncate(at.max(1)),
                _ => data[at] ^= 1 << self.below(8),
            }
            if data.is_empty() {
                break;
            }
        }
        data
    }
}

fn run(seeds: &[Vec<u8>], rounds: usize, entry: fn(&[u8])) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        let seed = &seeds[round % seeds.len()];
        entry(&random.mutate(seed));
    }
}

#[test]
fn fuzz_pickle() {
    run(&[Forge::sound().pickle()], 20_000, entries::pickle);
}

#[test]
fn fuzz_checkpoint() {
    let wrapped = Forge { wrapper: Some("module"), ..Forge::sound() };
    let seeds = [Forge::sound().zip(), Forge::sound().legacy(), wrapped.zip()];
    run(&seeds, 20_000, entries::checkpoint);
}

#[test]
fn fuzz_onnx_summary() {
    let dir = tempfile::tempdir().unwrap();
    let model = synth::write(&Synth::Aligner, dir.path()).unwrap();
    run(&[std::fs::read(model).unwrap()], 20_000, entries::onnx_summary);
}

#[test]
fn fuzz_sidecar() {
    let manifest = include_bytes!("../../engines/models.toml").to_vec();
    let info = b"[modelinfo]\nrole=detector\nthreshold=0.5\n[x]\ndir=input\nranges=0,1;0,1;0,1\n";
    run(&[info.to_vec(), manifest], 4_000, entries::sidecar);
}
