//! What an ONNX file takes and gives, without reading its weights.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use thiserror::Error;

use super::external;
use super::proto::{self, dimension};
use crate::core::modelinfo::PortType;
use crate::core::onnx::{ModelTraits, Value, Wire, WireError, field};

/// Inputs and outputs of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Of the file's format.
    pub ir_version: u64,
    /// Of the default operator set.
    pub opset: u64,
    /// Inputs that a caller must give: without those that only name a weight.
    pub inputs: Vec<Port>,
    /// What the network answers.
    pub outputs: Vec<Port>,
    /// By what it shows that it was quantised or compiled.
    pub traits: ModelTraits,
}

/// One input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The tensor's name.
    pub name: String,
    /// `None`: of a type that no network here has.
    pub element: Option<PortType>,
    /// The sizes of its axes, batch first.
    pub dims: Vec<Dim>,
}

/// The size of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// This size and no other.
    Fixed(usize),
    /// Any size; the file's name for it, which may be empty.
    Dynamic(String),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.dims.iter().map(Dim::to_string).collect();
        let element = if self.element == Some(PortType::Uint8) { "u8" } else { "" };
        write!(f, "{} {element}[{}]", self.name, dims.join(","))
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => size.fmt(f),
            Self::Dynamic(name) if name.is_empty() => f.write_str("?"),
            Self::Dynamic(name) => f.write_str(name),
        }
    }
}

/// Why an ONNX file cannot be summarised.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum OnnxError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("no {0} in it; not an ONNX file, or a damaged one")]
    Without(&'static str),
    #[error(
        "the weight {0} is kept in another file; merge the weights into the .onnx file \
         (onnx.save with save_as_external_data=False)"
    )]
    ExternalData(String),
}

/// Reads the summary of the file at `path`.
pub fn summary(path: &Path) -> Result<Summary, OnnxError> {
    scan(File::open(path).map_err(WireError::Io)?)
}

/// Reads the summary of a whole ONNX file.
pub fn scan(source: impl Read + Seek) -> Result<Summary, OnnxError> {
    let (mut wire, len) = Wire::new(source)?;
    let mut found = Found::default();
    wire.message(len, |wire, field, value| match (field, value) {
        (field::MODEL_IR_VERSION, Value::Number(version)) => {
            found.ir_version = Some(version);
            Ok(())
        }
        (field::MODEL_GRAPH, Value::Bytes(len)) => graph(wire, len, &mut found),
        (field::MODEL_OPSET_IMPORT, Value::Bytes(len)) => {
            let set: proto::OperatorSetIdProto = proto::decode(wire, len)?;
            if matches!(set.domain.as_str(), "" | "ai.onnx") {
                found.opset = u64::try_from(set.version).ok();
            }
            Ok(())
        }
        (field::MODEL_TRAINING_INFO, Value::Bytes(len)) => external::training(wire, len),
        (field::MODEL_FUNCTIONS, Value::Bytes(len)) => external::function(wire, len),
        (_, other) => Ok(wire.skip(other)?),
    })?;
    found.finish()
}

#[derive(Default)]
struct Found {
    ir_version: Option<u64>,
    opset: Option<u64>,
    weights: HashSet<String>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    traits: ModelTraits,
}

impl Found {
    fn finish(mut self) -> Result<Summary, OnnxError> {
        self.inputs.retain(|port| !self.weights.contains(&port.name));
        let summary = Summary {
            ir_version: self.ir_version.ok_or(OnnxError::Without("format version"))?,
            opset: self.opset.ok_or(OnnxError::Without("operator set version"))?,
            inputs: self.inputs,
            outputs: self.outputs,
            traits: self.traits,
        };
        match &summary {
            s if s.inputs.is_empty() => Err(OnnxError::Without("input")),
            s if s.outputs.is_empty() => Err(OnnxError::Without("output")),
            _ => Ok(summary),
        }
    }
}

fn graph<R: Read + Seek>(wire: &mut Wire<R>, len: u64, found: &mut Found) -> Result<(), OnnxError> {
    wire.message(len, |wire, field, value| match (field, value) {
        (field::GRAPH_NODE, Value::Bytes(len)) => {
            found.traits.add_node_and(wire, len, |wire, field, value| match (field, value) {
                (field::NODE_ATTRIBUTE, Value::Bytes(len)) => external::attribute(wire, len, 0),
                (_, other) => Ok(wire.skip(other)?),
            })
        }
        (field::GRAPH_INITIALIZER, Value::Bytes(len)) => {
            found.weights.insert(external::tensor(wire, len)?);
            Ok(())
        }
        (field::GRAPH_SPARSE_INITIALIZER, Value::Bytes(len)) => external::sparse(wire, len),
        (field::GRAPH_INPUT, Value::Bytes(len)) => {
            found.inputs.push(port(wire, len)?);
            Ok(())
        }
        (field::GRAPH_OUTPUT, Value::Bytes(len)) => {
            found.outputs.push(port(wire, len)?);
            Ok(())
        }
        (_, other) => Ok(wire.skip(other)?),
    })
}

fn port<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<Port, OnnxError> {
    let at = wire.at();
    let info: proto::ValueInfoProto = proto::decode(wire, len)?;
    let tensor = info.r#type.and_then(|t| t.tensor_type);
    let tensor = tensor.ok_or(WireError::Malformed { at, found: "a port that is no tensor" })?;
    let dims = tensor.shape.unwrap_or_default().dim.into_iter().map(|d| match d.value {
        Some(dimension::Value::Size(size)) => usize::try_from(size)
            .map(Dim::Fixed)
            .map_err(|_| WireError::Malformed { at, found: "a negative size" }),
        Some(dimension::Value::Name(name)) => Ok(Dim::Dynamic(name)),
        None => Ok(Dim::Dynamic(String::new())),
    });
    let element = match tensor.elem_type {
        proto::FLOAT => Some(PortType::Float32),
        proto::UINT8 => Some(PortType::Uint8),
        _ => None,
    };
    Ok(Port { name: info.name, element, dims: dims.collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use prost::Message;

    use super::*;

    fn port(name: &str, dims: Vec<dimension::Value>) -> proto::ValueInfoProto {
        let dim = dims.into_iter().map(|v| proto::DimensionProto { value: Some(v) }).collect();
        let shape = Some(proto::TensorShapeProto { dim });
        let tensor_type = Some(proto::TensorTypeProto { elem_type: proto::FLOAT, shape });
        proto::ValueInfoProto { name: name.into(), r#type: Some(proto::TypeProto { tensor_type }) }
    }

    fn model() -> proto::ModelProto {
        use dimension::Value::{Name, Size};
        let weight = proto::TensorProto {
            name: "w".into(),
            dims: vec![2],
            data_type: proto::FLOAT,
            raw_data: Some(vec![0; 8]),
            ..Default::default()
        };
        let graph = proto::GraphProto {
            input: vec![port("x", vec![Name("N".into()), Size(3)]), port("w", vec![Size(2)])],
            output: vec![port("y", vec![Size(2)])],
            initializer: vec![weight],
            ..Default::default()
        };
        proto::ModelProto {
            ir_version: 8,
            graph: Some(graph),
            opset_import: vec![proto::OperatorSetIdProto { domain: String::new(), version: 17 }],
            ..Default::default()
        }
    }

    #[test]
    fn ports_are_found_and_weights_left_out() {
        let found = scan(Cursor::new(model().encode_to_vec())).unwrap();
        assert_eq!((found.ir_version, found.opset), (8, 17));
        let inputs: Vec<_> = found.inputs.iter().map(Port::to_string).collect();
        assert_eq!(inputs, ["x [N,3]"]);
        assert_eq!(found.traits, ModelTraits::default());
    }

    #[test]
    fn a_network_s_nature_is_known_by_its_operators() {
        let node = |op: &str| proto::NodeProto {
            // What is named after an operator is not one.
            name: "DequantizeLinear".into(),
            op_type: op.into(),
            ..Default::default()
        };
        for (ops, is_quantised, is_compiled) in [
            (vec!["MatMul", "Add"], false, false),
            (vec!["QuantizeLinear", "DequantizeLinear", "MatMul"], true, false),
            (vec!["DynamicQuantizeLinear", "MatMulInteger", "Cast"], true, false),
            (vec!["Cast", "EPContext", "Softmax"], false, true),
        ] {
            let mut model = model();
            model.graph.as_mut().unwrap().node = ops.into_iter().map(node).collect();
            let file = model.encode_to_vec();
            let expected = ModelTraits { is_quantised, is_compiled };
            let nodes = model.graph.unwrap().node;
            assert_eq!(scan(Cursor::new(&file)).unwrap().traits, expected, "{nodes:?}");
            // Who only asks for it learns the same.
            let mut path = tempfile::NamedTempFile::new().unwrap();
            path.write_all(&file).unwrap();
            assert_eq!(ModelTraits::of(path.path()).unwrap(), expected, "{nodes:?}");
        }
    }

    /// A field of bytes, of the numbers that fit into two bytes of key.
    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        prost::encoding::encode_varint(u64::from(number) << 3 | 2, &mut out);
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        out.extend(bytes);
        out
    }

    /// Where a tensor can be in a model.
    type Place<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

    #[test]
    fn weights_in_other_files_are_refused_wherever_a_tensor_can_be() {
        let name = message(8, b"weight");
        let inside = [name.clone(), message(9, b"data")].concat();
        // By the location, or by what says where.
        let (at, says) =
            ([name.clone(), vec![0x70, 1]].concat(), [name, message(13, b"")].concat());
        let nested = |depth: usize, tensor: &[u8]| {
            let deepest = message(5, tensor);
            (0..depth).fold(deepest, |graph, _| message(1, &message(5, &message(6, &graph))))
        };
        let places: [Place<'_>; 12] = [
            &|tensor| message(7, &message(5, tensor)),
            &|tensor| message(7, &message(15, &message(1, tensor))),
            &|tensor| message(7, &message(15, &message(2, tensor))),
            // A Constant's value, values, sparse value; a branch, a loop in it; branches.
            &|tensor| message(7, &message(1, &message(5, &message(5, tensor)))),
            &|tensor| message(7, &message(1, &message(5, &message(10, tensor)))),
            &|tensor| message(7, &message(1, &message(5, &message(22, &message(1, tensor))))),
            &|tensor| message(7, &message(1, &message(5, &message(23, &message(2, tensor))))),
            &|tensor| message(7, &nested(2, tensor)),
            &|tensor| {
                message(
                    7,
                    &message(1, &message(5, &message(11, &message(15, &message(1, tensor))))),
                )
            },
            &|tensor| message(20, &message(1, &nested(1, tensor))),
            &|tensor| message(25, &message(7, &message(5, &message(5, tensor)))),
            &|tensor| message(25, &message(11, &message(5, tensor))),
        ];
        let file = |place: &[u8]| Cursor::new([model().encode_to_vec(), place.to_vec()].concat());
        for (n, place) in places.into_iter().enumerate() {
            assert!(scan(file(&place(&inside))).is_ok(), "place {n}");
            for external in [&at, &says] {
                let error = scan(file(&place(external))).unwrap_err();
                let is_named = matches!(&error, OnnxError::ExternalData(name) if name == "weight");
                assert!(is_named, "place {n}: {error}");
            }
        }
        // As deep as a stack could be made to overflow.
        assert!(scan(file(&message(7, &nested(16, &inside)))).is_ok());
        let error = scan(file(&message(7, &nested(5_000, &inside)))).unwrap_err();
        assert!(error.to_string().contains("sixteen deep"), "{error}");
    }

    #[test]
    fn damaged_files_are_errors() {
        let whole = model().encode_to_vec();
        for len in 0..whole.len() {
            assert!(scan(Cursor::new(&whole[..len])).is_err(), "{len} bytes were enough");
        }
        let error = scan(Cursor::new(b"<!DOCTYPE html>")).unwrap_err();
        assert!(matches!(error, OnnxError::Wire(WireError::Malformed { .. })), "{error}");
        // A field of 2^63 bytes.
        let huge = b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
        assert!(scan(Cursor::new(huge)).is_err());
    }
}
