//! A network whose linear layers compute in 8-bit integers, made of one of floats: each product of an
//! activation with a stored matrix gets a pair of `QuantizeLinear` and `DequantizeLinear` (QDQ) at
//! either side, which providers fuse into a product of integers.
//!
//! Symmetric throughout: a zero point makes products several times slower. A matrix has a scale for
//! each column, an activation one, from the largest number that calibration saw. Everything else is
//! copied as it is, also what this project does not know.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Seek, Write};

use prost::Message;

use super::proto::{self, AttributeProto, AttributeType, NodeProto, TensorProto, ValueInfoProto};
use super::rewrite::{Measure, copy, write_key, write_message};
use super::{OnnxError, scan};
use crate::core::onnx::{Value, Wire, WireError, field};

/// The first operator set whose `DequantizeLinear` takes a scale for each column.
const OLDEST_OPSET: u64 = 13;
/// The largest level; −128 stays unused, so that both sides are alike.
const MOST_LEVEL: f32 = 127.0;
/// Before the names of what is added.
const PREFIX: &str = "m2sd_int8_";
/// Operators whose inner graphs may use what is outside of them.
const BRANCHING: [&str; 3] = ["If", "Loop", "Scan"];

/// Why a network cannot be quantised.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum QuantiseError {
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error("it is quantised already; start from the file that it was made from")]
    Quantised,
    #[error("it has no matrix products with stored 32-bit floats, which is what is quantised")]
    NoLayers,
    #[error("its operators are of set {found}; set {OLDEST_OPSET} or newer is needed")]
    OldOperators { found: u64 },
    #[error("it has a {0}, whose inner graphs are not looked into")]
    Branching(String),
    #[error("{found} ranges were given for {expected} activations")]
    Ranges { found: usize, expected: usize },
    #[error("the activation {activation} is {most} at most: the clips make it overflow")]
    Overflow { activation: String, most: f32 },
}

impl From<WireError> for QuantiseError {
    fn from(error: WireError) -> Self {
        Self::Onnx(error.into())
    }
}

/// The linear layers of a network.
#[derive(Debug)]
pub struct LinearLayers {
    /// What they read, each once, in the network's order.
    activations: Vec<String>,
    /// Rows and columns of their matrices.
    weights: BTreeMap<String, [usize; 2]>,
}

impl LinearLayers {
    /// Of the network in `source`.
    ///
    /// # Errors
    /// [`QuantiseError`] for one that cannot be quantised.
    pub fn of(mut source: impl Read + Seek) -> Result<Self, QuantiseError> {
        let summary = scan(&mut source)?;
        if summary.traits.is_quantised {
            return Err(QuantiseError::Quantised);
        }
        if summary.opset < OLDEST_OPSET {
            return Err(QuantiseError::OldOperators { found: summary.opset });
        }
        let (mut nodes, mut weights) = (Vec::new(), BTreeMap::new());
        let (mut wire, end) = Wire::new(&mut source)?;
        wire.message::<WireError>(end, |wire, field, value| match (field, value) {
            (field::MODEL_GRAPH, Value::Bytes(len)) => {
                wire.message(len, |wire, field, value| match (field, value) {
                    (field::GRAPH_NODE, Value::Bytes(len)) => {
                        nodes.push(proto::decode::<NodeProto>(wire, len)?);
                        Ok(())
                    }
                    (field::GRAPH_INITIALIZER, Value::Bytes(len)) => {
                        weights.extend(matrix(wire, len)?);
                        Ok(())
                    }
                    (_, other) => wire.skip(other),
                })
            }
            (_, other) => wire.skip(other),
        })?;
        Self::among(&nodes, weights)
    }

    fn among(
        nodes: &[NodeProto],
        mut weights: BTreeMap<String, [usize; 2]>,
    ) -> Result<Self, QuantiseError> {
        if let Some(node) = nodes.iter().find(|node| BRANCHING.contains(&node.op_type.as_str())) {
            return Err(QuantiseError::Branching(node.op_type.clone()));
        }
        // A matrix that something else reads as well has to stay as it is.
        for node in nodes {
            for (place, input) in node.input.iter().enumerate() {
                if !(is_product(node) && place == 1) {
                    weights.remove(input);
                }
            }
        }
        let mut used = Self { activations: Vec::new(), weights: BTreeMap::new() };
        let mut seen = HashSet::new();
        for node in nodes.iter().filter(|node| is_product(node)) {
            let [activation, weight] = node.input.as_slice() else { continue };
            if let Some(sizes) = weights.get(weight) {
                used.weights.insert(weight.clone(), *sizes);
                if seen.insert(activation) {
                    used.activations.push(activation.clone());
                }
            }
        }
        if used.weights.is_empty() { Err(QuantiseError::NoLayers) } else { Ok(used) }
    }

    /// How many matrices are quantised.
    pub fn count(&self) -> usize {
        self.weights.len()
    }

    /// The outputs of [`Self::observed`] that tell the largest magnitude of each activation.
    pub fn observers(&self) -> Vec<String> {
        (0..self.activations.len()).map(|place| named("most", place)).collect()
    }

    /// Copies the network in `source` to `out` with [`Self::observers`] as further outputs.
    ///
    /// # Errors
    /// [`OnnxError`] where the file is damaged or `out` does not take it.
    pub fn observed(
        &self,
        source: impl Read + Seek,
        out: &mut impl Write,
    ) -> Result<(), QuantiseError> {
        let observers = self.activations.iter().enumerate().map(|(place, activation)| {
            let (magnitude, most) = (named("magnitude", place), named("most", place));
            let flat = number("keepdims", 0);
            let nodes = [
                node("Abs", &[activation], &magnitude, Vec::new()),
                node("ReduceMax", &[&magnitude], &most, vec![flat]),
            ];
            (nodes, scalar_output(&most))
        });
        let (nodes, outputs): (Vec<_>, Vec<_>) = observers.unzip();
        rewrite(source, out, |wire, len, mut out| {
            wire.message::<WireError>(len, |wire, field, value| {
                copy(wire, field, value, &mut out)
            })?;
            for node in nodes.iter().flatten() {
                write_message(&mut out, field::GRAPH_NODE, node)?;
            }
            for output in &outputs {
                write_message(&mut out, field::GRAPH_OUTPUT, output)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Copies the network in `source` to `out` with its linear layers in 8-bit integers; `most` are
    /// the largest magnitudes of its activations, in the order of [`Self::observers`].
    ///
    /// # Errors
    /// [`QuantiseError::Ranges`], [`QuantiseError::Overflow`] for numbers that are none,
    /// [`OnnxError`] where the file is damaged or `out` does not take it.
    pub fn quantised(
        &self,
        source: impl Read + Seek,
        most: &[f32],
        out: &mut impl Write,
    ) -> Result<(), QuantiseError> {
        let (found, expected) = (most.len(), self.activations.len());
        if found != expected {
            return Err(QuantiseError::Ranges { found, expected });
        }
        for (activation, &most) in self.activations.iter().zip(most) {
            if !most.is_finite() {
                return Err(QuantiseError::Overflow { activation: activation.clone(), most });
            }
        }
        let scales = most.iter().map(|most| scale(*most));
        let scales: BTreeMap<_, _> = self.activations.iter().zip(scales).collect();
        rewrite(source, out, |wire, len, mut out| {
            // Nothing comes before a stored matrix.
            for weight in self.weights.keys() {
                let input = |suffix| format!("{PREFIX}{weight}_{suffix}");
                let (levels, step, zero) = (input("levels"), input("scale"), input("zero"));
                let inputs = [levels.as_str(), &step, &zero];
                let by_column = vec![number("axis", 1)];
                let node = node("DequantizeLinear", &inputs, &rounded(weight), by_column);
                write_message(&mut out, field::GRAPH_NODE, &node)?;
            }
            let mut seen = HashSet::new();
            wire.message::<WireError>(len, |wire, field, value| match (field, value) {
                (field::GRAPH_NODE, Value::Bytes(len)) => {
                    let bytes = wire.bytes(len)?;
                    let Some(mut layer) = self.layer(&bytes) else {
                        return write_bytes(&mut out, field, &bytes);
                    };
                    if let [activation, weight] = layer.input.as_mut_slice() {
                        if seen.insert(activation.clone()) {
                            let scale = scales.get(activation).copied().unwrap_or(1.0);
                            write_rounding(activation, scale, &mut out)?;
                        }
                        (*activation, *weight) = (rounded(activation), rounded(weight));
                    }
                    Ok(write_message(&mut out, field, &layer)?)
                }
                (field::GRAPH_INITIALIZER, Value::Bytes(len)) => {
                    let bytes = wire.bytes(len)?;
                    let at = wire.at();
                    let tensor = TensorProto::decode(bytes.as_slice()).unwrap_or_default();
                    match self.weights.get(&tensor.name) {
                        Some(&[rows, columns]) => {
                            let raw = tensor.raw_data.as_deref().unwrap_or_default();
                            if raw.len() / 4 != rows * columns {
                                let found = "a weight that is there twice";
                                return Err(WireError::Malformed { at, found });
                            }
                            write_matrix(&tensor.name, [rows, columns], raw, &mut out)
                        }
                        None => write_bytes(&mut out, field, &bytes),
                    }
                }
                _ => copy(wire, field, value, &mut out),
            })
        })?;
        Ok(())
    }

    /// The node of these bytes, if it is one of the layers.
    fn layer(&self, bytes: &[u8]) -> Option<NodeProto> {
        let node = NodeProto::decode(bytes).ok()?;
        let is_layer = is_product(&node)
            && node.input.get(1).is_some_and(|weight| self.weights.contains_key(weight));
        is_layer.then_some(node)
    }
}

fn is_product(node: &NodeProto) -> bool {
    node.op_type == "MatMul" && node.domain.is_empty() && node.input.len() == 2
}

/// The name and sizes of an initializer of `len` bytes, if it is a matrix of 32-bit floats whose
/// bytes are all in the file. The numbers are passed over.
fn matrix<R: Read + Seek>(
    wire: &mut Wire<R>,
    len: u64,
) -> Result<Option<(String, [usize; 2])>, WireError> {
    let (mut head, mut size) = (Vec::new(), 0);
    wire.message::<WireError>(len, |wire, field, value| match (field, value) {
        (field::TENSOR_RAW_DATA, Value::Bytes(len)) => {
            size = len;
            wire.skip(value)
        }
        _ => copy(wire, field, value, &mut head),
    })?;
    let Ok(head) = TensorProto::decode(head.as_slice()) else { return Ok(None) };
    let [rows, columns] = head.dims.as_slice() else { return Ok(None) };
    let (Ok(rows), Ok(columns)) = (usize::try_from(*rows), usize::try_from(*columns)) else {
        return Ok(None);
    };
    let bytes = rows.checked_mul(columns).and_then(|count| count.checked_mul(4));
    let is_whole = bytes.is_some_and(|bytes| bytes > 0 && bytes as u64 == size);
    let is_matrix = head.data_type == proto::FLOAT && is_whole;
    Ok(is_matrix.then_some((head.name, [rows, columns])))
}

/// What a step of one level stands for.
fn scale(most: f32) -> f32 {
    // Of nothing but zeros any scale will do, but 0.
    if most > 0.0 { most / MOST_LEVEL } else { 1.0 }
}

/// An activation's way to integers and back, and the constants for that.
fn write_rounding(activation: &str, scale: f32, out: &mut impl Write) -> Result<(), WireError> {
    let name = |suffix| format!("{PREFIX}{activation}_{suffix}");
    let (levels, step, zero) = (name("levels"), name("scale"), name("zero"));
    let constants = [
        tensor(&step, Vec::new(), proto::FLOAT, scale.to_le_bytes().to_vec()),
        tensor(&zero, Vec::new(), proto::INT8, vec![0]),
    ];
    for constant in &constants {
        write_message(out, field::GRAPH_INITIALIZER, constant)?;
    }
    let nodes = [
        node("QuantizeLinear", &[activation, &step, &zero], &levels, Vec::new()),
        node("DequantizeLinear", &[&levels, &step, &zero], &rounded(activation), Vec::new()),
    ];
    for node in &nodes {
        write_message(out, field::GRAPH_NODE, node)?;
    }
    Ok(())
}

/// A matrix as levels, with a scale and a zero for each column.
fn write_matrix(
    weight: &str,
    [rows, columns]: [usize; 2],
    raw: &[u8],
    out: &mut impl Write,
) -> Result<(), WireError> {
    let (words, _) = raw.as_chunks::<4>();
    let numbers: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let mut most = vec![0.0f32; columns];
    for row in numbers.chunks(columns) {
        most.iter_mut().zip(row).for_each(|(most, number)| *most = most.max(number.abs()));
    }
    let steps: Vec<f32> = most.into_iter().map(scale).collect();
    let level = |(number, step): (&f32, &f32)| {
        (number / step).round_ties_even().clamp(-MOST_LEVEL, MOST_LEVEL) as i8 as u8
    };
    let levels = numbers.chunks(columns).flat_map(|row| row.iter().zip(&steps).map(level));
    let name = |suffix| format!("{PREFIX}{weight}_{suffix}");
    let of_columns = vec![columns as i64];
    let bytes = steps.iter().flat_map(|step| step.to_le_bytes()).collect();
    for tensor in [
        tensor(&name("levels"), vec![rows as i64, columns as i64], proto::INT8, levels.collect()),
        tensor(&name("scale"), of_columns.clone(), proto::FLOAT, bytes),
        tensor(&name("zero"), of_columns, proto::INT8, vec![0; columns]),
    ] {
        write_message(out, field::GRAPH_INITIALIZER, &tensor)?;
    }
    Ok(())
}

/// The name of what was rounded to levels.
fn rounded(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn named(what: &str, place: usize) -> String {
    format!("{PREFIX}{what}_{place}")
}

fn tensor(name: &str, dims: Vec<i64>, data_type: i32, raw_data: Vec<u8>) -> TensorProto {
    let (name, raw_data) = (name.to_owned(), Some(raw_data));
    TensorProto { dims, data_type, name, raw_data, ..Default::default() }
}

fn node(op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: output.to_owned(),
        op_type: op.to_owned(),
        attribute,
        domain: String::new(),
    }
}

fn number(name: &str, value: i64) -> AttributeProto {
    let kind = AttributeType::Int.into();
    AttributeProto { name: name.to_owned(), i: Some(value), kind, ..Default::default() }
}

fn scalar_output(name: &str) -> ValueInfoProto {
    let shape = Some(proto::TensorShapeProto::default());
    let tensor_type = Some(proto::TensorTypeProto { elem_type: proto::FLOAT, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(proto::TypeProto { tensor_type }) }
}

fn write_bytes(out: &mut impl Write, field: u64, bytes: &[u8]) -> Result<(), WireError> {
    write_key(out, field, Value::Bytes(bytes.len() as u64))?;
    Ok(out.write_all(bytes)?)
}

/// Copies a model with its graph written by `graph`, twice: a message says its length first.
fn rewrite<R: Read + Seek>(
    mut source: R,
    out: &mut impl Write,
    graph: impl Fn(&mut Wire<&mut R>, u64, &mut dyn Write) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let (mut size, mut graphs) = (Measure(0), 0);
    let (mut wire, end) = Wire::new(&mut source)?;
    wire.message(end, |wire, field, value| match (field, value) {
        (field::MODEL_GRAPH, Value::Bytes(len)) => {
            graphs += 1;
            graph(wire, len, &mut size)
        }
        (_, other) => wire.skip(other),
    })?;
    if graphs > 1 {
        return Err(WireError::Malformed { at: end, found: "a second graph" });
    }
    let (mut wire, end) = Wire::new(&mut source)?;
    wire.message(end, |wire, field, value| match (field, value) {
        (field::MODEL_GRAPH, Value::Bytes(len)) => {
            write_key(out, field, Value::Bytes(size.0))?;
            graph(wire, len, out)
        }
        _ => copy(wire, field, value, out),
    })
}
