//! A network that computes in half floats, made of one that computes in single ones, for runtimes
//! that take every operator's arithmetic from the file.
//!
//! Products are computed in half floats, and what follows them; normalisations, softmax and other
//! sums stay in single ones ([`plan`]). Inputs and outputs keep their types, so that nobody who
//! runs the network has to know.

mod attention;
mod network;
mod patches;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::Path;

use half::f16;

use self::network::Network;
use self::plan::{HALF, Plan};
use super::proto;
use super::rewrite::{Measure, copy, write_key, write_message};
use crate::core::onnx::{Value, Wire, WireError, field};
use crate::models::file::{self, AtomicFile};

/// Why a network cannot be made to compute in half floats.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum HalfError {
    #[error(transparent)]
    Onnx(#[from] WireError),
    #[error("cannot read or write the network: {0}")]
    File(#[from] std::io::Error),
    #[error("it has the operator {op}, whose arithmetic this project does not know")]
    Operator { op: String },
    #[error("its weight {name} is of floats that are neither single nor half ones")]
    Element { name: String },
    #[error("its weight {name} has numbers beyond the range of half floats (65504)")]
    Range { name: String },
    #[error("its weight {name} holds {found} numbers where its shape has {expected}")]
    Weight { name: String, found: usize, expected: usize },
}

impl HalfError {
    /// Whether the network is whole, and of a kind that cannot be rewritten.
    pub fn is_of_the_network(&self) -> bool {
        matches!(self, Self::Operator { .. } | Self::Element { .. } | Self::Range { .. })
    }
}

/// How attention is written, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// In the operators that it came in.
    AsItIs,
    /// As ONNX Runtime's own operator, where it is of the usual kind: for its CUDA provider, so that
    /// convolutions over clips are no convolutions in half floats either, which cuDNN lacks.
    Fused,
}

/// Writes the network at `model` with its products in half floats to `target`, whole or not at all.
///
/// # Errors
/// [`HalfError`]; [`HalfError::is_of_the_network`] says whether this network has to compute as it is.
pub fn to_half(model: &Path, target: &Path, attention: Attention) -> Result<(), HalfError> {
    let mut partial = AtomicFile::new(file::folder(target))?;
    let mut out = BufWriter::new(&mut partial);
    rewrite(File::open(model)?, &mut out, attention)?;
    out.flush()?;
    drop(out);
    Ok(partial.publish(target)?)
}

/// Copies the network in `source` to `out` with its products in half floats.
fn rewrite(
    mut source: impl Read + Seek,
    out: &mut impl Write,
    attention: Attention,
) -> Result<(), HalfError> {
    let mut network = Network::read(&mut source)?;
    let fused = attention == Attention::Fused && attention::fuse(&mut network) > 0;
    if attention == Attention::Fused {
        patches::rewrite(&mut network);
    }
    let plan = Plan::new(&network)?;
    let weights = network.weights.keys().collect();
    // A message says its length first: the graph is written twice, once to be measured.
    let mut graph = Measure(0);
    let (mut wire, end) = Wire::new(&mut source)?;
    wire.message::<HalfError>(end, |wire, field, value| match (field, value) {
        (field::MODEL_GRAPH, Value::Bytes(len)) => {
            write_graph(&plan, &weights, wire, len, &mut graph)
        }
        (_, other) => Ok(wire.skip(other)?),
    })?;
    let (mut wire, end) = Wire::new(&mut source)?;
    wire.message::<HalfError>(end, |wire, field, value| match (field, value) {
        (field::MODEL_GRAPH, Value::Bytes(len)) => {
            write_key(out, field::MODEL_GRAPH, Value::Bytes(graph.0))?;
            write_graph(&plan, &weights, wire, len, out)
        }
        _ => Ok(copy(wire, field, value, out)?),
    })?;
    if fused {
        let set = proto::OperatorSetIdProto { domain: attention::DOMAIN.to_owned(), version: 1 };
        write_message(out, field::MODEL_OPSET_IMPORT, &set)?;
    }
    Ok(())
}

fn write_graph<R: Read + Seek>(
    plan: &Plan,
    weights: &BTreeSet<&String>,
    wire: &mut Wire<R>,
    len: u64,
    out: &mut impl Write,
) -> Result<(), HalfError> {
    out.write_all(&plan.nodes)?;
    wire.message::<HalfError>(len, |wire, field, value| match (field, value) {
        (field::GRAPH_NODE, other) => Ok(wire.skip(other)?),
        // Types of inner values, which are others now.
        (field::GRAPH_VALUE_INFO, other) => Ok(wire.skip(other)?),
        (field::GRAPH_INPUT, Value::Bytes(len)) => {
            let input: proto::ValueInfoProto = proto::decode(wire, len)?;
            // Older files name their weights among the inputs.
            if !weights.contains(&input.name) {
                write_message(out, field::GRAPH_INPUT, &input)?;
            }
            Ok(())
        }
        (field::GRAPH_INITIALIZER, Value::Bytes(len)) => {
            let weight: proto::TensorProto = proto::decode(wire, len)?;
            if plan.halves.contains(&weight.name) {
                write_message(out, field::GRAPH_INITIALIZER, &in_half(&weight)?)?;
            }
            if plan.kept.contains(&weight.name) {
                write_message(out, field::GRAPH_INITIALIZER, &weight)?;
            }
            Ok(())
        }
        _ => Ok(copy(wire, field, value, out)?),
    })
}

/// A weight in half floats, under its new name.
fn in_half(weight: &proto::TensorProto) -> Result<proto::TensorProto, HalfError> {
    let name = || weight.name.clone();
    let mut values = Vec::new();
    let mut convert = |value: f32| {
        let half = f16::from_f32(value);
        values.extend(half.to_le_bytes());
        if half.is_infinite() { Err(HalfError::Range { name: name() }) } else { Ok(()) }
    };
    match &weight.raw_data {
        Some(raw) => {
            let (numbers, _) = raw.as_chunks::<4>();
            numbers.iter().try_for_each(|bytes| convert(f32::from_le_bytes(*bytes)))?;
        }
        None => weight.float_data.iter().try_for_each(|value| convert(*value))?,
    }
    let sizes = weight.dims.iter().map(|dim| usize::try_from(*dim).unwrap_or(0));
    let (found, expected) = (values.len() / 2, sizes.fold(1, usize::saturating_mul));
    if found != expected {
        return Err(HalfError::Weight { name: name(), found, expected });
    }
    Ok(proto::TensorProto {
        dims: weight.dims.clone(),
        data_type: proto::FLOAT16,
        name: format!("{}{HALF}", weight.name),
        raw_data: Some(values),
        ..Default::default()
    })
}
