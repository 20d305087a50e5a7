//! What becomes of made-up networks.

use std::io::Cursor;

use super::*;
use crate::models::arch::m2sd::Tuning;
use crate::models::synth::{self, Synth, TransformerShape};

fn transformer() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let shape =
        TransformerShape { width: 128, blocks: 2, heads: 2, frames: 4, ..TransformerShape::BASE };
    let network = Synth::Transformer { shape, seed: 7, tuning: Tuning::Gpu };
    std::fs::read(synth::write(&network, dir.path()).unwrap()).unwrap()
}

#[test]
fn layers_are_found_once_and_only_matrices_shrink() {
    let file = transformer();
    let layers = LinearLayers::of(Cursor::new(&file)).unwrap();
    // Six a block and the head. Queries, keys and values read the same, but in the last block,
    // where only the class token asks.
    assert_eq!((layers.count(), layers.observers().len()), (13, 10));
    let mut observed = Vec::new();
    layers.observed(Cursor::new(&file), &mut observed).unwrap();
    let outputs = scan(Cursor::new(&observed)).unwrap().outputs;
    assert_eq!(outputs.len(), 1 + 10);
    assert!(outputs[1..].iter().all(|port| port.dims.is_empty()));

    let mut quantised = Vec::new();
    layers.quantised(Cursor::new(&file), &[1.0; 10], &mut quantised).unwrap();
    let (before, after) =
        (scan(Cursor::new(&file)).unwrap(), scan(Cursor::new(&quantised)).unwrap());
    assert!(after.traits.is_quantised);
    assert_eq!((&before.inputs, &before.outputs), (&after.inputs, &after.outputs));
    // A byte for each four of the matrices, and what is written about that.
    let numbers: usize = layers.weights.values().map(|[rows, columns]| rows * columns).sum();
    let saved = file.len() - quantised.len();
    assert!((2 * numbers..3 * numbers).contains(&saved), "{saved} of {numbers}");
    let twice = LinearLayers::of(Cursor::new(&quantised)).unwrap_err();
    assert!(matches!(twice, QuantiseError::Quantised), "{twice}");
}

#[test]
fn what_cannot_be_quantised_says_why() {
    let file = transformer();
    let layers = LinearLayers::of(Cursor::new(&file)).unwrap();
    let mut lost = Vec::new();
    let few = layers.quantised(Cursor::new(&file), &[1.0], &mut lost).unwrap_err();
    assert_eq!(few.to_string(), "1 ranges were given for 10 activations");
    let none = layers.quantised(Cursor::new(&file), &[f32::NAN; 10], &mut lost).unwrap_err();
    assert!(matches!(none, QuantiseError::Overflow { .. }), "{none}");

    let dir = tempfile::tempdir().unwrap();
    let aligner = synth::write(&Synth::Aligner, dir.path()).unwrap();
    let error = LinearLayers::of(std::fs::File::open(aligner).unwrap()).unwrap_err();
    assert!(matches!(error, QuantiseError::NoLayers), "{error}");
    for len in (1..file.len()).step_by(file.len() / 50) {
        let cut = Cursor::new(&file[..len]);
        assert!(LinearLayers::of(cut.clone()).is_err(), "{len}");
        assert!(layers.quantised(cut, &[1.0; 10], &mut Vec::new()).is_err(), "{len}");
    }
}

/// Nothing that a file says makes this panic, or take more than the file's size.
#[test]
fn damaged_files_are_refused_or_quantised() {
    let file = transformer();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    let mut quantised = 0;
    for _ in 0..400 {
        let mut damaged = file.clone();
        for _ in 0..=below(3) {
            // Nodes come first, and most of the rest is numbers.
            let at = below(20_000);
            damaged[at] = below(256) as u8;
        }
        let Ok(layers) = LinearLayers::of(Cursor::new(&damaged)) else { continue };
        let ranges = vec![1.0; layers.observers().len()];
        let mut out = Vec::new();
        quantised += usize::from(layers.observed(Cursor::new(&damaged), &mut out).is_ok());
        let _may_fail = layers.quantised(Cursor::new(&damaged), &ranges, &mut out);
    }
    assert!(quantised > 20, "{quantised}: the damage reaches nothing");
    // The same weight with other sizes.
    let layers = LinearLayers::of(Cursor::new(&file)).unwrap();
    let (name, _) = layers.weights.iter().next().unwrap();
    let twice = tensor(name, vec![1, i64::MAX], proto::FLOAT, Vec::new());
    let mut graph = Vec::new();
    write_message(&mut graph, field::GRAPH_INITIALIZER, &twice).unwrap();
    let mut damaged = file.clone();
    write_bytes(&mut damaged, field::MODEL_GRAPH, &graph).unwrap();
    let error = layers.quantised(Cursor::new(&damaged), &[1.0; 10], &mut Vec::new());
    assert!(error.unwrap_err().to_string().contains("there twice"));
}

#[test]
fn a_matrix_keeps_its_numbers_to_a_step_of_each_column() {
    let numbers = [1.0f32, -200.0, 0.0, 0.5, 100.0, 0.0];
    let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut out = Vec::new();
    write_matrix("w", [2, 3], &raw, &mut out).unwrap();
    let mut tensors: Vec<TensorProto> = Vec::new();
    let (mut wire, end) = Wire::new(Cursor::new(&out)).unwrap();
    wire.message::<WireError>(end, |wire, _, value| {
        let Value::Bytes(len) = value else { panic!("no message") };
        tensors.push(proto::decode(wire, len)?);
        Ok(())
    })
    .unwrap();
    let raw = |place: usize| tensors[place].raw_data.clone().unwrap();
    assert_eq!(raw(0).iter().map(|b| *b as i8).collect::<Vec<_>>(), [127, -127, 0, 64, 64, 0]);
    let steps: Vec<_> =
        raw(1).as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    assert_eq!(steps, [1.0 / 127.0, 200.0 / 127.0, 1.0]);
}

#[test]
fn a_file_of_two_graphs_is_refused() {
    let mut file = transformer();
    let layers = LinearLayers::of(Cursor::new(&file)).unwrap();
    write_bytes(&mut file, field::MODEL_GRAPH, b"").unwrap();
    let error = layers.observed(Cursor::new(&file), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("a second graph"), "{error}");
}
