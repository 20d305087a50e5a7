//! What of a network decides in which arithmetic each operator runs: nodes, and the types of what
//! they are given. Weights stay in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use super::HalfError;
use crate::core::onnx::{Value, Wire, WireError, field};
use crate::models::onnx::proto;
use crate::models::onnx::rewrite::copy;

/// One node, its ends apart from the rest, which is kept as it was written.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub op: String,
    pub domain: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    /// All other fields, encoded.
    pub rest: Vec<u8>,
    /// The element type that a `Cast` or a constant gives.
    pub element: Option<i32>,
    /// The order of a `Transpose`.
    pub ints: Vec<i64>,
    /// Its lists of integers by name, such as the `strides` of a `Conv`.
    pub lists: BTreeMap<String, Vec<i64>>,
    /// The `group` of a `Conv`.
    pub group: Option<i32>,
    /// Whether it chooses its `pads` by itself.
    pub pads_itself: bool,
    /// Whether it holds graphs of its own.
    pub has_graph: bool,
}

#[derive(Debug, Default)]
pub(super) struct Network {
    pub nodes: Vec<Node>,
    /// The element types of the weights.
    pub weights: BTreeMap<String, i32>,
    /// The numbers of those that are short lists of integers, such as the shape for a `Reshape`.
    pub shapes: BTreeMap<String, Vec<i64>>,
    /// The sizes of the weights.
    pub dims: BTreeMap<String, Vec<i64>>,
    /// Of inputs that are no weights.
    pub inputs: BTreeMap<String, i32>,
    /// The sizes of the inputs, where they are fixed.
    pub input_dims: BTreeMap<String, Vec<Option<i64>>>,
    pub outputs: BTreeMap<String, i32>,
    /// Values that a `Reshape` takes in half floats.
    pub half: BTreeSet<String>,
    /// Values that are computed in single floats, whatever gives them.
    pub single: BTreeSet<String>,
}

impl Network {
    /// # Errors
    /// [`HalfError::Onnx`] for a damaged file.
    pub(super) fn read(source: impl Read + Seek) -> Result<Self, HalfError> {
        let mut network = Self::default();
        let (mut wire, end) = Wire::new(source)?;
        wire.message(end, |wire, field, value| match (field, value) {
            (field::MODEL_GRAPH, Value::Bytes(len)) => network.read_graph(wire, len),
            (_, other) => wire.skip(other),
        })?;
        let weights = &network.weights;
        network.inputs.retain(|name, _| !weights.contains_key(name));
        Ok(network)
    }

    fn read_graph<R: Read + Seek>(
        &mut self,
        wire: &mut Wire<R>,
        len: u64,
    ) -> Result<(), WireError> {
        wire.message(len, |wire, field, value| match (field, value) {
            (field::GRAPH_NODE, Value::Bytes(len)) => {
                self.nodes.push(node(wire, len)?);
                Ok(())
            }
            (field::GRAPH_INITIALIZER, Value::Bytes(len)) => {
                let Tensor { name, element, dims, integers } = tensor(wire, len)?;
                self.shapes.extend(integers.map(|integers| (name.clone(), integers)));
                self.dims.insert(name.clone(), dims);
                self.weights.insert(name, element);
                Ok(())
            }
            (field::GRAPH_INPUT, Value::Bytes(len)) => {
                let (name, element, dims) = port(wire, len)?;
                self.input_dims.insert(name.clone(), dims);
                self.inputs.insert(name, element);
                Ok(())
            }
            (field::GRAPH_OUTPUT, Value::Bytes(len)) => {
                let (name, element, _) = port(wire, len)?;
                self.outputs.insert(name, element);
                Ok(())
            }
            (_, other) => wire.skip(other),
        })
    }
}

#[derive(Default)]
struct Tensor {
    name: String,
    element: i32,
    dims: Vec<i64>,
    /// Its numbers, if they are a few integers.
    integers: Option<Vec<i64>>,
}

/// A name, an element type, and sizes, where they are fixed.
type Port = (String, i32, Vec<Option<i64>>);

/// In bytes.
const LONGEST_SHAPE: u64 = 64;

fn port<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<Port, WireError> {
    let port: proto::ValueInfoProto = proto::decode(wire, len)?;
    let tensor = port.r#type.and_then(|t| t.tensor_type).unwrap_or_default();
    let dims = tensor.shape.unwrap_or_default().dim;
    let size = |dim: proto::DimensionProto| match dim.value {
        Some(proto::dimension::Value::Size(size)) => Some(size),
        _ => None,
    };
    Ok((port.name, tensor.elem_type, dims.into_iter().map(size).collect()))
}

/// What there is to know of a weight.
fn tensor<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<Tensor, WireError> {
    let (mut found, mut raw) = (Tensor::default(), None);
    wire.message::<WireError>(len, |wire, field, value| match (field, value) {
        // One by one, or all together.
        (field::TENSOR_DIMS, Value::Number(number)) => {
            found.dims.push(number as i64);
            Ok(())
        }
        (field::TENSOR_DIMS, Value::Bytes(len)) => {
            found.dims.extend(wire.numbers(len)?.into_iter().map(|number| number as i64));
            Ok(())
        }
        (field::TENSOR_NAME, Value::Bytes(len)) => {
            found.name = text(wire, len)?;
            Ok(())
        }
        (field::TENSOR_DATA_TYPE, Value::Number(number)) => {
            found.element = element_type(number);
            Ok(())
        }
        (field::TENSOR_RAW_DATA, Value::Bytes(len)) if len <= LONGEST_SHAPE => {
            raw = Some(wire.bytes(len)?);
            Ok(())
        }
        (_, other) => wire.skip(other),
    })?;
    let raw = raw.filter(|_| found.element == proto::INT64);
    found.integers =
        raw.map(|raw| raw.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect());
    Ok(found)
}

fn node<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<Node, WireError> {
    let mut node = Node::default();
    wire.message::<WireError>(len, |wire, field, value| match (field, value) {
        (field::NODE_INPUT, Value::Bytes(len)) => {
            node.inputs.push(text(wire, len)?);
            Ok(())
        }
        (field::NODE_OUTPUT, Value::Bytes(len)) => {
            node.outputs.push(text(wire, len)?);
            Ok(())
        }
        (_, other) => copy(wire, field, other, &mut node.rest),
    })?;
    let rest = node.rest.clone();
    let (mut wire, end) = Wire::new(std::io::Cursor::new(&rest))?;
    wire.message::<WireError>(end, |wire, field, value| match (field, value) {
        (field::NODE_OP_TYPE, Value::Bytes(len)) => {
            node.op = text(wire, len)?;
            Ok(())
        }
        (field::NODE_DOMAIN, Value::Bytes(len)) => {
            node.domain = text(wire, len)?;
            Ok(())
        }
        (field::NODE_ATTRIBUTE, Value::Bytes(len)) => attribute(wire, len, &mut node),
        (_, other) => wire.skip(other),
    })?;
    Ok(node)
}

/// What an attribute tells of the type that comes out.
fn attribute<R: Read + Seek>(
    wire: &mut Wire<R>,
    len: u64,
    node: &mut Node,
) -> Result<(), WireError> {
    let (mut name, mut number, mut held, mut list) = (String::new(), None, None, Vec::new());
    wire.message::<WireError>(len, |wire, field, value| match (field, value) {
        (field::ATTRIBUTE_NAME, Value::Bytes(len)) => {
            name = text(wire, len)?;
            Ok(())
        }
        (field::ATTRIBUTE_I, Value::Number(value)) => {
            number = Some(element_type(value));
            Ok(())
        }
        // One by one, or all together.
        (field::ATTRIBUTE_INTS, Value::Number(number)) => {
            list.push(number as i64);
            Ok(())
        }
        (field::ATTRIBUTE_INTS, Value::Bytes(len)) => {
            list.extend(wire.numbers(len)?.into_iter().map(|number| number as i64));
            Ok(())
        }
        (field::ATTRIBUTE_T, Value::Bytes(len)) => {
            held = Some(tensor(wire, len)?.element);
            Ok(())
        }
        (field::ATTRIBUTE_G | field::ATTRIBUTE_GRAPHS, other) => {
            node.has_graph = true;
            wire.skip(other)
        }
        (_, other) => wire.skip(other),
    })?;
    match name.as_str() {
        "perm" => node.ints = list,
        "group" => node.group = number,
        // Even NOTSET, which nobody writes.
        "auto_pad" => node.pads_itself = true,
        "to" => node.element = number,
        "value" => node.element = held,
        "value_float" | "value_floats" => node.element = Some(proto::FLOAT),
        _ if !list.is_empty() => drop(node.lists.insert(name, list)),
        _ => {}
    }
    Ok(())
}

fn text<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<String, WireError> {
    let at = wire.at();
    String::from_utf8(wire.bytes(len)?)
        .map_err(|_| WireError::Malformed { at, found: "a name that is no text" })
}

/// `TensorProto.DataType`, of which no value is large.
fn element_type(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(0)
}
