//! Classifiers that misbehave, as ONNX files written byte by byte: `clip` `[N,3,1,32,32]` →
//! `logits` `[N,2]`.

use std::path::Path;

/// How a classifier misbehaves.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It answers NaN.
    NaN,
    /// It answers NaN for faces that are not red.
    NaNUnlessRed,
    /// Its runs fail, but for one of a clip of zeros.
    Fails,
    /// It works on one clip, in one node that cannot be interrupted, for minutes.
    Endless,
    /// As that, for some seconds.
    Slow,
}

/// Length-delimited field `number`.
fn part(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = varint(u64::from(number) << 3 | 2);
    out.extend(varint(bytes.len() as u64));
    out.extend(bytes);
    out
}

/// Integer field `number`.
fn integer(number: u8, value: u64) -> Vec<u8> {
    let mut out = varint(u64::from(number) << 3);
    out.extend(varint(value));
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A list of integers as an attribute.
fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let mut out = part(1, name.as_bytes());
    values.iter().for_each(|value| out.extend(integer(8, *value as u64)));
    out.extend(integer(20, 7));
    out
}

fn int(name: &str, value: i64) -> Vec<u8> {
    [part(1, name.as_bytes()), integer(3, value as u64), integer(20, 2)].concat()
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    inputs.iter().for_each(|name| out.extend(part(1, name.as_bytes())));
    outputs.iter().for_each(|name| out.extend(part(2, name.as_bytes())));
    out.extend(part(4, op.as_bytes()));
    attributes.iter().for_each(|attribute| out.extend(part(5, attribute)));
    part(1, &out)
}

/// A constant; `kind` 1: floats, 7: 64-bit integers.
fn constant(name: &str, dims: &[u64], kind: u64, raw: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    dims.iter().for_each(|dim| out.extend(integer(1, *dim)));
    out.extend([integer(2, kind), part(8, name.as_bytes()), part(9, &raw)].concat());
    part(5, &out)
}

fn floats(name: &str, dims: &[u64], value: f32) -> Vec<u8> {
    let count = dims.iter().product::<u64>() as usize;
    constant(name, dims, 1, value.to_le_bytes().repeat(count))
}

fn longs(name: &str, values: &[i64]) -> Vec<u8> {
    let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    constant(name, &[values.len() as u64], 7, raw)
}

/// An input or output of floats; the first axis is N.
fn port(field: u8, name: &str, dims: &[u64]) -> Vec<u8> {
    let mut shape = part(1, &part(2, b"N"));
    dims.iter().for_each(|dim| shape.extend(part(1, &integer(1, *dim))));
    let tensor = part(1, &[integer(1, 1), part(2, &shape)].concat());
    part(field, &[part(1, name.as_bytes()), part(2, &tensor)].concat())
}

/// Writes `name.onnx` and its sidecar into `dir`.
pub fn write(dir: &Path, name: &str, fault: Fault) {
    let axes = ints("axes", &[1, 2, 3, 4]);
    let mut graph = Vec::new();
    match fault {
        Fault::NaN => graph.extend(
            [
                node("ReduceMean", &["clip"], &["mean"], &[axes, int("keepdims", 0)]),
                floats("zero", &[], 0.0),
                node("Mul", &["mean", "zero"], &["nothing"], &[]),
                node("Div", &["nothing", "nothing"], &["score"], &[]),
            ]
            .concat(),
        ),
        Fault::NaNUnlessRed => graph.extend(
            [
                longs("start", &[0, 8, 8]),
                longs("end", &[1, 24, 24]),
                longs("along", &[1, 3, 4]),
                node("Slice", &["clip", "start", "end", "along"], &["red"], &[]),
                node("ReduceMean", &["red"], &["mean"], &[axes, int("keepdims", 0)]),
                node("Log", &["mean"], &["score"], &[]),
            ]
            .concat(),
        ),
        Fault::Fails => graph.extend(
            [
                node("Abs", &["clip"], &["distance"], &[]),
                node("ReduceMean", &["distance"], &["mean"], &[axes, int("keepdims", 0)]),
                floats("zero", &[], 0.0),
                node("Greater", &["mean", "zero"], &["is_picture"], &[]),
                node("Cast", &["is_picture"], &["place"], &[int("to", 7)]),
                floats("one_score", &[1], 0.5),
                // Place 1 is behind the end.
                node("Gather", &["one_score", "place"], &["score"], &[]),
            ]
            .concat(),
        ),
        Fault::Endless | Fault::Slow => graph.extend(
            [
                node("ReduceMean", &["clip"], &["mean"], &[axes, int("keepdims", 0)]),
                longs("one", &[1, 1, 1]),
                node("Reshape", &["mean", "one"], &["step"], &[]),
                longs(
                    "steps",
                    &[if matches!(fault, Fault::Slow) { 1 << 18 } else { 1 << 24 }, 1, 1],
                ),
                node("Expand", &["step", "steps"], &["sequence"], &[]),
                floats("w", &[1, 192, 1], 0.01),
                floats("r", &[1, 192, 64], 0.01),
                node("GRU", &["sequence", "w", "r"], &["", "last"], &[int("hidden_size", 64)]),
                node("ReduceMean", &["last"], &["score"], &[int("keepdims", 0)]),
            ]
            .concat(),
        ),
    }
    graph.extend(
        [
            longs("column", &[-1, 1]),
            node("Reshape", &["score", "column"], &["fake"], &[]),
            node("Neg", &["fake"], &["real"], &[]),
            node("Concat", &["fake", "real"], &["logits"], &[int("axis", 1)]),
            part(2, b"fault"),
            port(11, "clip", &[3, 1, 32, 32]),
            port(12, "logits", &[2]),
        ]
        .concat(),
    );
    let opset = part(8, &integer(2, 17));
    let model = [integer(1, 8), part(7, &graph), opset].concat();
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join(format!("{name}.onnx")), model).unwrap();
    let sidecar = format!(
        "[modelinfo]\nversion=1.0\nrole=classifier\ntitle={fault:?}\ntrained=false\nthreshold=0.5\n\
         channel-order=rgb\n\n[clip]\ndir=input\ntype=float32\nranges=-1,1;-1,1;-1,1\n"
    );
    std::fs::write(dir.join(format!("{name}.onnx.modelinfo")), sidecar).unwrap();
}
