//! What an ONNX file takes and gives, without reading its weights.
//!
//! The file is walked field by field and everything of no interest is skipped, so a file of
//! gigabytes costs as much as its list of nodes. No length in it is believed before the data
//! behind it is there.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use prost::Message;
use thiserror::Error;

use super::proto::{self, dimension};

/// Inputs and outputs of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub ir_version: u64,
    /// Of the default operator set.
    pub opset: u64,
    /// Inputs that a caller must give: without those that only name a weight.
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

/// One input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    /// Whether its elements are 32-bit floats.
    pub is_f32: bool,
    pub dims: Vec<Dim>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    Fixed(usize),
    /// Any size; the file's name for it, which may be empty.
    Dynamic(String),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.dims.iter().map(Dim::to_string).collect();
        write!(f, "{} [{}]", self.name, dims.join(","))
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

#[derive(Debug, Error)]
pub enum OnnxError {
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    #[error("byte {at}: {found}; not an ONNX file, or a damaged one")]
    Malformed { at: u64, found: &'static str },
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
    scan(File::open(path)?)
}

/// Reads the summary of a whole ONNX file.
pub fn scan(mut source: impl Read + Seek) -> Result<Summary, OnnxError> {
    let end = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let mut wire = Wire { reader: BufReader::new(source), at: 0 };
    let mut found = Found::default();
    wire.message(end, |wire, field, value| match (field, value) {
        (1, Value::Number(version)) => {
            found.ir_version = Some(version);
            Ok(())
        }
        (7, Value::Bytes(len)) => graph(wire, len, &mut found),
        (8, Value::Bytes(len)) => {
            let set: proto::OperatorSetIdProto = wire.decode(len)?;
            if matches!(set.domain.as_str(), "" | "ai.onnx") {
                found.opset = u64::try_from(set.version).ok();
            }
            Ok(())
        }
        (_, other) => wire.skip(other),
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
}

impl Found {
    fn finish(mut self) -> Result<Summary, OnnxError> {
        self.inputs.retain(|port| !self.weights.contains(&port.name));
        let summary = Summary {
            ir_version: self.ir_version.ok_or(OnnxError::Without("format version"))?,
            opset: self.opset.ok_or(OnnxError::Without("operator set version"))?,
            inputs: self.inputs,
            outputs: self.outputs,
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
        (5, Value::Bytes(len)) => {
            found.weights.insert(weight_name(wire, len)?);
            Ok(())
        }
        (11, Value::Bytes(len)) => {
            found.inputs.push(port(wire, len)?);
            Ok(())
        }
        (12, Value::Bytes(len)) => {
            found.outputs.push(port(wire, len)?);
            Ok(())
        }
        (_, other) => wire.skip(other),
    })
}

fn weight_name<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<String, OnnxError> {
    let (mut name, mut external) = (String::new(), false);
    wire.message(len, |wire, field, value| match (field, value) {
        (8, Value::Bytes(len)) => {
            name = String::from_utf8_lossy(&wire.bytes(len)?).into_owned();
            Ok(())
        }
        (14, Value::Number(location)) => {
            external = location == 1;
            Ok(())
        }
        (_, other) => wire.skip(other),
    })?;
    if external { Err(OnnxError::ExternalData(name)) } else { Ok(name) }
}

fn port<R: Read + Seek>(wire: &mut Wire<R>, len: u64) -> Result<Port, OnnxError> {
    let at = wire.at;
    let info: proto::ValueInfoProto = wire.decode(len)?;
    let tensor = info.r#type.and_then(|t| t.tensor_type);
    let tensor = tensor.ok_or(OnnxError::Malformed { at, found: "a port that is no tensor" })?;
    let dims = tensor.shape.unwrap_or_default().dim.into_iter().map(|d| match d.value {
        Some(dimension::Value::Size(size)) => usize::try_from(size)
            .map(Dim::Fixed)
            .map_err(|_| OnnxError::Malformed { at, found: "a negative size" }),
        Some(dimension::Value::Name(name)) => Ok(Dim::Dynamic(name)),
        None => Ok(Dim::Dynamic(String::new())),
    });
    let is_f32 = tensor.elem_type == proto::FLOAT;
    Ok(Port { name: info.name, is_f32, dims: dims.collect::<Result<_, _>>()? })
}

/// A field's value in protobuf's wire format, bytes not yet read.
#[derive(Clone, Copy)]
enum Value {
    Number(u64),
    Fixed(u64),
    Bytes(u64),
}

struct Wire<R> {
    reader: BufReader<R>,
    at: u64,
}

impl<R: Read + Seek> Wire<R> {
    /// Calls `each` for every field of a message of `len` bytes; `each` reads or skips the value.
    fn message(
        &mut self,
        len: u64,
        mut each: impl FnMut(&mut Self, u64, Value) -> Result<(), OnnxError>,
    ) -> Result<(), OnnxError> {
        let beyond =
            |at| OnnxError::Malformed { at, found: "a field that ends beyond its message" };
        let end = self.at.checked_add(len).ok_or(beyond(self.at))?;
        while self.at < end {
            let (field, value) = self.field()?;
            let size = match value {
                Value::Bytes(size) | Value::Fixed(size) => size,
                Value::Number(_) => 0,
            };
            if self.at.checked_add(size).is_none_or(|after| after > end) {
                return Err(beyond(self.at));
            }
            each(self, field, value)?;
        }
        Ok(())
    }

    fn field(&mut self) -> Result<(u64, Value), OnnxError> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed(8),
            2 => Value::Bytes(self.varint()?),
            5 => Value::Fixed(4),
            _ => {
                let found = "a field of unknown kind";
                return Err(OnnxError::Malformed { at: self.at, found });
            }
        };
        Ok((key >> 3, value))
    }

    fn varint(&mut self) -> Result<u64, OnnxError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte)?;
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(OnnxError::Malformed { at: self.at, found: "a number of more than 64 bits" })
    }

    fn bytes(&mut self, len: u64) -> Result<Vec<u8>, OnnxError> {
        let mut bytes = Vec::new();
        let got = self.reader.by_ref().take(len).read_to_end(&mut bytes)?;
        self.at += got as u64;
        if got as u64 == len {
            Ok(bytes)
        } else {
            Err(OnnxError::Malformed { at: self.at, found: "the end of the file" })
        }
    }

    fn decode<M: Message + Default>(&mut self, len: u64) -> Result<M, OnnxError> {
        let at = self.at;
        let bytes = self.bytes(len)?;
        M::decode(bytes.as_slice())
            .map_err(|_| OnnxError::Malformed { at, found: "a message that makes no sense" })
    }

    fn skip(&mut self, value: Value) -> Result<(), OnnxError> {
        if let Value::Bytes(len) | Value::Fixed(len) = value {
            let beyond = OnnxError::Malformed { at: self.at, found: "a length beyond any file" };
            self.reader.seek_relative(i64::try_from(len).map_err(|_| beyond)?)?;
            self.at += len;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

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
    }

    #[test]
    fn damaged_files_are_errors() {
        let whole = model().encode_to_vec();
        for len in 0..whole.len() {
            assert!(scan(Cursor::new(&whole[..len])).is_err(), "{len} bytes were enough");
        }
        let error = scan(Cursor::new(b"<!DOCTYPE html>")).unwrap_err();
        assert!(matches!(error, OnnxError::Malformed { .. }), "{error}");
        // A field of 2^63 bytes.
        let huge = b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
        assert!(scan(Cursor::new(huge)).is_err());
    }
}
