//! Weights that a file keeps elsewhere: refused wherever ONNX has a place for a tensor.
//!
//! A path in a model that somebody else made could name any file of this machine, whose content
//! would become a weight; and what a hash says of a model holds for the one file only.

use std::io::{Read, Seek};

use super::OnnxError;
use crate::core::onnx::{Value, Wire, WireError, field};

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;
/// Graphs inside attributes of graphs: loops in branches of loops. Published networks have two.
const MOST_NESTED: usize = 16;

/// Reads a `TensorProto` of `len` bytes, whose data is passed over, and returns its name.
///
/// # Errors
/// [`OnnxError::ExternalData`] for one that lies elsewhere.
pub(super) fn tensor<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<String, OnnxError> {
    let (mut name, mut external) = (String::new(), false);
    wire.message::<WireError>(len, |wire, field, value| match (field, value) {
        (field::TENSOR_NAME, Value::Bytes(len)) => {
            name = String::from_utf8_lossy(&wire.bytes(len)?).into_owned();
            Ok(())
        }
        (field::TENSOR_DATA_LOCATION, Value::Number(location)) => {
            external |= location == EXTERNAL;
            Ok(())
        }
        (field::TENSOR_EXTERNAL_DATA, other) => {
            external = true;
            wire.skip(other)
        }
        (_, other) => wire.skip(other),
    })?;
    if external { Err(OnnxError::ExternalData(name)) } else { Ok(name) }
}

/// Reads a `SparseTensorProto` of `len` bytes.
pub(super) fn sparse<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<(), OnnxError> {
    wire.message(len, |wire, field, value| match (field, value) {
        (field::SPARSE_VALUES | field::SPARSE_INDICES, Value::Bytes(len)) => {
            tensor(wire, len).map(drop)
        }
        (_, other) => Ok(wire.skip(other)?),
    })
}

/// Reads an `AttributeProto` of `len` bytes, of a node that is inside so many graphs.
pub(super) fn attribute<R: Read + Seek>(
    wire: &mut Wire<R>,
    len: u64,
    depth: usize,
) -> Result<(), OnnxError> {
    use field::*;
    wire.message(len, |wire, field, value| match (field, value) {
        (ATTRIBUTE_T | ATTRIBUTE_TENSORS, Value::Bytes(len)) => tensor(wire, len).map(drop),
        (ATTRIBUTE_SPARSE_TENSOR | ATTRIBUTE_SPARSE_TENSORS, Value::Bytes(len)) => {
            sparse(wire, len)
        }
        (ATTRIBUTE_G | ATTRIBUTE_GRAPHS, Value::Bytes(len)) => graph(wire, len, depth + 1),
        (_, other) => Ok(wire.skip(other)?),
    })
}

/// Reads a `NodeProto` of `len` bytes inside so many graphs.
fn node<R: Read + Seek>(wire: &mut Wire<R>, len: u64, depth: usize) -> Result<(), OnnxError> {
    wire.message(len, |wire, field, value| match (field, value) {
        (field::NODE_ATTRIBUTE, Value::Bytes(len)) => attribute(wire, len, depth),
        (_, other) => Ok(wire.skip(other)?),
    })
}

/// Reads the `GraphProto` of an attribute.
fn graph<R: Read + Seek>(wire: &mut Wire<R>, len: u64, depth: usize) -> Result<(), OnnxError> {
    if depth > MOST_NESTED {
        let found = "graphs inside of graphs, more than sixteen deep";
        return Err(WireError::Malformed { at: wire.at(), found }.into());
    }
    wire.message(len, |wire, field, value| match (field, value) {
        (field::GRAPH_NODE, Value::Bytes(len)) => node(wire, len, depth),
        (field::GRAPH_INITIALIZER, Value::Bytes(len)) => tensor(wire, len).map(drop),
        (field::GRAPH_SPARSE_INITIALIZER, Value::Bytes(len)) => sparse(wire, len),
        (_, other) => Ok(wire.skip(other)?),
    })
}

/// Reads a `TrainingInfoProto` of `len` bytes.
pub(super) fn training<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<(), OnnxError> {
    use field::*;
    wire.message(len, |wire, field, value| match (field, value) {
        (TRAINING_INITIALIZATION | TRAINING_ALGORITHM, Value::Bytes(len)) => graph(wire, len, 0),
        (_, other) => Ok(wire.skip(other)?),
    })
}

/// Reads a `FunctionProto` of `len` bytes.
pub(super) fn function<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<(), OnnxError> {
    wire.message(len, |wire, field, value| match (field, value) {
        (field::FUNCTION_NODE, Value::Bytes(len)) => node(wire, len, 0),
        (field::FUNCTION_ATTRIBUTE, Value::Bytes(len)) => attribute(wire, len, 0),
        (_, other) => Ok(wire.skip(other)?),
    })
}
