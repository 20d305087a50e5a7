use std::io::Cursor;

use super::network::Network;
use super::*;
use crate::models::graph::{Axis, Graph, float, int, ints};
use crate::models::synth::{Synth, TransformerShape, write};

const SMALL: TransformerShape =
    TransformerShape { width: 64, blocks: 1, heads: 1, frames: 2, ..TransformerShape::BASE };

fn file(graph: Graph) -> Vec<u8> {
    struct Nothing;
    impl crate::models::arch::Weights for Nothing {
        fn shape(&self, _: &str) -> Option<&[usize]> {
            None
        }
        fn read(
            &mut self,
            name: &str,
        ) -> Result<Vec<f32>, crate::models::checkpoint::CheckpointError> {
            Err(crate::models::checkpoint::CheckpointError::NoSuchTensor(name.to_owned()))
        }
    }
    let mut bytes = Vec::new();
    let mut nothing = Nothing;
    graph.write(&mut crate::models::arch::Tensors::new(&mut nothing), &mut bytes).unwrap();
    bytes
}

fn halved(bytes: &[u8]) -> Network {
    let mut out = Vec::new();
    rewrite(Cursor::new(bytes), &mut out, Attention::AsItIs).unwrap();
    Network::read(Cursor::new(out)).unwrap()
}

/// The operators in order, with the element types of casts.
fn operators(network: &Network) -> Vec<String> {
    let name = |node: &network::Node| match (node.op.as_str(), node.element) {
        ("Cast", Some(proto::FLOAT16)) => "to half".to_owned(),
        ("Cast", Some(proto::FLOAT)) => "to single".to_owned(),
        (op, _) => op.to_owned(),
    };
    network.nodes.iter().map(name).collect()
}

#[test]
fn products_and_what_follows_are_in_half_floats_and_sums_are_not() {
    let mut g = Graph::new("test");
    let x = g.input("x", &[Axis::Any("N"), Axis::Size(2)]);
    let weight = g.floats("weight", &[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    let bias = g.floats("bias", &[2], vec![0.5, 0.25]);
    let gain = g.floats("gain", &[2], vec![1.0, 1.0]);
    let y = g.op("MatMul", &[&x, &weight], &[]);
    let y = g.op("Add", &[&y, &bias], &[]);
    let normed = g.op("LayerNormalization", &[&y, &gain, &bias], &[float("epsilon", 1e-6)]);
    let y = g.op("Add", &[&y, &normed], &[]);
    g.output("y", &y, &[Axis::Any("N"), Axis::Size(2)]);
    let network = halved(&file(g));
    assert_eq!(
        operators(&network),
        [
            "to half",   // x
            "MatMul",    //
            "Add",       //
            "to single", // of the sum, for the norm
            "LayerNormalization",
            "to half", // of the norm
            "Add",
            "to single", // what leaves
        ]
    );
    let weights: Vec<_> = network.weights.iter().map(|(name, e)| (name.as_str(), *e)).collect();
    assert_eq!(
        weights,
        [
            ("bias", proto::FLOAT),
            ("bias_half", proto::FLOAT16),
            ("gain", proto::FLOAT),
            ("weight_half", proto::FLOAT16)
        ]
    );
    assert_eq!(network.inputs["x"], proto::FLOAT);
    assert_eq!(network.outputs["y"], proto::FLOAT);
}

#[test]
fn shapes_and_what_is_made_of_them_stay_integers() {
    let mut g = Graph::new("test");
    let x = g.input("x", &[Axis::Any("N"), Axis::Size(2), Axis::Size(3)]);
    let weight = g.floats("weight", &[3, 3], vec![1.0; 9]);
    let y = g.op("MatMul", &[&x, &weight], &[]);
    let shape = g.op("Shape", &[&y], &[]);
    let batch = g.slice(&shape, 0, 0..1, 1);
    let rest = g.shape(&[6]);
    let shape = g.op("Concat", &[&batch, &rest], &[int("axis", 0)]);
    let flat = g.op("Reshape", &[&y, &shape], &[]);
    let mean = g.op("ReduceMean", &[&flat], &[ints("axes", &[1])]);
    g.output("mean", &mean, &[Axis::Any("N"), Axis::Size(1)]);
    let expected =
        ["to half", "MatMul", "Shape", "Slice", "Concat", "Reshape", "to single", "ReduceMean"];
    assert_eq!(operators(&halved(&file(g))), expected);
}

#[test]
fn only_the_picture_of_a_resize_is_in_half_floats() {
    let mut g = Graph::new("test");
    let image = [Axis::Any("N"), Axis::Size(1), Axis::Size(2), Axis::Size(2)];
    let x = g.input("x", &image);
    let kernel = g.floats("kernel", &[1, 1, 1, 1], vec![1.0]);
    let y = g.op("Conv", &[&x, &kernel], &[]);
    let none = g.floats("none", &[0], vec![]);
    let scales = g.floats("scales", &[4], vec![1.0, 1.0, 2.0, 2.0]);
    let y = g.op("Resize", &[&y, &none, &scales], &[]);
    g.output("y", &y, &image);
    let network = halved(&file(g));
    assert_eq!(operators(&network), ["to half", "Conv", "Resize", "to single"]);
    assert_eq!(network.weights["scales"], proto::FLOAT);
}

#[test]
fn numbers_beyond_half_floats_are_refused() {
    let with = |op: &str, value: f32| {
        let mut g = Graph::new("test");
        let x = g.input("x", &[Axis::Size(1), Axis::Size(1)]);
        let weight = g.floats("weight", &[1, 1], vec![value]);
        let y = g.op("MatMul", &[&x, &weight], &[]);
        let y = g.op(op, &[&y], &[]);
        g.output("y", &y, &[Axis::Size(1), Axis::Size(1)]);
        file(g)
    };
    let with = |op: &str, value: f32| {
        rewrite(Cursor::new(with(op, value)), &mut Vec::new(), Attention::AsItIs)
    };
    assert!(with("Relu", 65_504.0).is_ok());
    let error = with("Relu", 65_520.0).unwrap_err();
    assert!(matches!(&error, HalfError::Range { name } if name == "weight"), "{error}");
}

#[test]
fn a_transformer_in_half_floats_is_half_as_large_and_says_the_same_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    let tuning = crate::models::arch::m2sd::Tuning::Gpu;
    let model = write(&Synth::Transformer { shape: SMALL, seed: 1, tuning }, dir.path()).unwrap();
    let half = dir.path().join("half.onnx");
    to_half(&model, &half, Attention::AsItIs).unwrap();
    let bytes = |path: &std::path::Path| std::fs::metadata(path).unwrap().len() as f64;
    assert!((0.45..0.6).contains(&(bytes(&half) / bytes(&model))));
    let [before, after] = [&model, &half].map(|path| super::super::summary(path).unwrap());
    assert_eq!(before, after);
}

#[test]
fn a_file_that_ends_early_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(write(&Synth::Aligner, dir.path()).unwrap()).unwrap();
    for len in (60..whole.len() - 1).step_by(7) {
        let _ =
            rewrite(Cursor::new(&whole[..len]), &mut Vec::new(), Attention::AsItIs).unwrap_err();
    }
}

#[test]
fn attention_is_one_operator_where_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for tuning in [crate::models::arch::m2sd::Tuning::Cpu, crate::models::arch::m2sd::Tuning::Gpu] {
        let shape = TransformerShape { blocks: 3, heads: 2, width: 64, ..SMALL };
        let model = write(&Synth::Transformer { shape, seed: 1, tuning }, dir.path()).unwrap();
        let bytes = std::fs::read(model).unwrap();
        for (attention, count) in [(Attention::AsItIs, 0), (Attention::Fused, 3)] {
            let mut out = Vec::new();
            rewrite(Cursor::new(&bytes), &mut out, attention).unwrap();
            let network = Network::read(Cursor::new(&out)).unwrap();
            let of = |op: &str| network.nodes.iter().filter(|node| node.op == op).count();
            assert_eq!((of("MultiHeadAttention"), of("Softmax")), (count, 3 - count));
            let domain = out.windows(13).any(|part| part == b"com.microsoft");
            assert_eq!(domain, count > 0);
        }
    }
}

#[test]
fn softmax_that_is_no_attention_stays() {
    let mut g = Graph::new("test");
    let x = g.input("x", &[Axis::Any("N"), Axis::Size(2)]);
    let weight = g.floats("weight", &[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    let y = g.op("MatMul", &[&x, &weight], &[]);
    let y = g.op("Softmax", &[&y], &[int("axis", -1)]);
    let y = g.op("MatMul", &[&y, &weight], &[]);
    g.output("y", &y, &[Axis::Any("N"), Axis::Size(2)]);
    let mut out = Vec::new();
    rewrite(Cursor::new(file(g)), &mut out, Attention::Fused).unwrap();
    let network = Network::read(Cursor::new(out)).unwrap();
    assert!(network.nodes.iter().any(|node| node.op == "Softmax"));
}

/// A convolution over a clip of `sides`, with patches of 2×4×4 this far apart.
fn over_clips(sides: [usize; 3], strides: [i64; 3]) -> Network {
    let mut g = Graph::new("test");
    let [t, h, w] = sides.map(Axis::Size);
    let x = g.input("x", &[Axis::Any("N"), Axis::Size(3), t, h, w]);
    let two = g.floats("two", &[1], vec![2.0]);
    let x = g.op("Mul", &[&x, &two], &[]);
    let weight = g.floats("weight", &[5, 3, 2, 4, 4], vec![0.5; 5 * 3 * 32]);
    let bias = g.floats("bias", &[5], vec![0.25; 5]);
    let y = g.op("Conv", &[&x, &weight, &bias], &[ints("strides", &strides)]);
    let y = g.op("Relu", &[&y], &[]);
    let any = ["T", "H", "W"].map(Axis::Any);
    let [t, h, w] = any;
    g.output("y", &y, &[Axis::Any("N"), Axis::Size(5), t, h, w]);
    let bytes = file(g);
    let mut out = Vec::new();
    rewrite(Cursor::new(&bytes), &mut out, Attention::AsItIs).unwrap();
    let plain = Network::read(Cursor::new(out)).unwrap();
    assert_eq!(operators(&plain), ["Mul", "to half", "Conv", "Relu", "to single"]);
    let mut out = Vec::new();
    rewrite(Cursor::new(&bytes), &mut out, Attention::Fused).unwrap();
    Network::read(Cursor::new(out)).unwrap()
}

#[test]
fn patches_of_a_clip_are_a_product_for_cuda() {
    let network = over_clips([4, 8, 12], [2, 4, 4]);
    let operators = operators(&network);
    assert!(!operators.contains(&"Conv".to_owned()), "{operators:?}");
    let products = operators.iter().filter(|op| *op == "MatMul").count();
    // The clip, and no other value, is made half; the weights are so in the file.
    let casts = operators.iter().filter(|op| *op == "to half").count();
    assert_eq!((products, casts, network.weights["weight_half"]), (1, 1, proto::FLOAT16));
}

#[test]
fn other_convolutions_over_clips_are_in_single_floats_for_cuda() {
    let single = ["Mul", "Conv", "Relu"];
    // Patches that overlap, and a clip that they do not fill.
    assert_eq!(operators(&over_clips([4, 8, 12], [1, 4, 4])), single);
    assert_eq!(operators(&over_clips([4, 8, 13], [2, 4, 4])), single);
}
