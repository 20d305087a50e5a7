//! The fuzz targets' entries over mutated seeds: the same every time, and bounded.

use gstm2sd::models::import::{ImportOptions, import};
use gstm2sd::models::synth::{self, ClipShape, Synth};

use crate::entries;
use crate::forge::{Forge, bytes};
use crate::support::formats::safetensors;

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

/// A target, its seeds, how often they are mutated here, and what is called.
type Target = (&'static str, Vec<Vec<u8>>, usize, fn(&[u8]));

fn pickle() -> Target {
    ("pickle", vec![Forge::sound().pickle()], 20_000, entries::pickle)
}

fn checkpoint() -> Target {
    let wrapped = Forge { wrapper: Some("module"), ..Forge::sound() };
    let flat = safetensors(&[
        ("a", "F32", &[2, 3], bytes(&[0., 1., 2., 3., 4., 5.])),
        ("b", "BF16", &[2], vec![1, 2, 3, 4]),
    ]);
    let seeds = vec![Forge::sound().zip(), Forge::sound().legacy(), wrapped.zip(), flat];
    ("checkpoint", seeds, 20_000, entries::checkpoint)
}

fn synthetic(network: &Synth) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::read(synth::write(network, dir.path()).unwrap()).unwrap()
}

fn onnx_summary() -> Target {
    ("onnx_summary", vec![synthetic(&Synth::Aligner)], 20_000, entries::onnx_summary)
}

fn sidecar() -> Target {
    let manifest = include_bytes!("../../engines/models.toml").to_vec();
    let info = b"[modelinfo]\nrole=detector\nthreshold=0.5\n[x]\ndir=input\nranges=0,1;0,1;0,1\n";
    ("sidecar", vec![info.to_vec(), manifest], 4_000, entries::sidecar)
}

fn literal() -> Target {
    let escapes = br#"W = b'\x08\x0f\n\t\\\'\"\0\12\377 and more'"#.to_vec();
    let seeds = vec![escapes, b"\nWEIGHTS = b\"\\x00\\r\"\n".to_vec(), b"W=b''".to_vec()];
    ("literal", seeds, 20_000, entries::literal)
}

fn importer() -> Target {
    let shapes = entries::TINY
        .map(|(name, shape)| (name, shape.iter().map(|size| *size as i64).collect::<Vec<_>>()));
    let shapes: Vec<_> = shapes.iter().map(|(name, shape)| (*name, shape.as_slice())).collect();
    let forge = Forge::network(&shapes);
    let shape = ClipShape { frames: 2, size_px: 4, ..ClipShape::default() };
    let classifier = synthetic(&Synth::Classifier(shape));
    let files = [forge.zip(), classifier.clone(), forge.legacy(), classifier];
    let seeds = files.into_iter().enumerate().map(|(kind, file)| [vec![kind as u8], file].concat());
    ("importer", seeds.collect(), 1_000, entries::importer)
}

fn folder() -> Target {
    let tensors = entries::TINY.map(|(name, shape)| {
        let shape: Vec<_> = shape.iter().map(|size| *size as i64).collect();
        let values = bytes(&vec![0.0; shape.iter().product::<i64>() as usize]);
        (name, shape, values)
    });
    let stored = tensors.iter().map(|(n, shape, values)| (*n, "F32", &shape[..], values.clone()));
    let file = safetensors(&stored.collect::<Vec<_>>());
    let config = br#"{"num_frames": 2, "id2label": {"0": "real", "1": "fake"}}"#.to_vec();
    let map = tensors.iter().map(|(name, ..)| format!(r#""{name}":"1.safetensors""#));
    let index = format!(r#"{{"weight_map":{{{}}}}}"#, map.collect::<Vec<_>>().join(","));
    let seeds = [(0, config), (1, index.into_bytes())].map(|(kind, text)| {
        let head = [&[kind][..], &(text.len() as u16).to_le_bytes()].concat();
        [head, text, file.clone()].concat()
    });
    ("folder", seeds.to_vec(), 1_000, entries::folder)
}

fn transformer() -> Target {
    let unchanged = |tuning| vec![tuning, 2, 4, 1];
    let wider = [unchanged(0), vec![11, 0, 16, 12, 0, 16, 13, 1, 16]].concat();
    ("transformer", vec![unchanged(0), unchanged(1), wider], 20_000, entries::transformer)
}

fn check((_, seeds, rounds, entry): Target) {
    // The seeds themselves first: mutations of what is refused at once reach nothing.
    seeds.iter().for_each(|seed| entry(seed));
    run(&seeds, rounds, entry);
}

#[test]
fn fuzz_pickle() {
    check(pickle());
}

#[test]
fn fuzz_checkpoint() {
    check(checkpoint());
}

#[test]
fn fuzz_onnx_summary() {
    check(onnx_summary());
}

#[test]
fn fuzz_sidecar() {
    check(sidecar());
}

#[test]
fn fuzz_literal() {
    check(literal());
}

#[test]
fn fuzz_importer() {
    check(importer());
}

#[test]
fn fuzz_folder() {
    check(folder());
}

#[test]
fn fuzz_transformer() {
    check(transformer());
}

/// The unchanged seeds are imported and built: what a mutation is refused for is its own.
#[test]
fn seeds_reach_the_end_of_what_they_are_for() {
    let out = tempfile::tempdir().unwrap();
    for seed in importer().1 {
        assert!(seed.len() < 10_000, "{} bytes", seed.len());
        let name = if seed[0] % 2 == 0 { "net.pt" } else { "net.onnx" };
        let source = out.path().join(name);
        std::fs::write(&source, &seed[1..]).unwrap();
        let mut options = ImportOptions::default();
        options.transformer.heads = Some(1);
        (options.transformer.frames, options.transformer.size_px) = (Some(2), Some(4));
        import(&source, out.path(), &options).unwrap();
    }
}

#[test]
#[ignore = "writes seeds for cargo fuzz into the folder that M2SD_SEEDS names"]
fn write_seeds() {
    let root = std::path::PathBuf::from(std::env::var_os("M2SD_SEEDS").expect("M2SD_SEEDS"));
    for (target, seeds, _, _) in [
        pickle(),
        checkpoint(),
        onnx_summary(),
        sidecar(),
        literal(),
        importer(),
        folder(),
        transformer(),
    ] {
        let folder = root.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n}")), seed).unwrap();
        }
    }
}
